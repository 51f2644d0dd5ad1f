"""Retraining from synthetic lakes: rows/s of one process and of two, memory as data grow tenfold.

``python -m tests.benchmarks.bench_retrain --help``. Each run is the command itself, one thread a
process. Speed is that of the larger lake: of the smaller one, starting Python and torch is a good
part. It is told by the wall and by CPU time: where a machine has other work, only the latter says
what the processes would have taken by themselves.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.console import Console

from schemas.features import FeatureSpec
from tests.bootstrap.synthetic_lake import declared, write_lake

ROOT = Path(__file__).resolve().parents[2]
VALIDATE_HOURS = 2
app = typer.Typer(add_completion=False)
screen = Console(stderr=True)


@app.command()
def bench(
    rows: Annotated[int, typer.Option(help="an hour of the smaller lake")] = 20_000,
    hours: Annotated[int, typer.Option(min=4)] = 12,
    fields: int = 20,
    buckets: Annotated[int, typer.Option(help="values of each field")] = 50_000,
    dim: int = 16,
    processes: Annotated[int, typer.Option(min=2)] = 2,
    growth: Annotated[
        int, typer.Option(min=1, help="how much larger the other lake is; 1: there is none")
    ] = 10,
) -> None:
    """Print one JSON object with the runs, the speed-up and the growth of memory."""
    spec = declared(fields, buckets, dim)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        features = folder / "synthetic.yaml"
        features.write_text(yaml.safe_dump(json.loads(spec.model_dump_json())))
        large = made(folder / "large", spec, hours, growth * rows)
        alone = run(large, folder / "one", features, 1)
        together = run(large, folder / "many", features, processes)
        report = {
            "rows": hours * growth * rows,
            "one_process": alone,
            f"{processes}_processes": together,
            "speed_up_wall": round(alone["seconds"] / together["seconds"], 2),
            "speed_up_cpu": round(max(alone["cpu_seconds"]) / max(together["cpu_seconds"]), 2),
        }
        if growth > 1:
            few = run(made(folder / "small", spec, hours, rows), folder / "few", features, 1)
            memory = max(alone["peak_memory_mb"]) / max(few["peak_memory_mb"])
            report |= {"small_lake": few, "memory_growth": round(memory, 2)}
    print(json.dumps(report))


def made(lake: Path, spec: FeatureSpec, hours: int, rows: int) -> Path:
    """A lake; said on the screen."""
    screen.print(f"making a lake of {hours} × {rows:,} rows")
    return write_lake(lake, spec, hours, rows)


def run(lake: Path, output: Path, features: Path, processes: int) -> dict[str, Any]:
    """One retrain, and the speed that follows from what it says."""
    screen.print(f"retraining from {lake.name} by {processes}")
    torchrun = [str(Path(sys.executable).parent / "torchrun"), "--standalone"]
    launcher = [*torchrun, f"--nproc-per-node={processes}"] if processes > 1 else [sys.executable]
    options = ["--validate-hours", str(VALIDATE_HOURS), "--keep-negatives", "1", "--json"]
    command = ["-m", "bootstrap", "retrain", "--lake", str(lake), "--output", str(output)]
    ended = subprocess.run(
        [*launcher, *command, *options],
        cwd=ROOT,
        env={**os.environ, "CTR_FEATURES": str(features), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    told: dict[str, Any] = json.loads(ended.stdout)
    names = ("rows_learnt", "seconds", "cpu_seconds", "peak_memory_mb", "log_loss", "auc", "pcoc")
    rates = {
        "rows_per_second": round(told["rows_learnt"] / told["seconds"]),
        "rows_per_cpu_second_of_one": round(told["rows_learnt"] / max(told["cpu_seconds"])),
    }
    return {**{name: told[name] for name in names}, **rates}


if __name__ == "__main__":
    app()
