"""What differs between the demos of the three sources, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.demo.settings import DemoSettings
from streaming.adserver.session import SourceName

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
#: A click that found no impression within the attribution window.
ORPHAN = "orphan-click"
CRITEO_HISTORY = 20_000
OPEN_BANDIT_HISTORY = 4_000
WORLD_HISTORY = 20_000


@dataclass(frozen=True, slots=True)
class Profile:
    """``adserver`` are settings of the ad server that its environment may override.

    ``learnable`` tells whether the data hold a signal that must be learnt, ``expected_reasons``
    which dead-letters belong to the source, ``kill_after_samples`` when the learner is killed, if
    it is to be.
    """

    source: SourceName
    features: str
    label_wait_ms: int
    attribution_window_ms: int
    history_rows: int
    adserver: Mapping[str, Any] = field(default_factory=dict)
    learnable: bool = True
    expected_reasons: frozenset[str] = frozenset()
    kill_after_samples: int = 8_000


def profile(source: SourceName, settings: DemoSettings, file: Path | None) -> Profile:
    """The profile of a source; ``file`` replaces the log that it replays."""
    if source == "world":
        seconds = settings.seconds or 120.0
        return Profile(
            source,
            features="world",
            # Short: a click waits so long before it is learnt.
            label_wait_ms=500,
            attribution_window_ms=MINUTE_MS,
            history_rows=settings.history_rows or WORLD_HISTORY,
            adserver={"world_seconds": seconds, "requests_per_second": 75.0},
        )
    if source == "criteo":
        history = settings.history_rows or CRITEO_HISTORY
        criteo: dict[str, Any] = {"criteo_first_row": history, "requests_per_second": 360.0}
        if settings.rows:
            criteo["criteo_rows"] = settings.rows
        if file:
            criteo["criteo_file"] = file
        return Profile(
            source,
            features="criteo",
            label_wait_ms=15 * MINUTE_MS,
            attribution_window_ms=24 * HOUR_MS,
            history_rows=history,
            adserver=criteo,
            expected_reasons=frozenset({ORPHAN}),
        )
    history = settings.history_rows or OPEN_BANDIT_HISTORY
    bandit: dict[str, Any] = {"open_bandit_first_row": history, "requests_per_second": 100.0}
    if settings.rows:
        bandit["open_bandit_rows"] = settings.rows
    if file:
        bandit["open_bandit_folder"] = file
    return Profile(
        source,
        features="open_bandit",
        label_wait_ms=15 * MINUTE_MS,
        attribution_window_ms=24 * HOUR_MS,
        history_rows=history,
        adserver=bandit,
        # 10,000 rows with 40 clicks teach nothing that could be told from chance.
        learnable=False,
        kill_after_samples=2_000,
    )
