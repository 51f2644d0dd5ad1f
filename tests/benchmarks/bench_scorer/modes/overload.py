"""Twice the maximum load: what is answered stays what it was, and comes in time."""

from tests.benchmarks.bench_scorer import ghz
from tests.benchmarks.bench_scorer.modes.load import REQUESTS, measured, warm_up
from tests.benchmarks.bench_scorer.report import Bar, Report
from tests.benchmarks.bench_scorer.rig import Rig


def run(rig: Rig, seconds: float) -> Report:
    """Normal is half of the maximum."""
    warm_up(rig)
    most = ghz.load(rig.port, REQUESTS, seconds, rig.load_core)
    normal, _ = measured(rig, seconds, rate=most.per_second / 2)
    over, used = measured(rig, seconds, rate=2 * most.per_second)
    goodput = round(over.per_second / max(most.per_second, 1.0), 3)
    slower = round(over.percentile(99) / max(normal.percentile(99), 0.01), 2)
    report = Report("overload", rig.world.ads)
    report.bars = [
        Bar.at_least("goodput / maximum at twice the maximum", goodput, 0.9),
        Bar.at_most("p99 of accepted / p99 at half load", slower, 2),
        Bar.at_most("neither answered nor refused", over.failed, 0),
    ]
    report.figures = {
        "maximum_per_second": most.per_second,
        "at_maximum": most.percentiles(),
        "normal": normal.percentiles(),
        "overload": {**over.percentiles(), **used, "codes": over.codes},
        "refusal_ms": {"p50": over.refused(50), "p99": over.refused(99)},
    }
    return report
