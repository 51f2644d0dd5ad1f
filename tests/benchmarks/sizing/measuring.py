"""Runs the short benchmarks one after the other, says how far they are, and reads their figures."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from online_model.settings import OnlineModelSettings
from tests.benchmarks.sizing.formulae import Measured

#: Of one benchmark: one that takes longer hangs.
LIMIT_SECONDS = 300.0
TOLD_EVERY_SECONDS = 15.0
JOIN = "label-join/rocksdb"
LESS = 3
Tell = Callable[[str], None]
Answers = Sequence[Mapping[str, Any]]


class BenchmarkFailed(RuntimeError):
    """A benchmark failed or hung; the message has its last lines."""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A module of tests.benchmarks that prints JSON objects, one a line."""

    what: str
    module: str
    options: tuple[str, ...]

    def run(self, tell: Tell) -> Answers:
        """To its end. Raises BenchmarkFailed."""
        command = [sys.executable, "-m", f"tests.benchmarks.{self.module}", *self.options]
        began = told = time.monotonic()
        with tempfile.TemporaryDirectory() as name:
            out, log = Path(name) / "out", Path(name) / "log"
            with out.open("wb") as stdout, log.open("wb") as stderr:
                # A session of its own: what hangs is killed with all that it started.
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=stdout,
                    stderr=stderr,
                    env={**os.environ, "OMP_NUM_THREADS": "1"},
                    start_new_session=True,
                )
            try:
                while process.poll() is None:
                    time.sleep(0.2)
                    now = time.monotonic()
                    if now - began > LIMIT_SECONDS:
                        raise BenchmarkFailed(self._why(f"not done after {now - began:.0f} s", log))
                    if now - told > TOLD_EVERY_SECONDS:
                        told = now
                        tell(f"  {now - began:.0f} s: {_last_line(log)}")
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
            if process.returncode:
                raise BenchmarkFailed(self._why(f"ended with {process.returncode}", log))
            lines = out.read_text().splitlines()
        tell(f"  done in {time.monotonic() - began:.0f} s")
        return [json.loads(line) for line in lines if line.startswith("{")]

    def _why(self, what: str, log: Path) -> str:
        return f"{self.module} {what}:\n{log.read_text()[-2_000:]}"


def benchmarks(ads: int) -> list[Benchmark]:
    """Short ones, each of one core; two of a scorer, over all ads and over fewer."""
    return [
        _scorer(ads // LESS, seconds=1),
        _scorer(ads, seconds=5),
        Benchmark(
            "the label join",
            "bench_streaming",
            ("--impressions", "300000", "--pending", "100000", "--only", JOIN),
        ),
        Benchmark(
            "the counters",
            "bench_counters",
            (
                *("--engagements", "1000000", "--seconds", "0", "--impressions", "0"),
                *("--backend", "rocksdb", "--no-others"),
            ),
        ),
        Benchmark(
            "the learner",
            "bench_training",
            ("--learner", "--values", "50000", "50000", "--rows", "100000"),
        ),
    ]


def _scorer(ads: int, seconds: int) -> Benchmark:
    options = ("--most", "--ads", str(ads), "--seconds", str(seconds))
    return Benchmark(f"a scorer of {ads:,} ads", "bench_scorer", options)


def measure(ads: int, tell: Tell) -> Measured:
    """All of them. Raises BenchmarkFailed."""
    chosen = benchmarks(ads)
    answers = []
    for number, benchmark in enumerate(chosen, 1):
        tell(f"{number} of {len(chosen)}: {benchmark.what} on one core")
        answers.append(benchmark.run(tell))
    (small,), (scorer,), (join,), (counters,), learner = answers
    # What a scorer grew by with its ads has a part that no ad makes: two catalogues tell it.
    fewer, more = (one["ads"] * one["bytes_per_ad"] for one in (small, scorer))
    per_ad = (more - fewer) / (scorer["ads"] - small["ads"])
    precision = OnlineModelSettings().tower_precision
    return Measured(
        scorer_cpu_us=scorer["most"]["cpu_us"],
        scorer_fixed_bytes=scorer["base_bytes"] + more - per_ad * scorer["ads"],
        scorer_bytes_per_ad=per_ad,
        join_events=next(rate for rate in join["rates"] if rate["run"] == JOIN)[
            "events_per_cpu_second"
        ],
        counted_events=counters["engagements_per_second_a_core"]["counters"],
        rows_per_event=counters["runs"]["counters"]["rows_per_engagement"],
        learnt_samples=next(one for one in learner if one["precision"] == precision)["rows_s"],
    )


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1].strip()[:120] if lines else "starting"
