"""Only what sizing asks for: the most requests a second on one core, their CPU, an ad's memory."""

from tests.benchmarks.bench_scorer.modes.load import measured, warm_up
from tests.benchmarks.bench_scorer.report import Report
from tests.benchmarks.bench_scorer.rig import Rig


def run(rig: Rig, seconds: float) -> Report:
    """The part of the main run that needs no truth to compare with."""
    report = Report("most", rig.world.ads)
    grown = rig.gauges.memory_bytes() - rig.base_bytes
    warm_up(rig)
    most, used = measured(rig, seconds)
    report.figures = {
        "most": {**most.percentiles(), **used, "codes": most.codes},
        "base_bytes": rig.base_bytes,
        "bytes_per_ad": round(grown / rig.world.ads, 1),
    }
    return report
