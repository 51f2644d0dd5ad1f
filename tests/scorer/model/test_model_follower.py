"""What is prepared beside the served model, one thing at a time."""

import threading
from types import SimpleNamespace
from typing import Any, cast

from prometheus_client import CollectorRegistry

from scorer.metrics import scorer_metrics
from scorer.model.model_follower import ModelFollower
from scorer.model.model_holder import ModelHolder
from tests.scorer.running_scorer import eventually

SHORT_SECONDS = 0.2


class Loader:
    """Any version at once."""

    def __init__(self) -> None:
        self.loaded: list[str] = []
        self.asked = threading.Event()

    def has_ads(self) -> bool:
        return True

    def current_version(self) -> str:
        self.asked.set()
        return "v2"

    def load(self, version: str, served_already: bool) -> Any:
        self.loaded.append(version)
        return SimpleNamespace(manifest=SimpleNamespace(version=version))


def test_nothing_else_is_prepared_while_a_model_is_swapped_in() -> None:
    """Ads that came while it was loaded may take longer than the follower's poll."""
    loader, holder = Loader(), ModelHolder()
    metrics = scorer_metrics(CollectorRegistry())
    follower = ModelFollower(cast(Any, loader), holder, metrics, poll_seconds=0.001)
    follower.start()

    def swapped() -> bool:
        with follower.prepared() as prepared:
            if prepared is None:
                return False
            loader.asked.clear()
            assert not loader.asked.wait(SHORT_SECONDS)
            holder.current = cast(Any, prepared)
        return True

    try:
        eventually(swapped)
        loader.asked.clear()
        assert loader.asked.wait(30)
    finally:
        follower.stop()
        follower.join()
    assert loader.loaded == ["v2"]
