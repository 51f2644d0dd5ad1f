"""Values and stream entries: round trips, cut bytes, versions that compare as text."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import redis_values, row_changes
from schemas.records import User
from schemas.redis_values import CounterRow, UserRow
from schemas.row_changes import RowChange
from schemas.row_delta import DeltaError, RowDelta

ROW = CounterRow((1, 2, 3, 4), (0, 1, 1, 2))


@given(st.integers(0, 1 << 62), st.integers(0, 1 << 62))
def test_versions_compare_as_text(first: int, second: int) -> None:
    values = redis_values.versioned(first, b"x"), redis_values.versioned(second, b"x")
    assert (values[0] < values[1]) == (first < second)


def test_a_user_row_is_put_together_from_its_fields() -> None:
    fields = {
        b"attributes": redis_values.versioned(5, User("u", 5, {"segment": "s"}).encode()),
        b"clicks": redis_values.versioned(6, redis_values.pack_clicks(["7", "äé"])),
        b"counter:user": redis_values.versioned(7, ROW.pack()),
    }
    assert redis_values.user_row("u", fields) == UserRow(
        "u", {"segment": "s"}, ("7", "äé"), {"user": ROW}
    )


@pytest.mark.parametrize("value", [b"", b"short", redis_values.versioned(1, b"\x05\x00ab")])
def test_damaged_values_are_refused(value: bytes) -> None:
    with pytest.raises(ValueError, match=r"stored value|clicks"):
        redis_values.user_row("u", {b"clicks": value})


@given(st.lists(st.tuples(st.text(max_size=20), st.binary(max_size=40)), max_size=20))
def test_row_changes_round_trip(rows: list[tuple[str, bytes]]) -> None:
    changes = [RowChange(key, value) for key, value in rows]
    assert row_changes.from_fields(row_changes.to_fields("ads", changes)) == ("ads", changes)


def test_cut_row_changes_are_refused() -> None:
    fields = row_changes.to_fields("ads", [RowChange("7", b"value")])
    fields[b"rows"] = fields[b"rows"][:-1]
    with pytest.raises(ValueError, match="row changes"):
        row_changes.from_fields(fields)


def delta() -> RowDelta:
    return RowDelta(
        base_version="v1",
        epoch="e",
        sequence=3,
        ids=np.array([4, 9], np.int32),
        values=np.arange(6, dtype=np.float32).reshape(2, 3),
        click_ts=np.array([1_767_225_612_000], np.int64),
        shift=-0.3,
    )


def test_a_delta_survives_its_encoding() -> None:
    read = RowDelta.from_fields(delta().to_fields())
    assert (read.base_version, read.epoch, read.sequence) == ("v1", "e", 3)
    assert np.array_equal(read.ids, delta().ids)
    assert np.array_equal(read.values, delta().values)
    assert read.click_ts.tolist() == [1_767_225_612_000]
    assert read.shift == -0.3


def test_a_delta_of_before_there_were_shifts_is_read() -> None:
    fields = replace(delta(), shift=0.0).to_fields()
    del fields[b"shift"]
    assert RowDelta.from_fields(fields).shift == 0.0


@pytest.mark.parametrize(
    "field", [b"base", b"epoch", b"sequence", b"ids", b"values", b"shift", b"digest"]
)
def test_a_damaged_delta_is_refused(field: bytes) -> None:
    fields = delta().to_fields()
    changed = bytearray(fields[field])
    changed[-1] ^= 1
    with pytest.raises(DeltaError):
        RowDelta.from_fields({**fields, field: bytes(changed)})
    with pytest.raises(DeltaError):
        RowDelta.from_fields({name: value for name, value in fields.items() if name != field})
