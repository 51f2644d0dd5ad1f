"""Kafka to sink on one core: the label join against plain SQL and a Python function, in one run.

``python -m tests.benchmarks.bench_streaming --help``. Every variant reads the same events from a
real broker, pinned to core 0; broker and client are on the others. Event time runs so that
``--pending`` impressions lie within an attribution window: from then on one is forgotten for each
that comes. The rate is that of the second half of the events, when the state is full and the JVM
warm. ``state_mb`` is the size of the last checkpoint before the end.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import psutil
import typer
from confluent_kafka import Producer
from rich.console import Console

from deploy.local.kafka_broker import kafka_part
from deploy.local.ports import HOST, free_ports
from deploy.local.supervisor import Supervisor
from streaming.flink_rest import FlinkRest, FlinkRestError
from tests.benchmarks.join_events import events
from tests.benchmarks.join_variants import ATTRIBUTION_WINDOW_MS

ROOT = Path(__file__).resolve().parents[2]
POLL_SECONDS = 0.2
RUNS = (
    ("label-join", "hashmap"),
    ("plain-sql", "hashmap"),
    ("label-join", "rocksdb"),
    ("plain-sql", "rocksdb"),
    ("python", "hashmap"),
)
app = typer.Typer(add_completion=False)
screen = Console(stderr=True)


@app.command()
def bench(
    impressions: Annotated[int, typer.Option(help="with 5 % clicks")] = 2_000_000,
    pending: Annotated[int, typer.Option(help="impressions in state, once it is full")] = 500_000,
    python_impressions: Annotated[int, typer.Option(help="for the Python function")] = 20_000,
    only: Annotated[str, typer.Option(help="VARIANT/BACKEND")] = "",
    seed: int = 1,
) -> None:
    """Print one JSON object with events/s of each variant and the ratios."""
    chosen = [run for run in RUNS if not only or "/".join(run) == only]
    rates: dict[str, dict[str, Any]] = {}
    for count in sorted({impressions, python_impressions}, reverse=True):
        runs = [r for r in chosen if (r[0] == "python") == (count == python_impressions)]
        if runs:
            with tempfile.TemporaryDirectory() as folder:
                rates |= measure(runs, count, min(pending, count), seed, Path(folder))
    print(json.dumps({"impressions": impressions, "rates": rates, "ratios": ratios(rates)}))


def measure(
    runs: list[tuple[str, str]], impressions: int, pending: int, seed: int, folder: Path
) -> dict[str, dict[str, Any]]:
    """Fill a broker once, then run each variant on it."""
    port, controller = free_ports(2)
    broker = kafka_part(
        folder=folder / "kafka",
        jars=ROOT / ".build" / "kafka",
        port=port,
        controller_port=controller,
        heap_mb=1024,
        partitions=1,
    )
    with Supervisor(folder, environment=os.environ, cwd=ROOT) as supervisor:
        supervisor.start([broker])
        bootstrap = f"{HOST}:{port}"
        total = fill(bootstrap, impressions, pending, seed)
        screen.print(f"{total:,} events are in Kafka")
        results = {}
        for variant, backend in runs:
            result = run(variant, backend, bootstrap, total, folder)
            screen.print(f"{variant} on {backend}: {result}")
            results[f"{variant}/{backend}"] = result
        return results


def fill(bootstrap: str, impressions: int, pending: int, seed: int) -> int:
    """Send the events, ``pending`` impressions to an attribution window; how many there are."""
    producer = Producer(
        {"bootstrap.servers": bootstrap, "linger.ms": 20, "compression.type": "none"}
    )
    step_ms = ATTRIBUTION_WINDOW_MS / pending
    start_ms = int(time.time() * 1000 - step_ms * impressions) - ATTRIBUTION_WINDOW_MS
    total = 0
    for topic, key, value in events(impressions, seed, start_ms, step_ms):
        while True:
            try:
                producer.produce(topic, key=key, value=value)
                break
            except BufferError:
                producer.poll(0.1)
        total += 1
    producer.flush()
    return total


def run(
    variant: str, backend: str, bootstrap: str, total: int, folder: Path
) -> dict[str, float | int]:
    """One variant to its end; events/s over the second half, and seconds overall."""
    (rest_port,) = free_ports(1)
    work = folder / f"{variant}-{backend}"
    work.mkdir()
    module = "tests.benchmarks.join_variants"
    command = [sys.executable, "-m", module, variant, backend, bootstrap, str(rest_port), str(work)]
    with (work / "log").open("wb") as log:
        job = subprocess.Popen(
            ["taskset", "-c", "0", *command], cwd=ROOT, stdout=log, stderr=subprocess.STDOUT
        )
    seen: list[tuple[float, float, int]] = []
    state_bytes = 0
    rest = FlinkRest(f"http://{HOST}:{rest_port}")
    process = psutil.Process(job.pid)
    while job.poll() is None:
        read = records_read(rest)
        if read:
            seen.append((time.monotonic(), cpu_seconds(process), read))
            if read < 0.99 * total:
                state_bytes = checkpointed_bytes(rest) or state_bytes
        time.sleep(POLL_SECONDS)
    if job.returncode:
        raise SystemExit(f"{variant} on {backend} failed:\n{(work / 'log').read_text()[-3000:]}")
    warm = [sample for sample in seen if 0.5 * total <= sample[2] <= 0.95 * total]
    if len(warm) < 2:
        raise SystemExit(f"{variant} on {backend}: too quick to be measured, take more events")
    (began, cpu_then, first), (ended, cpu_now, last) = warm[0], warm[-1]
    return {
        "events_per_second": round((last - first) / (ended - began)),
        "cpu_us_per_event": round(1e6 * (cpu_now - cpu_then) / (last - first), 1),
        "state_mb": round(state_bytes / 1e6),
        "seconds": round(seen[-1][0] - seen[0][0], 1),
        "events": total,
    }


def cpu_seconds(process: psutil.Process) -> float:
    """Of a process and its children so far; 0 once it has ended."""
    try:
        family = [process, *process.children(recursive=True)]
        return sum(sum(member.cpu_times()[:2]) for member in family)
    except psutil.NoSuchProcess:
        return 0.0


def records_read(rest: FlinkRest) -> int:
    """By all sources of the only job; 0 while there is none."""
    try:
        return sum(rest.records_written(job.id, "Source") for job in rest.jobs())
    except FlinkRestError:
        return 0


def checkpointed_bytes(rest: FlinkRest) -> int:
    """State in the newest checkpoint of the only job; 0 while there is none."""
    try:
        return sum(rest.checkpoints(job.id).newest_bytes or 0 for job in rest.jobs())
    except FlinkRestError:
        return 0


def ratios(rates: dict[str, dict[str, Any]]) -> dict[str, float]:
    """Of ours to the obvious versions, on the same backend."""
    found = {}
    for other in ("plain-sql/hashmap", "plain-sql/rocksdb", "python/hashmap"):
        ours = f"label-join/{other.partition('/')[2]}"
        if other in rates and ours in rates:
            ratio = rates[ours]["events_per_second"] / rates[other]["events_per_second"]
            found[f"label-join to {other}"] = round(ratio, 2)
    return found


if __name__ == "__main__":
    app()
