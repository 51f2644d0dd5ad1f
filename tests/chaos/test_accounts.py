"""The accounts of a run are closed only if nothing differs, not by one."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import pytest

from schemas.records import TrainingSample
from tests.chaos import accounts
from tests.chaos.accounts import Account, Truth
from tests.chaos.outputs import Distinct, Letters

NEGATIVE = TrainingSample(
    "NEGATIVE", "r", "a", "u", 1, 1, 1, "v", "m", 0.5, 1.0, "f", b"", 0, 2, None, 1.0
)
CORRECTION = replace(NEGATIVE, kind="CORRECTION", label=1, label_ts=3, click_ts=3)
OTHER = replace(NEGATIVE, request_id="s")
SAMPLES = (NEGATIVE, CORRECTION, OTHER)
PLACE = ("clicks", 0, 7)


@pytest.fixture
def truth() -> Truth:
    made = Truth(impressions={("r", "a"), ("s", "a")}, refused={PLACE: "orphan-click"})
    for sample in SAMPLES:
        made.add(sample)
    return made


def _found(samples: Iterable[TrainingSample]) -> Distinct:
    distinct = Distinct()
    for sample in samples:
        distinct.add(sample)
    return distinct


def _all(truth: Truth, found: Distinct) -> list[Account]:
    return [*accounts.labels(truth, found), accounts.records("samples", truth.samples, found)]


def test_repetitions_that_say_the_same_are_no_difference(truth: Truth) -> None:
    found = _found((*SAMPLES, OTHER))
    assert found.repeated == 1
    assert all(account.is_closed for account in _all(truth, found))


@pytest.mark.parametrize(
    "wrong",
    [
        (NEGATIVE, CORRECTION),
        (OTHER, CORRECTION),
        (*SAMPLES, replace(OTHER, kind="POSITIVE")),
        (*SAMPLES, replace(OTHER, request_id="nobody")),
        (*SAMPLES, replace(OTHER, label_ts=9)),
        (NEGATIVE, CORRECTION, replace(OTHER, label_ts=9)),
    ],
)
def test_one_wrong_sample_is_a_difference(truth: Truth, wrong: tuple[TrainingSample, ...]) -> None:
    assert not all(account.is_closed for account in _all(truth, _found(wrong)))


@pytest.mark.parametrize(
    "reasons", [{}, {PLACE: "truncated: x"}, {PLACE: "orphan-click: y", ("clicks", 0, 8): "z"}]
)
def test_one_wrong_dead_letter_is_a_difference(
    truth: Truth, reasons: dict[tuple[str, int, int], str]
) -> None:
    assert accounts.dead_letters(truth, Letters({PLACE: "orphan-click: y"})).is_closed
    assert not accounts.dead_letters(truth, Letters(reasons)).is_closed


@pytest.mark.parametrize(
    ("seen", "refused"),
    [({"NEGATIVE": 1, "CORRECTION": 2}, {}), ({"NEGATIVE": 2, "CORRECTION": 1}, {"wrong-size": 1})],
)
def test_one_sample_learnt_twice_is_a_difference(
    truth: Truth, seen: dict[str, int], refused: dict[str, int]
) -> None:
    assert accounts.learnt(truth, {"NEGATIVE": 2, "CORRECTION": 1}, {}).is_closed
    assert not accounts.learnt(truth, seen, refused).is_closed


def test_a_row_twice_in_the_lake_is_a_difference(truth: Truth) -> None:
    once = Counter(truth.samples.keys())
    assert accounts.lake(truth, once).is_closed
    assert not accounts.lake(truth, once + Counter([("r", "a", "NEGATIVE")])).is_closed
