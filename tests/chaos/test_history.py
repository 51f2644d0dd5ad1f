"""The history of make chaos: the same for a seed, and with all that may happen in it."""

from collections import Counter

import numpy as np
import pytest

from schemas.features import FeatureSpec
from schemas.served_token import TokenKeys
from tests.chaos.faults import KILLS, plan
from tests.chaos.history import OUT_OF_ORDER_MS, RULES, History
from tests.streaming.jobs.expected import ORPHAN, Expected, outcome

IMPRESSIONS = 4_000
KEYS = TokenKeys({1: bytes(16)})


def _history(seed: int) -> History:
    return History(IMPRESSIONS, seed, KEYS, FeatureSpec.load("world"))


@pytest.fixture(scope="module")
def history() -> History:
    return _history(1)


@pytest.fixture(scope="module")
def expected(history: History) -> list[Expected]:
    count = len(history.events)
    places = np.zeros(count, np.int32), np.arange(count)
    return [outcome(group, RULES) for group in history.entries(*places)]


def test_a_seed_gives_one_history(history: History) -> None:
    again, other = _history(1), _history(2)
    numbers = range(0, len(history.events), 7)
    assert [history.message(n) for n in numbers] == [again.message(n) for n in numbers]
    assert history.message(0) != other.message(0)


def test_nothing_but_repeated_impressions_is_later_than_the_job_waits(history: History) -> None:
    events = history.events[history.events["subject"] >= 0]
    assert (events["sent_at"] >= events["ts"]).all()
    assert (np.diff(history.events["sent_at"]) >= 0).all()
    late = events[events["sent_at"] - events["ts"] >= OUT_OF_ORDER_MS]
    assert len(late)
    for event in late:
        same = events[~events["is_click"] & (events["subject"] == event["subject"])]
        assert not event["is_click"]
        assert event["sent_at"] > same["sent_at"][0]


def test_every_impression_has_one_first_label(expected: list[Expected]) -> None:
    kinds = Counter(sample.kind for part in expected for sample in part.samples)
    assert kinds["POSITIVE"] + kinds["NEGATIVE"] >= IMPRESSIONS
    assert min(kinds.values()) > IMPRESSIONS // 50


def test_there_is_something_to_refuse(expected: list[Expected]) -> None:
    reasons = Counter(reason for part in expected for reason in part.refused.values())
    assert reasons[ORPHAN] > IMPRESSIONS // 100
    assert len(reasons) > 5


def test_every_fault_of_the_plan_strikes_while_events_are_sent() -> None:
    faults = plan(1_000, 3)
    assert faults == plan(1_000, 3)
    assert len(faults) == sum(KILLS.values()) + 1
    moments = [0, *(fault.after for fault in faults), 1_000]
    assert moments == sorted(moments)
