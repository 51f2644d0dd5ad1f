"""``make sizing``: short benchmarks -> a table of what 10 k, 100 k and 1 M requests/s need."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from tests.benchmarks.sizing.formulae import Assumed, Measured, Needs, needs

LOADS = (10_000, 100_000, 1_000_000)
screen = Console(stderr=True)
ROWS: dict[str, Callable[[Needs], str]] = {
    "scorer, cores": lambda n: f"{n.scorer_cores:,}",
    "scorer, processes × memory": lambda n: f"{n.scorer_pods:,} × {n.scorer_gib_each:.1f} GiB",
    "events job, cores": lambda n: f"{n.events_cores:,}",
    "events job, state": lambda n: f"≤ {n.join_state_gib:,.0f} GiB",
    "learner, cores": lambda n: f"{n.learner_cores:.2f}" + (" (!)" if n.learner_cores > 1 else ""),
    "Redis, cores": lambda n: f"{n.redis_cores:,}",
    "Redis, memory": lambda n: f"{n.redis_gib:,.0f} GiB",
    "Kafka, partitions": lambda n: f"{n.kafka_partitions:,}",
    "Kafka, in": lambda n: f"{n.kafka_mib:,.0f} MiB/s",
}


def measure(ads: int) -> Measured:
    """Run the benchmarks, about five minutes. Exits with the first that fails."""
    scorer = _bench("bench_scorer", "--ads", str(ads), "--seconds", "3", "--recall-requests", "2")
    join = _bench(
        "bench_streaming", "--impressions", "300000", "--pending", "100000", "--only", JOIN
    )
    counters = _bench(
        "bench_counters", "--engagements", "1000000", "--sql-engagements", "100000",
        "--seconds", "0", "--backend", "rocksdb",
    )  # fmt: skip
    learner = _bench("bench_training", "--learner", "--values", "50000", "50000")
    return Measured(
        scorer_cpu_us=scorer["most"]["cpu_us"],
        scorer_bytes_per_ad=scorer["bytes_per_ad"],
        join_events=join["rates"][JOIN]["events_per_second"],
        counted_events=counters["engagements_per_second_a_core"]["counters"],
        learnt_samples=learner["rows_s"],
    )


JOIN = "label-join/rocksdb"


def main(
    ads: Annotated[int, typer.Option(help="of the scorer's benchmark")] = 100_000,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object on stdout")] = False,
) -> None:
    """Measure one core of this machine, and say what other loads need."""
    measured, assumed = measure(ads), Assumed()
    sizes = [needs(load, measured, assumed) for load in LOADS]
    if as_json:
        told = {"measured": asdict(measured), "assumed": asdict(assumed)}
        print(json.dumps({**told, "needs": [asdict(size) for size in sizes]}))
        return
    _show(Console(), measured, assumed, sizes, ads)


def _bench(name: str, *options: str) -> dict[str, Any]:
    screen.print(f"{name} …")
    command = [sys.executable, "-m", f"tests.benchmarks.{name}", *options]
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=one_thread)
    if done.returncode != 0:
        screen.print(f"{name} failed:\n{done.stderr[-2_000:]}", style="red")
        raise typer.Exit(1)
    last: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return last


def _show(out: Console, measured: Measured, assumed: Assumed, sizes: list[Needs], ads: int) -> None:
    out.print(f"measured on one core of this machine (scorer over {ads:,} ads):")
    for name, value in asdict(measured).items():
        out.print(f"  {name}: {value:,.0f}", highlight=False)
    out.print("assumed, see tests/benchmarks/sizing/formulae.py:")
    out.print("  " + ", ".join(f"{name} {value:,}" for name, value in asdict(assumed).items()))
    table = Table(title="all that follows is extrapolated, by those formulae", title_justify="left")
    table.add_column("requests/s")
    for size in sizes:
        table.add_column(f"{size.requests:,}", justify="right")
    for name, text in ROWS.items():
        table.add_row(name, *(text(size) for size in sizes))
    out.print(table)
    out.print(
        "cost drivers: scorer cores (candidates a request), state of the join (impressions × "
        "attribution window), Redis memory (users). (!): one task learns; lower "
        "CTR_STREAMING_NEGATIVE_KEEP until it is under 1."
    )


if __name__ == "__main__":
    typer.run(main)
