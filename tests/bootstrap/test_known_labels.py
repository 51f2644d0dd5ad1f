"""Labels that come again: by the rule of BalancedLabels, whose own test has the same cases."""

import pytest

from bootstrap.known_labels import KnownLabels
from tests.bootstrap.label_topic import sample


@pytest.mark.parametrize(
    ("come", "learnt"),
    [
        (["NEGATIVE", "NEGATIVE"], ["NEGATIVE"]),
        (["POSITIVE", "POSITIVE", "NEGATIVE"], ["POSITIVE"]),
        (["NEGATIVE", "POSITIVE", "POSITIVE"], ["NEGATIVE", "CORRECTION"]),
        (["NEGATIVE", "CORRECTION", "POSITIVE"], ["NEGATIVE", "CORRECTION"]),
        (["POSITIVE", "CORRECTION", "NEGATIVE"], ["POSITIVE"]),
        (["CORRECTION", "NEGATIVE", "MATURE", "MATURE"], ["CORRECTION", "MATURE"]),
    ],
)
def test_each_label_of_an_impression_is_learnt_once(come: list[str], learnt: list[str]) -> None:
    known = KnownLabels()
    new = [known.new(sample("v", 0.1, int(kind != "NEGATIVE"), kind)) for kind in come]
    assert [each.kind for each in new if each is not None] == learnt


def test_impressions_are_apart() -> None:
    known = KnownLabels()
    assert all(known.new(sample("v", 0.1, 1, number=number)) for number in range(3))
