"""What the learner's state costs at each checkpoint: ``python -m tests.benchmarks.bench_state``.

A learner is in an embedded Flink with the learning job's own options and states, without Kafka and
Redis. Its table has been learning for long; samples are Zipf-like and hashed. Seconds pass faster
than they are said to, checkpoints come as often as they pass, so bytes are those of the job. Then
it is killed and goes on from its newest checkpoint.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any
from urllib.request import urlopen

import typer

from deploy.local.ports import HOST, free_ports
from streaming.recovery import newest_of
from streaming.settings import JobName, StreamingSettings
from tests.benchmarks.process_tree import kill
from tests.benchmarks.state_in_flink import Task

ROOT = Path(__file__).resolve().parents[2]
POLL_SECONDS = 0.5
#: Nothing new for so long: the job hangs.
MOST_QUIET_SECONDS = 300.0
CHECKPOINT_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """``written_bytes`` were in no checkpoint before."""

    triggered_ms: int
    written_bytes: int
    state_bytes: int
    seconds: float


def checkpoints(port: int) -> tuple[list[Checkpoint], dict[str, int]]:
    """Of the only job: those that were completed, in order, and how many were and how many not."""
    url = f"http://{HOST}:{port}/jobs"
    with urlopen(url, timeout=5) as answer:
        (job,) = json.load(answer)["jobs"]
    with urlopen(f"{url}/{job['id']}/checkpoints", timeout=5) as answer:
        told = json.load(answer)
    completed = [each for each in told["history"] if each["status"] == "COMPLETED"]
    found = [
        Checkpoint(
            each["trigger_timestamp"],
            each["checkpointed_size"],
            each["state_size"],
            each["end_to_end_duration"] / 1000,
        )
        for each in completed
    ]
    counts = {name: told["counts"][name] for name in ("completed", "failed")}
    return sorted(found, key=lambda each: each.triggered_ms), counts


def bytes_per_second(
    carrying: Checkpoint, later: Sequence[Checkpoint], learnt_ms: Iterable[int]
) -> float:
    """Written by ``later`` checkpoints for each second that was learnt between the one before them
    and the last of them; ``learnt_ms`` is when each second was."""
    first_ms, last_ms = carrying.triggered_ms, later[-1].triggered_ms
    seconds = sum(first_ms < ms <= last_ms for ms in learnt_ms)
    return sum(each.written_bytes for each in later) / seconds


@contextmanager
def learner(task: Task) -> Iterator[subprocess.Popen[bytes]]:
    """The job until it is killed."""
    (task.folder / "batches").unlink(missing_ok=True)
    command = [sys.executable, "-m", "tests.benchmarks.state_in_flink", *task.arguments()]
    with (task.folder / "log").open("wb") as log:
        job = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield job
    finally:
        kill(job.pid)


def batches(task: Task, job: subprocess.Popen[bytes], count: int) -> list[dict[str, Any]]:
    """What the learner says of its first ``count`` elements, as soon as it has said it."""
    file, said, changed = task.folder / "batches", 0, time.monotonic()
    while said < count:
        lines = file.read_text().splitlines() if file.exists() else []
        if len(lines) > said:
            said, changed = len(lines), time.monotonic()
        elif job.poll() is not None or time.monotonic() - changed > MOST_QUIET_SECONDS:
            told = (task.folder / "log").read_text()[-3000:]
            raise SystemExit(f"the learner stands still at {said} of {count}\n{told}")
        time.sleep(POLL_SECONDS)
    return [json.loads(line) for line in lines[:count]]


def measured(task: Task, seconds: int) -> dict[str, Any]:
    """Of ``seconds`` of learning after the whole table was written once, and of a restore."""
    with learner(task) as job:
        first, *learnt = batches(task, job, 1 + seconds)
        done, counts = checkpoints(task.rest_port)
    before = [each for each in done if each.triggered_ms <= first["ms"]]
    carrying, *later = [
        each for each in done if first["ms"] < each.triggered_ms <= learnt[-1]["ms"]
    ]
    saves = [each["keep"] for each in learnt if each["saved"]]
    point = newest_of(JobName.LEARNING, StreamingSettings.load(data=task.folder))
    assert point is not None
    restored = replace(task, restore=str(point.path))
    with learner(restored) as job:
        (again,) = batches(restored, job, 1)
    return {
        "rows": task.rows,
        "whole_mb": _mb(max(each.written_bytes for each in (*before, carrying))),
        "mb_per_second": round(
            bytes_per_second(carrying, later, [each["ms"] for each in learnt]) / 1e6, 3
        ),
        "checkpoints": counts,
        "mb_of_checkpoints": [_mb(each.written_bytes) for each in later],
        "state_mb": _mb(later[-1].state_bytes),
        "checkpoint_seconds_p50_max": _middle_and_most([each.seconds for each in later]),
        "learn_ms_p50": round(1e3 * _middle_and_most([each["learn"] for each in learnt])[0], 1),
        "saves": len(saves),
        "save_seconds": [round(each, 2) for each in saves],
        "restore_seconds": round(again["began"], 1),
        "restore_learnt_again": again["noted"],
    }


def _mb(size: float) -> float:
    return round(size / 1e6, 1)


def _middle_and_most(values: list[float]) -> tuple[float, float]:
    ordered = sorted(values)
    return round(ordered[len(ordered) // 2], 4), round(ordered[-1], 3)


def main(
    rows: Annotated[list[int] | None, typer.Option(help="of the table, × 16 dimensions")] = None,
    samples: Annotated[int, typer.Option(help="a second, of 20 fields")] = 2_000,
    seconds: Annotated[int, typer.Option(help="that are learnt", min=60)] = 700,
    speed: Annotated[int, typer.Option(help="so many pass in one")] = 5,
) -> None:
    """Print one JSON object a line for each size: bytes of each checkpoint and times."""
    for size in rows or (100_000, 1_000_000, 10_000_000):
        with tempfile.TemporaryDirectory() as name:
            (port,) = free_ports(1)
            checkpoint_ms = 1000 * CHECKPOINT_SECONDS // speed
            task = Task(Path(name), "", port, size, samples, speed, checkpoint_ms)
            print(json.dumps(measured(task, seconds)), flush=True)


if __name__ == "__main__":
    typer.run(main)
