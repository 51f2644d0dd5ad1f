"""The stream of row deltas of one package: where it stands, whether it goes on unbroken, and what
was missed if it does not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import redis
from numpy.typing import NDArray

from schemas import redis_keys
from schemas.model_package import PackageError
from schemas.row_delta import DeltaError, RowDelta, rows_from_hash
from scorer.model.model_holder import DeltaPosition, ServedModel
from stores.paged_reads import hash_pages, stream_entries

START = DeltaPosition("0-0", "", -1)
#: Requests read their users from the same Redis, which does one thing at a time; an entry may have
#: a megabyte.
ENTRIES_PER_READ = 4
_ENTRIES_BEFORE_DAMAGED = 64
_ROWS_PER_LOOK = 1 << 18
_ROWS_PER_LOCK = 4_096
Entries = Sequence[tuple[bytes, dict[bytes, bytes]]]


class DeltaGapError(ValueError):
    """The stream does not go on where it was left. ``reason`` is a metric's label."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class NewRows:
    """What a served model lacks at ``position`` of the stream: rows ``ids`` int32 [n] of its table
    are ``values`` float32 [n, 1 + dim], and the shift of the logits is ``shift``. Clicks of the
    times ``click_ts`` (ms) were learnt on the way there.
    """

    position: DeltaPosition
    shift: float
    ids: NDArray[np.int32]
    values: NDArray[np.float32]
    click_ts: list[int]

    def apply_to(self, served: ServedModel) -> None:
        """Requests are answered meanwhile; ads' halves and the position are the caller's to set."""
        for start in range(0, len(self.ids), _ROWS_PER_LOCK):
            rows = slice(start, start + _ROWS_PER_LOCK)
            served.model.table[self.ids[rows]] = self.values[rows]
        served.model.recalibrate(self.shift)
        if served.file is not None:
            served.file.set_shift(self.shift)


def stream_end(client: redis.Redis, model: str, version: str) -> tuple[DeltaPosition, float]:
    """The position after the newest entry, START if there is none, and the shift there: that of the
    newest entry that is not damaged.

    Read the compacted rows after this: they are at least as new.
    """
    key = redis_keys.model_deltas(model, version)
    end: DeltaPosition | None = None
    for count in (1, _ENTRIES_BEFORE_DAMAGED):
        for entry_id, fields in cast(Entries, client.xrevrange(key, count=count)):
            try:
                delta = RowDelta.from_fields(fields)
            except DeltaError:
                end = end or DeltaPosition(entry_id.decode(), "", -1)
                continue
            end = end or DeltaPosition(entry_id.decode(), delta.epoch, delta.sequence)
            return end, delta.shift
    return end or START, 0.0


def following(
    position: DeltaPosition, entry_id: bytes, fields: Mapping[bytes, bytes], base: str,
    shape: tuple[int, int],
) -> NewRows:  # fmt: skip
    """The next delta of a table of ``shape``. Raises DeltaGapError.

    The first delta of an epoch is a gap, too: it says only what is new in it, and the compacted
    rows say what its model has learnt since the base.
    """
    try:
        delta = RowDelta.from_fields(dict(fields))
    except DeltaError as error:
        raise DeltaGapError("damaged", str(error)) from None
    name = f"{delta.epoch}/{delta.sequence}"
    if delta.base_version != base:
        raise DeltaGapError("base", f"{name} is on {delta.base_version}, expected {base}")
    if delta.sequence == 0 or position == START or position.epoch not in ("", delta.epoch):
        raise DeltaGapError("epoch", f"{name} follows {position.epoch}/{position.sequence}")
    if position.epoch and delta.sequence != position.sequence + 1:
        raise DeltaGapError("gap", f"{name} follows sequence {position.sequence}")
    if not np.isfinite(delta.shift) or (len(delta.ids) and not _fits(delta, shape)):
        raise DeltaGapError("damaged", f"{name} does not fit a table of {shape}")
    after = DeltaPosition(entry_id.decode(), delta.epoch, delta.sequence)
    return NewRows(after, delta.shift, delta.ids, delta.values, delta.click_ts.tolist())


def _fits(delta: RowDelta, shape: tuple[int, int]) -> bool:
    rows, width = shape
    return bool(
        delta.values.shape[1] == width
        and delta.ids.min() >= 0
        and delta.ids.max() < rows
        and np.isfinite(delta.values).all()
    )


def apply_compacted(
    client: redis.Redis, model: str, version: str, table: NDArray[np.float32]
) -> None:
    """Write the compacted rows of a version over the ``table`` of its package.

    Raises PackageError if one is damaged.
    """
    for fields in hash_pages(client, redis_keys.model_rows(model, version)):
        try:
            ids, values = rows_from_hash(fields, table.shape[1] - 1)
            if not np.isfinite(values).all():
                raise DeltaError("a number is not finite")
            table[ids] = values
        except (DeltaError, IndexError) as error:
            raise PackageError(f"package {version}: compacted rows: {error}") from None


def rows_that_differ(table: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.int32]:
    """Rows [n] in which two tables [rows, 1 + dim] are not the same, ascending."""
    differs = np.empty(len(table), np.bool_)
    for start in range(0, len(table), _ROWS_PER_LOOK):
        rows = slice(start, start + _ROWS_PER_LOOK)
        differs[rows] = (table[rows] != other[rows]).any(axis=1)
    return np.flatnonzero(differs).astype(np.int32)


def clicks_between(
    client: redis.Redis, model: str, version: str, after: DeltaPosition, upto: DeltaPosition
) -> list[int]:
    """Times of the clicks learnt in the entries that a resync skips over."""
    key = redis_keys.model_deltas(model, version)
    clicks: list[int] = []
    for _, fields in stream_entries(client, key, after.entry_id, upto.entry_id):
        try:
            clicks += RowDelta.from_fields(fields).click_ts.tolist()
        except DeltaError:
            continue
    return clicks
