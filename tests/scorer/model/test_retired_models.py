"""A model that another one has followed is kept up to date as long as a worker answers from it."""

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from scorer.ads.catalogue import Catalogue
from scorer.memory import shared_arrays
from scorer.memory.background import Pace
from scorer.memory.memory_folder import Memory
from scorer.metrics import scorer_metrics
from scorer.model import model_view, retired_models
from scorer.model.model_holder import ModelHolder, ServedModel
from scorer.model.model_view import ModelView
from scorer.model.recent_requests import RecentRequests
from scorer.model.retired_models import LEAST_SECONDS, RetiredModels, hold
from scorer.settings import ScorerSettings
from tests.scorer.publisher import DIM, Publisher, ad
from tests.scorer.running_scorer import QUICK, RunningScorer, eventually
from tests.scorer.tiny_model import TinyModel


class Model:
    """As far as is looked at."""

    def __init__(self, path: Path) -> None:
        path.touch()
        self.path = path
        self.file = self


def test_a_model_is_let_go_when_the_last_worker_has_left_it(tmp_path: Path) -> None:
    now = 0.0
    retired = RetiredModels(lambda: now)
    first, second, third = (Model(tmp_path / f"model-{number}") for number in range(3))

    def kept_after(seconds: float) -> list[Any]:
        nonlocal now
        now += seconds
        retired.let_go()
        return list(retired)

    with hold(first.path), hold(first.path) as slow:
        retired.add(cast(ServedModel, first))
        first.path.unlink()
        assert kept_after(LEAST_SECONDS + 1) == [first]
        retired.add(cast(ServedModel, second))
        assert kept_after(LEAST_SECONDS - 1) == [first, second]
        retired.add(cast(ServedModel, third))
        assert kept_after(2) == [first, third]
        slow.close()
        assert kept_after(1_000) == [first]
    assert kept_after(0) == []
    retired.close()


def worker_of(scorer: RunningScorer) -> tuple[ModelView, ModelHolder]:
    """Looks at the shared memory when it is asked to."""
    holder, process = ModelHolder(), scorer.process
    view = ModelView(
        Memory(process._memory.folder), process.catalogue, holder, process.pools,
        ScorerSettings(**QUICK), scorer_metrics(CollectorRegistry()), RecentRequests(),
        on_model=lambda: None,
    )  # fmt: skip
    view._stopping = cast(threading.Event, NoPause())
    return view, holder


class NoPause:
    """Goes on after a fault at once."""

    def wait(self, _: float) -> bool:
        return False


def test_a_worker_that_cannot_take_the_next_model_goes_on_finding_new_ads(
    scorer: RunningScorer, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retired_models, "LEAST_SECONDS", 0.0)
    view, holder = worker_of(scorer)
    view.look()
    before = holder.require()
    assert before.manifest.version == "v1"

    def fails(*_: object) -> None:
        raise MemoryError

    process = scorer.process
    with monkeypatch.context() as patch:
        patch.setattr(model_view, "warm_up", fails)
        publisher.package(TinyModel("v2", seed=2).package)
        scorer.wait_for_model("v2")
        eventually(lambda: process._memory.published() != view._seen)
        view.look()
    assert holder.require() is before
    for number in (900, 901):  # with a step of the feeder in between
        publisher.ads(ad(number))
        eventually(lambda number=number: number in found_by(before, process.catalogue))  # type: ignore[misc]
    view.look()
    assert holder.require().manifest.version == "v2"
    eventually(lambda: not list(process._feeder._retired))
    view._held.close()


def test_a_worker_lets_go_what_it_leaves_and_who_still_reads_it_finds_the_same(
    scorer: RunningScorer, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_go: list[Any] = []

    def recorded(arrays: Any, pace: Pace) -> None:
        let_go.append(arrays)
        shared_arrays.let_go(arrays, pace)

    monkeypatch.setattr(
        model_view, "shared_arrays", SimpleNamespace(attach=shared_arrays.attach, let_go=recorded)
    )
    view, holder = worker_of(scorer)
    view.look()
    before, file = holder.require(), view._file
    assert file is not None
    assert let_go == []
    found, table = found_by(before, scorer.process.catalogue), before.model.table.copy()
    publisher.package(TinyModel("v2", seed=2).package)
    scorer.wait_for_model("v2")
    eventually(lambda: scorer.process._memory.published() != view._seen)
    view.look()
    assert holder.require().manifest.version == "v2"
    assert {id(arrays) for arrays in let_go} == {id(before.index.arrays), id(file.arrays)}
    assert found_by(before, scorer.process.catalogue) == found
    np.testing.assert_array_equal(before.model.table, table)
    view._held.close()


def found_by(model: ServedModel, catalogue: Catalogue) -> set[int]:
    """Numbers of the ads that retrieval knows."""
    slots = model.index.search(np.ones(DIM + 2, np.float32), 100)[0].tolist()
    return {int(catalogue.arrays.ids.text(slot)[3:]) for slot in slots}
