"""A scorer under load: ``python -m tests.benchmarks.bench_scorer --help``.

A real Redis, real gRPC over loopback, load by ghz, users varied; the scorer has one core, Redis and
the load have the other one. One mode a run; each prints its bars, and one JSON object.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import typer

from tests.benchmarks.bench_scorer.ghz import PROGRAM, ROOT
from tests.benchmarks.bench_scorer.report import console
from tests.benchmarks.bench_scorer.rig import filled_rig

GHZ = "github.com/bojand/ghz/cmd/ghz@v0.120.0"


def main(
    ads: int = typer.Option(100_000, min=5_000, help="ads in the catalogue; the bars are for 10 M"),
    seed: int = typer.Option(1, help="of ads, users and weights"),
    seconds: float = typer.Option(10.0, min=1, help="length of each measured run"),
    recall_requests: int = typer.Option(40, min=1, help="requests whose best ads are computed"),
    ranker_requests: int = typer.Option(10, min=1, help="those of them scored by the whole model"),
) -> None:
    """Print one JSON object; the table is for people."""
    require_ghz()
    from tests.benchmarks.bench_scorer import load

    with tempfile.TemporaryDirectory() as folder, filled_rig(Path(folder), ads, seed) as rig:
        rig.start()
        load.run(rig, seconds, recall_requests, ranker_requests).print()


def require_ghz() -> None:
    """Build the load generator where it is missing."""
    if PROGRAM.is_file():
        return
    go = shutil.which("go")
    if go is None:
        console.print("bench-scorer: no Go compiler: apt-get install golang", style="red")
        sys.exit(2)
    console.print(f"installing {GHZ}")
    environment = {"GOBIN": str(PROGRAM.parent), "GOFLAGS": "-buildvcs=false"}
    subprocess.run([go, "install", GHZ], check=True, cwd=ROOT, env={**os.environ, **environment})


if __name__ == "__main__":
    typer.run(main)
