"""Ranges of rows: numbers or percents, and whether one ends before another begins."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bootstrap.row_range import ALL_ROWS, RowRangeError, Rows
from tests.bootstrap.small_logs import logged_row

LOGGED = [logged_row(number) for number in range(10)]


@pytest.mark.parametrize(
    ("text", "rows", "count"),
    [
        ("", ALL_ROWS, None),
        (":", ALL_ROWS, None),
        ("7", Rows(0, 7), 7),
        (":7", Rows(0, 7), 7),
        ("3:", Rows(3, None), None),
        ("3:7", Rows(3, 7), 4),
        (":80%", Rows(0, 80, percent=True), None),
        ("2.5%:80%", Rows(2.5, 80, percent=True), None),
    ],
)
def test_rows_are_read(text: str, rows: Rows, count: int | None) -> None:
    assert Rows.parse(text) == rows
    assert rows.count == count


@pytest.mark.parametrize("text", ["x", "1:x", "1:2:3", "1.5", "1-2", "x%:"])
def test_rows_that_are_no_numbers_are_refused(text: str) -> None:
    with pytest.raises(RowRangeError, match=rf"^--rows {text}: expected A:B, two row numbers"):
        Rows.parse(text)


@pytest.mark.parametrize("text", ["0", "5:5", "7:3", "-1:4", "-3", "9%:8%"])
def test_rows_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(RowRangeError, match=rf"^--rows {text}: expected 0 ≤ A < B$"):
        Rows.parse(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [("5:80%", "% after both numbers or none"), ("20%:110%", "expected at most 100%")],
)
def test_percents_that_are_none_are_refused(text: str, said: str) -> None:
    with pytest.raises(RowRangeError, match=f"^--test-rows {text}: {said}$"):
        Rows.parse(text, "--test-rows")


@settings(deadline=None)
@given(st.integers(0, 12), st.none() | st.integers(1, 12))
def test_rows_are_those_of_a_slice(first: int, length: int | None) -> None:
    end = None if length is None else first + length
    assert Rows(first, end).of(iter(LOGGED)) == LOGGED[first:end]


@settings(deadline=None)
@given(st.floats(0.5, 99.5))
def test_what_is_before_and_after_a_share_is_everything_once(share: float) -> None:
    earlier, later = Rows(0, share, percent=True), Rows(share, None, percent=True)
    assert earlier.of(iter(LOGGED)) + later.of(iter(LOGGED)) == LOGGED


def test_before_is_sure_or_it_is_not() -> None:
    assert Rows.parse(":50%").before(Rows.parse("50%:"))
    assert Rows.parse("2:5").before(Rows.parse("5:"))
    assert not Rows.parse(":6").before(Rows.parse("5:"))
    assert not Rows.parse(":6").before(Rows.parse("90%:")), "nobody knows how many rows there are"
    assert not Rows.parse("50%:").before(Rows.parse(":50%")), "later rows are not trained first"
    assert not ALL_ROWS.before(Rows.parse("5:"))
