"""A scorer under load: ``python -m tests.benchmarks.bench_scorer --help``.

A real Redis, real gRPC over loopback, load by ghz, users varied; the scorer has one core, Redis and
the load have the other one. One mode a run, the bars are for 10 M ads; without a mode: requests/s,
latency, recall, memory and the plain path beside ours.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import typer

from tests.benchmarks.bench_scorer.ghz import PROGRAM, ROOT
from tests.benchmarks.bench_scorer.modes.faults import run as run_faults
from tests.benchmarks.bench_scorer.modes.live import run as run_live
from tests.benchmarks.bench_scorer.modes.load import run as run_load
from tests.benchmarks.bench_scorer.modes.most import run as run_most
from tests.benchmarks.bench_scorer.modes.overload import run as run_overload
from tests.benchmarks.bench_scorer.modes.rungs import SETTINGS as RUNG_SETTINGS
from tests.benchmarks.bench_scorer.modes.rungs import run as run_rungs
from tests.benchmarks.bench_scorer.modes.soak import run as run_soak
from tests.benchmarks.bench_scorer.modes.swap import run as run_swap
from tests.benchmarks.bench_scorer.report import Report, console
from tests.benchmarks.bench_scorer.rig import Rig, filled_rig
from tests.benchmarks.bench_scorer.shifted_clock import ShiftedClock
from tests.benchmarks.bench_scorer.slow_proxy import SlowProxy

GHZ = "github.com/bojand/ghz/cmd/ghz@v0.120.0"


def main(
    ads: int = typer.Option(10_000_000, min=5_000, help="ads in the catalogue"),
    seed: int = typer.Option(1, help="of ads, users and weights"),
    seconds: float = typer.Option(10.0, min=1, help="length of each measured run"),
    recall_requests: int = typer.Option(40, min=1, help="requests whose best ads are computed"),
    ranker_requests: int = typer.Option(10, min=1, help="those of them scored by the whole model"),
    workers: int = typer.Option(1, min=0, help="processes that answer; 0: one process does all"),
    most: bool = typer.Option(False, "--most", help="requests/s and memory only, for sizing"),
    overload: bool = typer.Option(False, "--overload", help="twice the maximum load"),
    rungs: bool = typer.Option(False, "--rungs", help="each rung of the ladder under load"),
    swap: bool = typer.Option(False, "--swap", help="new models and row deltas under load"),
    turns: int = typer.Option(3, min=1, help="of --swap and --overload: runs of each kind"),
    live: bool = typer.Option(False, "--live", help="ads added, paused, deleted under load"),
    faults: bool = typer.Option(False, "--faults", help="Redis, packages, clock, processes fail"),
    soak: float = typer.Option(0.0, min=0, help="minutes of load with changes"),
) -> None:
    """Print one JSON object; tables are for people. Exit code 1: a bar was missed."""
    require_ghz()
    with (
        tempfile.TemporaryDirectory() as folder,
        filled_rig(Path(folder), ads, seed, max(workers, 2) if faults else workers) as rig,
    ):
        if faults:
            report = with_faults(rig)
        elif rungs:
            rig.start(**RUNG_SETTINGS)
            report = run_rungs(rig, seconds)
        else:
            load_seconds = rig.start()
            if most:
                report = run_most(rig, seconds)
            elif overload:
                report = run_overload(rig, seconds, turns)
            elif swap:
                report = run_swap(rig, seconds, turns, seed)
            elif live:
                report = run_live(rig, seconds)
            elif soak:
                report = run_soak(rig, soak, seed)
            else:
                report = run_load(rig, seconds, recall_requests, ranker_requests)
            report.figures["start_seconds"] = round(load_seconds, 1)
    report.print()
    if not all(bar.met for bar in report.bars):
        raise typer.Exit(1)


def with_faults(rig: Rig) -> Report:
    """A scorer whose Redis can be slow and whose clock can jump."""
    clock, proxy = ShiftedClock.build(rig.folder), SlowProxy(rig.redis_port)
    try:
        url = f"redis://127.0.0.1:{proxy.port}/0"
        rig.start(CTR_REDIS_URL=url, **clock.environment)
        return run_faults(rig, proxy, clock)
    finally:
        proxy.close()


def require_ghz() -> None:
    """Build the load generator where it is missing."""
    if PROGRAM.is_file():
        return
    go = shutil.which("go")
    if go is None:
        console.print("bench-scorer: no Go compiler: apt-get install golang", style="red")
        sys.exit(2)
    console.print(f"installing {GHZ}")
    environment = {**os.environ, "GOBIN": str(PROGRAM.parent), "GOFLAGS": "-buildvcs=false"}
    subprocess.run([go, "install", GHZ], check=True, cwd=ROOT, env=environment)


if __name__ == "__main__":
    typer.run(main)
