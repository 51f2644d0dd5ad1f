"""A whole model every five seconds and rows of 20,000 ads a second, beside the same load without.

Runs with and without take turns, and one without begins when nothing is left to be loaded. Who
publishes and the feeder leave the core that they share with Redis and the load to these, see
Rig.let_the_load_go_first: in truth, they are on other machines. They keep that core awake, and in
runs without them it is kept awake, too.
"""

import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from schemas import metric_names, redis_keys
from scorer.model.retired_models import LEAST_SECONDS
from tests.benchmarks.bench_scorer import ghz
from tests.benchmarks.bench_scorer.changes import Changes, published
from tests.benchmarks.bench_scorer.ghz import Outcome
from tests.benchmarks.bench_scorer.modes.load import REQUESTS, maximum
from tests.benchmarks.bench_scorer.report import Bar, Report
from tests.benchmarks.bench_scorer.rig import Rig, kept_awake
from tests.scorer.publisher import MODEL

ADS_PER_SECOND = 20_000
SWAP_SECONDS = 5.0
_PATIENCE_SECONDS = 60.0
#: The feeder keeps a model for so long that another one has replaced, and frees it then.
_SETTLED_SECONDS = LEAST_SECONDS + 1
_LOOK_SECONDS = 0.02


def run(rig: Rig, seconds: float, turns: int, seed: int) -> Report:
    """``turns`` runs of each kind at half of the maximum, which is measured in each turn: a machine
    is not the same from one minute to the next."""
    rig.let_the_load_go_first()
    rates = []
    report = Report("swap", rig.world.ads)
    quiet, busy, swaps, changed, models = [], [], 0, 0, 0
    applied = rig.gauges.read()
    for turn in range(turns):
        rate = maximum(rig, seconds / 2) / 2
        rates.append(round(rate, 1))
        with kept_awake(rig.scorer_core, rig.load_core):
            quiet.append(ghz.load(rig.port, REQUESTS, seconds, rig.load_core, rate=rate))
        versions = [f"v{turn + 2}-{i:04}" for i in range(int(seconds / SWAP_SECONDS))]
        features = rig.folder / "features.yaml"
        changes = Changes(
            rig.redis_port, features, seed, ADS_PER_SECOND, rig.world.ads, SWAP_SECONDS, versions
        )
        with kept_awake(rig.scorer_core), published(changes) as written, _new_models(rig) as new:
            busy.append(ghz.load(rig.port, REQUESTS, seconds, rig.load_core, rate=rate))
            changed += written.value
        swaps, models = swaps + _published(rig, versions), models + len(new)
        last_is_served = _served(rig)
        time.sleep(_SETTLED_SECONDS)
    rows_name = f"{metric_names.ROWS_APPLIED.name}_total"
    rows = rig.gauges.read().total(rows_name) - applied.total(rows_name)
    without, with_swaps = Outcome.joined(quiet), Outcome.joined(busy)
    # Of the middle turn: a machine that stands still for a moment decides the slowest hundredth of
    # all of them together.
    p99 = [[run.percentile(99) for run in runs] for runs in (quiet, busy)]
    usual_p99, busy_p99 = map(statistics.median, p99)
    ratio = round(busy_p99 / max(usual_p99, 0.01), 3)
    # A machine with other work refuses now and then without any swap, too.
    refused, usual = (len(run.refused_ms) for run in (with_swaps, without))
    report.bars = [
        Bar.at_most("p99 with swaps / without", ratio, 1.1),
        Bar.at_least("the last package is served in the end", int(last_is_served), 1),
        Bar.at_least("packages published", swaps, turns * int(seconds / SWAP_SECONDS)),
        Bar.at_least("models that came to be served meanwhile", models, turns),
        Bar.at_most("failed", with_swaps.failed, 0),
        Bar.at_most("refused, beyond those without swaps", max(0, refused - usual), 0),
    ]
    report.figures = {
        "per_second": rates,
        "packages_published": swaps,
        "models_served_meanwhile": models,
        "ads_changed_per_second": round(changed / (turns * seconds)),
        # Others came with a model that was loaded after they were written.
        "rows_applied_to_the_model_that_served": rows,
        "publisher_and_feeder": "SCHED_IDLE on the core of Redis and of the load",
        "refused": {"without": usual, "with_swaps": refused},
        "p99_ms": {"without": p99[0], "with_swaps": p99[1]},
        "without": without.percentiles(),
        "with_swaps": with_swaps.percentiles(),
        "codes": with_swaps.codes,
    }
    return report


def _current(rig: Rig) -> str:
    version: bytes = rig.client.get(redis_keys.model_current(MODEL))
    return version.decode()


def _published(rig: Rig, versions: Sequence[str]) -> int:
    """How many of the versions there was time for."""
    current = _current(rig)
    return versions.index(current) + 1 if current in versions else 0


@contextmanager
def _new_models(rig: Rig) -> Iterator[list[Path]]:
    """The models that workers are told to serve until the block ends."""
    memory, stopping, found = rig.memory(), threading.Event(), list[Path]()

    def look() -> None:
        seen = memory.published()
        while not stopping.wait(_LOOK_SECONDS):
            now = memory.published()
            if now is not None and seen is not None and now[0] != seen[0]:
                found.append(now[0])
            seen = now

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield found
    finally:
        stopping.set()
        thread.join()


def _served(rig: Rig) -> bool:
    """Whether the version that was published last comes to be served."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        served = rig.gauges.read().labelled(metric_names.MODEL_INFO.name, "version")
        if _current(rig) in served:
            return True
        time.sleep(0.2)
    return False
