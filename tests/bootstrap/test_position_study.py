"""Positions of two pages of three, worked out by hand."""

import numpy as np
import pytest

from bootstrap.position_study import PositionStudy


def study(as_first: list[float]) -> PositionStudy:
    return PositionStudy(
        pages=np.array([4, 4, 4, 9, 9, 9]),
        positions=np.array([1, 2, 3, 1, 2, 3]),
        labels=np.array([1, 0, 0, 0, 0, 1], np.float32),
        as_shown=np.array([0.5, 0.3, 0.1, 0.5, 0.3, 0.1]),
        as_first=np.array(as_first),
    )


def test_rates_are_those_of_each_position() -> None:
    got = study([0.5, 0.6, 0.4, 0.1, 0.2, 0.3]).report()
    first, second, third = got["by_position"]
    assert (first["observed"], second["observed"], third["observed"]) == (0.5, 0.0, 0.5)
    assert third["predicted"] == pytest.approx(0.1)
    assert third["predicted_as_first"] == pytest.approx(0.35)
    assert [row["rows"] for row in got["by_position"]] == [2, 2, 2]
    # Page one becomes 2, 1, 3 and page two 3, 2, 1: the clicks are at ranks 2 and 1.
    assert [row["observed_after"] for row in got["by_position"]] == [0.5, 0.5, 0.0]


def test_agreement_is_kendalls_over_pages() -> None:
    got = study([0.5, 0.6, 0.4, 0.1, 0.2, 0.3]).report()
    assert got["kendall_tau_as_shown"] == 1.0
    assert got["kendall_tau_as_first"] == pytest.approx((1 / 3 - 1) / 2)


def test_pages_that_say_nothing_have_no_agreement() -> None:
    assert study([0.2] * 6).report()["kendall_tau_as_first"] is None
