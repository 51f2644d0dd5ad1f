"""Kafka to sink on one core: the label join against plain SQL and a Python function, in one run.

``python -m tests.benchmarks.bench_streaming --help``. Every variant reads a prefix of the same
events from a real broker, pinned to core 0; broker and client are on the others. Event time runs so
that ``--pending`` impressions lie within an attribution window: from then on one is forgotten for
each that comes. The rate is that of the second half of the events, when the state is full and the
JVM warm. ``source`` is what all variants share: to read and to decode.

With ``--sweep``, only our join, by the number of impressions in state.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from confluent_kafka import Producer
from rich.console import Console

from deploy.local.kafka_broker import kafka_part
from deploy.local.ports import HOST, free_ports
from deploy.local.redis_server import redis_part
from deploy.local.supervisor import Supervisor
from streaming.flink_rest import FlinkRest, FlinkRestError
from tests.benchmarks.join_events import events
from tests.benchmarks.join_variants import ATTRIBUTION_WINDOW_MS, LABEL_WAIT_MS, Task
from tests.benchmarks.process_tree import cpu_seconds, kill

ROOT = Path(__file__).resolve().parents[2]
POLL_SECONDS = 0.5
#: Of all events read, where the rate is measured.
MEASURED_FROM, MEASURED_TO = 0.5, 0.97
#: Impressions in state.
SWEEP = (100_000, 1_000_000, 5_000_000)
#: The variant that waits for more events when all are read.
ENDLESS = "events-job"
app = typer.Typer(add_completion=False)
screen = Console(stderr=True)


@dataclass(frozen=True, slots=True)
class Run:
    """A variant on so many impressions, of which ``pending`` at a time are in state."""

    variant: str
    backend: str
    impressions: int
    pending: int

    @property
    def name(self) -> str:
        """In the answer."""
        return f"{self.variant}/{self.backend}"


@dataclass(frozen=True, slots=True)
class Rate:
    """Over ``measured_seconds``. CPU time is that of all threads of the JVM and of Python, which
    compile and collect garbage, too: on a quiet core both rates are the same, on a busy one only
    that of CPU time means anything.

    ``state_bytes_per_pending`` is of the last checkpoint before the end, as Flink tells its size.
    """

    events_per_second: int
    events_per_cpu_second: int
    measured_seconds: float
    events: int
    pending: int
    state_bytes_per_pending: int

    @classmethod
    def of(
        cls, seen: list[tuple[float, float, int]], total: int, pending: int, state_bytes: int
    ) -> "Rate":
        """From time, CPU time and events read, again and again, of a run over ``total`` events."""
        warm = [look for look in seen if MEASURED_FROM * total <= look[2] <= MEASURED_TO * total]
        if len(warm) < 2:
            raise SystemExit("too quick to be measured, take more events")
        (began, cpu_then, first), (ended, cpu_now, last) = warm[0], warm[-1]
        return cls(
            events_per_second=round((last - first) / (ended - began)),
            events_per_cpu_second=round((last - first) / (cpu_now - cpu_then)),
            measured_seconds=round(ended - began, 1),
            events=total,
            pending=pending,
            state_bytes_per_pending=round(state_bytes / pending),
        )


@app.command()
def bench(
    impressions: Annotated[int, typer.Option(help="for our join, with 5 % clicks")] = 2_000_000,
    sql_impressions: Annotated[int, typer.Option(help="for plain SQL")] = 1_000_000,
    python_impressions: Annotated[int, typer.Option(help="for the Python function")] = 20_000,
    pending: Annotated[int, typer.Option(help="impressions in state, once it is full")] = 300_000,
    only: Annotated[str, typer.Option(help="VARIANT/BACKEND")] = "",
    sweep: Annotated[str, typer.Option(help="BACKEND: our join, 0.1 M to 5 M in state")] = "",
    seed: int = 1,
) -> None:
    """Print one JSON object with events/s of each variant and the ratios."""
    if sweep:
        pending = max(SWEEP)
        runs = [Run("label-join", sweep, max(1_000_000, n * 11 // 10), n) for n in SWEEP]
    else:
        sql, joined = min(sql_impressions, impressions), impressions
        runs = [
            Run("source", "hashmap", joined, pending),
            Run("label-join", "hashmap", joined, pending),
            Run("plain-sql", "hashmap", sql, pending),
            Run("label-join", "rocksdb", joined, pending),
            Run("plain-sql", "rocksdb", sql, pending),
            Run("python", "hashmap", python_impressions, pending),
        ]
    chosen = [run for run in runs if only in ("", run.name)]
    with tempfile.TemporaryDirectory() as folder:
        rates = measure(chosen, pending, seed, Path(folder))
    answer = [{"run": run.name, **asdict(rate)} for run, rate in rates.items()]
    print(json.dumps({"rates": answer, "ratios": {} if sweep else ratios(rates)}))


def measure(runs: list[Run], densest: int, seed: int, folder: Path) -> dict[Run, Rate]:
    """Fill a broker once, ``densest`` impressions to a day, then run each variant on it."""
    port, controller = free_ports(2)
    broker = kafka_part(
        folder=folder / "kafka",
        jars=ROOT / ".build" / "kafka",
        port=port,
        controller_port=controller,
        heap_mb=1024,
        partitions=1,
    )
    (redis_port,) = free_ports(1)
    store = redis_part(folder=folder / "redis", port=redis_port, maxmemory_mb=4_096)
    with Supervisor(folder, environment=os.environ, cwd=ROOT) as supervisor:
        supervisor.start([broker, store])
        bootstrap = f"{HOST}:{port}"
        began = time.monotonic()
        clicks = fill(bootstrap, {run.impressions for run in runs}, densest, seed)
        screen.print(f"events of {clicks}, in Kafka after {time.monotonic() - began:.0f} s")
        rates = {}
        for number, run in enumerate(runs):
            (rest_port,) = free_ports(1)
            task = Task(
                run.variant,
                run.backend,
                bootstrap,
                rest_port,
                folder / str(number),
                f"redis://{HOST}:{redis_port}/0",
                run.impressions,
                clicks[run.impressions],
                max(LABEL_WAIT_MS, ATTRIBUTION_WINDOW_MS * run.pending // densest),
            )
            rates[run] = rate_of(task, run.pending)
            screen.print(f"{run.name}: {rates[run]}")
        return rates


def fill(bootstrap: str, prefixes: Iterable[int], pending: int, seed: int) -> dict[int, int]:
    """Send the events, ``pending`` impressions to an attribution window; the clicks that belong to
    each number of impressions."""
    producer = Producer(
        {"bootstrap.servers": bootstrap, "linger.ms": 20, "compression.type": "none"}
    )
    impressions = max(prefixes)
    step_ms = ATTRIBUTION_WINDOW_MS / pending
    start_ms = int(time.time() * 1000 - step_ms * impressions) - ATTRIBUTION_WINDOW_MS
    sent = {"impressions": 0, "clicks": 0}
    clicks = {}
    for topic, key, value in events(impressions, seed, start_ms, step_ms):
        while True:
            try:
                producer.produce(topic, key=key, value=value)
                break
            except BufferError:
                producer.poll(0.1)
        sent[topic] += 1
        if topic == "impressions" and sent[topic] in prefixes:
            clicks[sent[topic]] = sent["clicks"]
    producer.flush()
    return clicks


def rate_of(task: Task, pending: int) -> Rate:
    """One variant to its end."""
    task.folder.mkdir()
    command = [sys.executable, "-m", "tests.benchmarks.join_variants", *task.arguments()]
    with (task.folder / "log").open("wb") as log:
        job = subprocess.Popen(
            ["taskset", "-c", "0", *command], cwd=ROOT, stdout=log, stderr=subprocess.STDOUT
        )
    total = task.impressions + task.clicks
    pending = min(pending, task.impressions)
    seen: list[tuple[float, float, int]] = []
    state_bytes = 0
    rest = FlinkRest(f"http://{HOST}:{task.rest_port}")
    while job.poll() is None:
        read = records_read(rest)
        if read:
            seen.append((time.monotonic(), cpu_seconds(job.pid), read))
            if read < 0.99 * total:
                state_bytes = checkpointed_bytes(rest) or state_bytes
            elif task.variant == ENDLESS:
                kill(job.pid)
                return Rate.of(seen, total, pending, state_bytes)
        time.sleep(POLL_SECONDS)
    if job.returncode:
        raise SystemExit(f"{task} failed:\n{(task.folder / 'log').read_text()[-3000:]}")
    return Rate.of(seen, total, pending, state_bytes)


def records_read(rest: FlinkRest) -> int:
    """By all sources of the only job, or made up by them; 0 while there is none."""
    try:
        return sum(rest.operator_records(job.id, "Source") for job in rest.jobs())
    except FlinkRestError:
        return 0


def checkpointed_bytes(rest: FlinkRest) -> int:
    """State in the newest checkpoint of the only job; 0 while there is none."""
    try:
        return sum(rest.checkpoints(job.id).newest_bytes or 0 for job in rest.jobs())
    except FlinkRestError:
        return 0


def ratios(rates: dict[Run, Rate]) -> dict[str, Any]:
    """Of ours to the obvious versions, on the same backend, by CPU time."""
    speed = {run.name: rate.events_per_cpu_second for run, rate in rates.items()}
    found = {}
    for other in ("plain-sql/hashmap", "plain-sql/rocksdb", "python/hashmap"):
        ours = f"label-join/{other.partition('/')[2]}"
        if other in speed and ours in speed:
            found[f"label-join to {other}"] = round(speed[ours] / speed[other], 2)
    return found


if __name__ == "__main__":
    app()
