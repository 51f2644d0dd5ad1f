"""Each rung of the ladder under load: what brings a request there, and what it costs there."""

from tests.benchmarks.bench_scorer import ghz
from tests.benchmarks.bench_scorer.gauges import rungs_between
from tests.benchmarks.bench_scorer.modes.load import REQUESTS, usage, warm_up
from tests.benchmarks.bench_scorer.report import Bar, Report
from tests.benchmarks.bench_scorer.rig import Rig

#: Reserves so long that a client's deadline, not the machine's mood, sets the rung.
SETTINGS = {
    "CTR_SCORER_RANKING_BUDGET_MS": "3000",
    "CTR_SCORER_TOWER_RESERVE_MS": "1000",
    "CTR_SCORER_RETRIEVAL_RESERVE_MS": "500",
}
#: Deadline of the client by rung, ms.
DEADLINES = {"FULL": 2_500, "RETRIEVAL_ONLY": 900, "POPULAR": 400, "NO_USER": 2_500}


def run(rig: Rig, seconds: float) -> Report:
    """The scorer has SETTINGS; NO_USER by a Redis that holds back its answers."""
    report = Report("rungs", rig.world.ads)
    warm_up(rig)
    for rung, deadline_ms in DEADLINES.items():
        if rung == "NO_USER":
            rig.client.client_pause(round((seconds + 3) * 1000))
        before = rig.gauges.read()
        outcome = ghz.load(rig.port, REQUESTS, seconds, rig.load_core, timeout_ms=deadline_ms)
        after = rig.gauges.read()
        seen = rungs_between(before, after)
        share = round(seen.get(rung, 0) / max(1, sum(seen.values())), 4)
        report.bars.append(Bar.at_least(f"answers at {rung}", share, 0.99))
        report.bars.append(Bar.at_most(f"failed at {rung}", outcome.failed, 0))
        report.figures[rung] = {**outcome.percentiles(), **usage(before, after, outcome)}
    return report
