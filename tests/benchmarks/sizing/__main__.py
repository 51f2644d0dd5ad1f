"""``make sizing``: short benchmarks -> a table of what 10 k, 100 k and 1 M requests/s need."""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from tests.benchmarks.sizing.formulae import Assumed, Measured, Needs, needs
from tests.benchmarks.sizing.measuring import BenchmarkFailed, measure

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
    "all cores": lambda n: f"{n.cores:,}",
    "of them": lambda n: "\n".join(f"{name} {share:.0%}" for name, share in n.core_shares()),
    "Kafka, partitions": lambda n: f"{n.kafka_partitions:,}",
    "Kafka, in": lambda n: f"{n.kafka_mib:,.0f} MiB/s",
}


def main(
    ads: Annotated[int, typer.Option(help="of the scorer's benchmark")] = 300_000,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object on stdout")] = False,
) -> None:
    """Measure one core of this machine, and say what other loads need (a few minutes)."""
    try:
        measured, assumed = measure(ads, lambda text: screen.print(text, markup=False)), Assumed()
    except BenchmarkFailed as error:
        screen.print(str(error), style="red", markup=False)
        raise typer.Exit(1) from None
    sizes = [needs(load, measured, assumed) for load in LOADS]
    if as_json:
        told = {"measured": asdict(measured), "assumed": asdict(assumed)}
        print(json.dumps({**told, "needs": [asdict(size) for size in sizes]}))
        return
    _show(Console(), measured, assumed, sizes, ads)


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
