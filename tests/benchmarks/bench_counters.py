"""Counters and their rows in Redis on one core: engagements a second, and how fresh the rows are.

``python -m tests.benchmarks.bench_counters --help``. The job (JVM and Python worker) is pinned to
one core, Redis is on the others. What counts is the CPU time of the tasks' threads, of the garbage
collector and of the Python worker, over the middle 80 % of the engagements. What the JVM compiles
and what is done by the clock (checkpoints, metrics) would weigh more the busier the machine is; it
is in ``all_per_cpu_second``. The time to make the engagements up, measured by itself, is taken off.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import psutil
import redis
import typer
from rich.console import Console

from deploy.local.ports import HOST, free_ports
from deploy.local.redis_server import redis_part
from deploy.local.supervisor import Supervisor
from deploy.scrape import Scrape
from schemas import metric_names
from streaming.flink_rest import FlinkRest
from streaming.jobs.counting import Gathering
from tests.benchmarks.bench_streaming import ENDLESS, Run, measure, records_read
from tests.benchmarks.counter_variants import UNPACED
from tests.benchmarks.process_tree import each_cpu_seconds

ROOT = Path(__file__).resolve().parents[2]
BAR_PER_SECOND = 150_000
POLL_SECONDS = 0.5
#: Fewer are made up in less time than can be measured.
SOURCE_LEAST = 3_000_000
#: Nothing new for so long after the first engagement: the job hangs.
MOST_QUIET_SECONDS = 60.0
#: All are made up for so long. What a job does at its end, as to close windows, is not measured.
END_SECONDS = 10.0
#: Tasks are named after their operators; the others collect garbage.
WORKING_THREADS = (
    "Legacy Source", "Source: ", "window-counters", "last-clicks", "redis (", "GlobalWindow",
    "LocalWindow", "VM Thread", "GC Thread", "G1 ",
)  # fmt: skip
#: Of the engagements of a paced run: before, the JVM is still compiling.
WARM_AFTER = 0.5
app = typer.Typer(add_completion=False)
screen = Console(stderr=True)


@dataclass(frozen=True, slots=True)
class CpuSeconds:
    """Of what works on engagements, and of all."""

    tasks: float
    all: float


@dataclass(frozen=True, slots=True)
class Measured:
    """Of the middle of a run. ``core_share`` is all CPU time over time: the machine is shared."""

    per_cpu_second: float
    all_per_cpu_second: float
    per_second: float
    core_share: float
    rows_per_engagement: float


@app.command()
def bench(
    engagements: Annotated[int, typer.Option(help="of a run at full speed; 0: none")] = 3_000_000,
    sql_engagements: Annotated[int, typer.Option(help="for plain SQL")] = 300_000,
    seconds: Annotated[int, typer.Option(help="of the run at half the bar; 0: none")] = 60,
    impressions: Annotated[int, typer.Option(help="for the whole job; 0: none")] = 600_000,
    count_ms: Annotated[int, typer.Option(help="engagements are counted so long")] = 400,
    batch_ms: Annotated[int, typer.Option(help="rows are gathered so long")] = 100,
    backend: Annotated[str, typer.Option(help="hashmap or rocksdb")] = "hashmap",
    core: Annotated[int, typer.Option(help="for the job")] = 0,
    others: Annotated[bool, typer.Option(help="other ways to count, to compare with")] = True,
) -> None:
    """Print one JSON object: rates, ratios and freshness."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (port,) = free_ports(1)
        part = redis_part(folder=folder / "redis", port=port, maxmemory_mb=4_096)
        with Supervisor(folder, environment=os.environ, cwd=ROOT) as supervisor:
            supervisor.start([part])
            gathering = Gathering(count_ms, batch_ms)
            job = Job(folder, f"redis://{HOST}:{port}/0", backend, core)
            sql = sql_engagements if others else 0
            speed = full_speed(job, engagements, sql, gathering) if engagements else {}
            half = BAR_PER_SECOND // 2
            fresh = job.freshness(half, seconds, gathering) if seconds else None
        whole = whole_job(impressions, backend, folder) if impressions else None
    parts = {"freshness_at_half_the_bar": fresh, "whole_events_job": whole}
    print(json.dumps({"backend": backend, "engagements": engagements, **speed, **parts}))


def full_speed(
    job: "Job", engagements: int, sql_engagements: int, gathering: Gathering
) -> dict[str, Any]:
    """Counters, and what they are compared to if there are engagements for plain SQL."""
    runs = {
        "source": job.run("source", max(engagements, SOURCE_LEAST), gathering),
        "counters": job.run("counters", engagements, gathering),
    }
    if sql_engagements:
        runs["one-ms-batches"] = job.run("counters", engagements // 10, Gathering(1, 1))
        runs["sliding-sql"] = job.run("sliding-sql", sql_engagements, gathering)
    net = {variant: net_of(run, runs["source"]) for variant, run in runs.items()}
    return {
        "runs": {variant: asdict(run) for variant, run in runs.items()},
        "engagements_per_second_a_core": net,
        "ratios": {
            f"counters to {other}": round(net["counters"] / net[other], 2)
            for other in ("one-ms-batches", "sliding-sql")
            if other in net
        },
    }


def whole_job(impressions: int, backend: str, folder: Path) -> dict[str, Any]:
    """The events job with all its sinks, and its join alone, from Kafka."""
    pending = impressions // 4
    runs = [Run(variant, backend, impressions, pending) for variant in ("label-join", ENDLESS)]
    rates = measure(runs, pending, seed=1, folder=folder / "whole")
    found = {run.variant: rate.events_per_cpu_second for run, rate in rates.items()}
    return {
        "events_per_cpu_second": found,
        "join alone to the whole job": round(found["label-join"] / found[ENDLESS], 2),
    }


def net_of(run: Measured, source: Measured) -> float:
    """Engagements a second of CPU time without that of making them up."""
    if run is source:
        return round(source.per_cpu_second)
    return round(1 / (1 / run.per_cpu_second - 1 / source.per_cpu_second))


class Job:
    """Runs variants, one after the other, each in processes of its own."""

    def __init__(self, folder: Path, redis_url: str, backend: str, core: int) -> None:
        self._folder = folder
        self._redis_url = redis_url
        self._backend = backend
        self._core = core

    def run(self, variant: str, engagements: int, gathering: Gathering) -> Measured:
        """One variant to its end."""
        work, job, rest, _ = self._start(variant, engagements, UNPACED, gathering)
        seen: list[tuple[float, CpuSeconds, int]] = [
            (time.monotonic(), task_cpu_seconds(job.pid), done)
            for done in self._watch(job, rest, work, engagements)
            if done
        ]
        middle = [look for look in seen if 0.1 * engagements <= look[2] <= 0.9 * engagements]
        if len(middle) < 2:
            raise SystemExit(f"{variant}: too quick to be measured, take more engagements")
        began, ended = middle[0], middle[-1]
        time_spent, count = ended[0] - began[0], ended[2] - began[2]
        cpu = ended[1].all - began[1].all
        measured = Measured(
            per_cpu_second=round(count / (ended[1].tasks - began[1].tasks)),
            all_per_cpu_second=round(count / cpu),
            per_second=round(count / time_spent),
            core_share=round(cpu / time_spent, 2),
            rows_per_engagement=round(self._rows_written() / engagements, 2),
        )
        screen.print(f"{variant}: {measured}")
        return measured

    def freshness(self, per_second: int, seconds: int, gathering: Gathering) -> dict[str, Any]:
        """From a click's time to its counters in Redis, under a load that is not the limit, once
        the JVM is warm."""
        work, job, rest, metrics_port = self._start(
            "counters", per_second * seconds, per_second, gathering
        )
        metric = metric_names.CLICK_TO_COUNTER_SECONDS
        warm = found = None
        for done in self._watch(job, rest, work, per_second * seconds):
            found = Scrape.of(metrics_port).histogram(metric) or found
            # At the end nobody answers any more, and 0 are made up.
            if 0 < done < WARM_AFTER * per_second * seconds:
                warm = found
        if found is None:
            raise SystemExit("no freshness was seen: take more seconds")
        found = found.since(warm)
        return {
            "per_second": per_second,
            "rows": found.total,
            "p50_seconds": found.quantile(0.5),
            "p99_seconds": found.quantile(0.99),
        }

    @staticmethod
    def _watch(
        job: subprocess.Popen[bytes], rest: FlinkRest, work: Path, engagements: int
    ) -> Iterator[int]:
        """Engagements made up so far, again and again until the job ends.

        One that does not end itself soon is killed: all is measured by then, but Beam's server in
        the JVM may wait for a Python worker that is gone already.
        """
        quiet_since, before = time.monotonic(), 0
        while job.poll() is None:
            done = records_read(rest)
            if done != before or not done:
                quiet_since, before = time.monotonic(), done
            patience = MOST_QUIET_SECONDS if done < engagements else END_SECONDS
            if time.monotonic() - quiet_since > patience:
                screen.print("the job does not end by itself: killed")
                job.kill()
                job.wait()
                return
            yield done
            time.sleep(POLL_SECONDS)
        if job.returncode:
            raise SystemExit(f"job failed:\n{(work / 'log').read_text()[-3000:]}")

    def _start(
        self, variant: str, engagements: int, per_second: int, gathering: Gathering
    ) -> tuple[Path, subprocess.Popen[bytes], FlinkRest, int]:
        with redis.Redis.from_url(self._redis_url) as client:
            client.flushall()
            client.config_resetstat()
        rest_port, metrics_port = free_ports(2)
        work = self._folder / f"{variant}-{gathering.count_ms}-{per_second}"
        work.mkdir()
        values = (engagements, per_second, gathering.count_ms, gathering.batch_ms, metrics_port)
        module = "tests.benchmarks.counter_variants"
        command = [sys.executable, "-m", module, variant, self._backend, self._redis_url]
        command += [str(rest_port), str(work), *map(str, values)]
        with (work / "log").open("wb") as log:
            job = subprocess.Popen(
                ["taskset", "-c", str(self._core), *command],
                cwd=ROOT,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        return work, job, FlinkRest(f"http://{HOST}:{rest_port}"), metrics_port

    def _rows_written(self) -> int:
        with redis.Redis.from_url(self._redis_url) as client:
            stats: Any = client.info("commandstats")
        return int(stats.get("cmdstat_hset", {"calls": 0})["calls"])


def task_cpu_seconds(process_id: int) -> CpuSeconds:
    """Of a process and all that it started."""
    tasks = everything = 0.0
    for process, seconds in each_cpu_seconds(process_id):
        everything += seconds
        # Flink's Python worker is a thread of the process that submits, or one of its own.
        with suppress(psutil.NoSuchProcess):
            is_java = process.name() == "java"
            tasks += sum(thread_seconds(process)) if is_java else seconds
    return CpuSeconds(tasks, everything)


def thread_seconds(process: psutil.Process) -> Iterator[float]:
    """Of each thread that works on engagements, by its name."""
    for thread in process.threads():
        try:
            name = Path(f"/proc/{process.pid}/task/{thread.id}/comm").read_text()
        except FileNotFoundError:
            continue
        if name.startswith(WORKING_THREADS):
            yield thread.user_time + thread.system_time


if __name__ == "__main__":
    app()
