"""Load by ghz (https://ghz.sh): requests from a file, spaced evenly, each with its outcome."""

import json
import os
import subprocess
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = ROOT / ".build" / "bin" / "ghz"
PROTO = ROOT / "schemas" / "proto" / "ctr" / "v1" / "scorer.proto"
RANK = "ctr.v1.Scorer/Rank"
#: About each second ghz collected garbage, and sent late and then all at once: with rarer
#: collections, half of the answers over 8 ms are gone that do not belong to the onset of overload.
_RARE_GC = {"GOGC": "off", "GOMEMLIMIT": "3GiB"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run: ``ms`` [answers] latencies of the answers that were OK."""

    seconds: float
    ms: NDArray[np.float64]
    codes: dict[str, int]
    refused_ms: NDArray[np.float64]

    @classmethod
    def joined(cls, runs: Sequence["Outcome"]) -> "Outcome":
        """Of several runs of one kind."""
        return cls(
            sum(run.seconds for run in runs),
            np.concatenate([run.ms for run in runs]),
            dict(sum((Counter(run.codes) for run in runs), Counter())),
            np.concatenate([run.refused_ms for run in runs]),
        )

    @property
    def per_second(self) -> float:
        """Answers a second that were OK."""
        return round(len(self.ms) / self.seconds, 1)

    @property
    def failed(self) -> int:
        """Requests that were neither answered nor refused at once."""
        return sum(n for c, n in self.codes.items() if c not in ("OK", "ResourceExhausted"))

    def percentile(self, share: float) -> float:
        """Latency in ms that this share (0 to 100) of the answers kept; 0 without any."""
        return round(float(np.percentile(self.ms, share)), 2) if len(self.ms) else 0.0

    def refused(self, share: float) -> float:
        """As ``percentile``, of what was refused."""
        return round(float(np.percentile(self.refused_ms, share)), 2) if len(self.refused_ms) else 0

    def percentiles(self) -> dict[str, float]:
        """The usual ones."""
        names = {"p50_ms": 50, "p99_ms": 99, "p999_ms": 99.9}
        return {name: self.percentile(share) for name, share in names.items()}


def load(
    port: int,
    requests: Sequence[dict[str, Any]],
    seconds: float,
    core: int,
    rate: float = 0,
    concurrency: int = 3,
    timeout_ms: int = 5_000,
    connections: int = 3,
) -> Outcome:
    """Send ``rate`` requests a second whatever the answers do; 0: as fast as ``concurrency``
    clients go. More of them than a scorer has threads would wait, and be refused.

    The time is counted from when a request leaves, by a client on core ``core``.
    """
    pace = (
        ["--rps", str(round(rate)), "--async", "--concurrency", "64"]
        if rate
        else ["--concurrency", str(concurrency)]
    )
    with tempfile.NamedTemporaryFile("w", suffix=".json") as data:
        json.dump(list(requests), data)
        data.flush()
        command = [
            "taskset", "--cpu-list", str(core), str(PROGRAM), "--insecure",
            "--proto", str(PROTO), "--call", RANK,
            "--data-file", data.name, "--disable-template-functions", "--disable-template-data",
            "--duration", f"{seconds}s", "--duration-stop", "wait",
            "--timeout", f"{timeout_ms}ms", "--connections", str(connections),
            "--cpus", "1", "--format", "json", *pace, f"127.0.0.1:{port}",
        ]  # fmt: skip
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env={**os.environ, **_RARE_GC}
        )
    if done.returncode:
        raise RuntimeError(f"ghz: {done.stderr[-500:]}")
    return outcome(json.loads(done.stdout), seconds)


def outcome(report: dict[str, Any], seconds: float) -> Outcome:
    """From ghz's report in JSON."""
    details = report["details"] or []
    ok = [d["latency"] / 1e6 for d in details if d["status"] == "OK"]
    refused = [d["latency"] / 1e6 for d in details if d["status"] == "ResourceExhausted"]
    codes = Counter(d["status"] for d in details)
    return Outcome(seconds, np.array(ok), dict(codes), np.array(refused))
