"""Twice the maximum load: what is answered stays what it was, and comes in time."""

from tests.benchmarks.bench_scorer import ghz
from tests.benchmarks.bench_scorer.ghz import Outcome
from tests.benchmarks.bench_scorer.modes.load import REQUESTS, measured, warm_up
from tests.benchmarks.bench_scorer.report import Bar, Report
from tests.benchmarks.bench_scorer.rig import Rig


def run(rig: Rig, seconds: float, turns: int) -> Report:
    """The maximum, half of it and twice of it take turns, as a machine is not the same from one
    minute to the next."""
    warm_up(rig)
    at_maximum, at_half, at_twice = [], [], []
    for _ in range(turns):
        at_maximum.append(ghz.load(rig.port, REQUESTS, seconds, rig.load_core))
        rate = at_maximum[-1].per_second
        at_half.append(ghz.load(rig.port, REQUESTS, seconds, rig.load_core, rate=rate / 2))
        run, last = measured(rig, seconds, rate=2 * rate)
        at_twice.append(run)
    most, normal, over = map(Outcome.joined, (at_maximum, at_half, at_twice))
    goodput = round(over.per_second / max(most.per_second, 1.0), 3)
    slower = round(over.percentile(99) / max(normal.percentile(99), 0.01), 2)
    report = Report("overload", rig.world.ads)
    report.bars = [
        Bar.at_least("goodput / maximum at twice the maximum", goodput, 0.9),
        Bar.at_most("p99 of accepted / p99 at half load", slower, 2),
        Bar.at_most("neither answered nor refused", over.failed, 0),
    ]
    report.figures = {
        "maximum_per_second": [run.per_second for run in at_maximum],
        "overload_per_second": [run.per_second for run in at_twice],
        "p99_ms": {
            "at_maximum": [run.percentile(99) for run in at_maximum],
            "normal": [run.percentile(99) for run in at_half],
            "overload": [run.percentile(99) for run in at_twice],
        },
        "at_maximum": most.percentiles(),
        "normal": normal.percentiles(),
        "overload": {**over.percentiles(), "codes": over.codes},
        "last_overload": last,
        "refusal_ms": {"p50": over.refused(50), "p99": over.refused(99)},
    }
    return report
