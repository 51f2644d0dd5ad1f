"""A long run with changes at half load: memory and latency stay as they were."""

from schemas import metric_names
from tests.benchmarks.bench_scorer import ghz
from tests.benchmarks.bench_scorer.changes import Changes, published
from tests.benchmarks.bench_scorer.modes.load import REQUESTS, maximum
from tests.benchmarks.bench_scorer.modes.swap import ADS_PER_SECOND
from tests.benchmarks.bench_scorer.report import Bar, Report, console
from tests.benchmarks.bench_scorer.rig import Rig

_SLICE_SECONDS = 30.0
_SWAP_SECONDS = 120.0


def run(rig: Rig, minutes: float, seed: int) -> Report:
    """Memory and p99 by slices of half a minute; the first ones warm the caches."""
    rate = maximum(rig, 5) / 2
    slices = max(4, round(minutes * 60 / _SLICE_SECONDS))
    versions = [f"v2-{i:04}" for i in range(round(minutes * 60 / _SWAP_SECONDS) + 1)]
    features = rig.folder / "features.yaml"
    memory, p99, failed = [], [], 0
    changes = Changes(
        rig.redis_port, features, seed, ADS_PER_SECOND, rig.world.ads, _SWAP_SECONDS, versions
    )
    with published(changes):
        for number in range(slices):
            outcome = ghz.load(rig.port, REQUESTS, _SLICE_SECONDS, rig.load_core, rate=rate)
            memory.append(rig.gauges.memory_bytes())
            p99.append(outcome.percentile(99))
            failed += outcome.failed
            console.print(f"{number + 1} of {slices}: {memory[-1] >> 20} MiB, p99 {p99[-1]} ms")
    quarter = max(1, slices // 4)
    early, late = (sorted(part)[len(part) // 2] for part in (p99[quarter:-quarter], p99[-quarter:]))
    growth = round(max(memory[-quarter:]) / max(memory[quarter:-quarter]) - 1, 4)
    report = Report("soak", rig.world.ads)
    report.bars = [
        Bar.at_most("memory at the end / after the first quarter, −1", growth, 0.02),
        Bar.at_most("p99 at the end / after the first quarter", round(late / early, 3), 1.1),
        Bar.at_most("failed", failed, 0),
    ]
    report.figures = {
        "minutes": minutes,
        "per_second": round(rate, 1),
        "memory_mb": [size // 1_000_000 for size in memory],
        "p99_ms": p99,
        "rows_applied": rig.gauges.read().total(f"{metric_names.ROWS_APPLIED.name}_total"),
    }
    return report
