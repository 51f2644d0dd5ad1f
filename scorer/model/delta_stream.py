"""The stream of row deltas of one package: where it stands, and whether it goes on unbroken."""

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
import redis

from schemas import redis_keys
from schemas.row_delta import DeltaError, RowDelta
from scorer.model.model_holder import DeltaPosition

START = DeltaPosition("0-0", "", -1)
ENTRIES_PER_READ = 64
Entries = Sequence[tuple[bytes, dict[bytes, bytes]]]


class DeltaGapError(ValueError):
    """The stream does not go on where it was left. ``reason`` is a metric's label."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason


def stream_end(client: redis.Redis, model: str, version: str) -> tuple[DeltaPosition, float]:
    """The position after the newest entry, and its shift; START if there is none or it is damaged.

    Read the compacted rows after this: they are at least as new.
    """
    last = cast(Entries, client.xrevrange(redis_keys.model_deltas(model, version), count=1))
    if not last:
        return START, 0.0
    entry_id, fields = last[0]
    try:
        delta = RowDelta.from_fields(fields)
    except DeltaError:
        return DeltaPosition(entry_id.decode(), "", -1), 0.0
    return DeltaPosition(entry_id.decode(), delta.epoch, delta.sequence), delta.shift


def following(
    position: DeltaPosition, entry_id: bytes, fields: Mapping[bytes, bytes], base: str,
    shape: tuple[int, int],
) -> tuple[RowDelta, DeltaPosition]:  # fmt: skip
    """The next delta of a table of ``shape`` and the position after it. Raises DeltaGapError.

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
    return delta, DeltaPosition(entry_id.decode(), delta.epoch, delta.sequence)


def _fits(delta: RowDelta, shape: tuple[int, int]) -> bool:
    rows, width = shape
    return bool(
        delta.values.shape[1] == width
        and delta.ids.min() >= 0
        and delta.ids.max() < rows
        and np.isfinite(delta.values).all()
    )


def clicks_between(
    client: redis.Redis, model: str, version: str, after: DeltaPosition, upto: DeltaPosition
) -> list[int]:
    """Times of the clicks learnt in the entries that a resync skips over."""
    key = redis_keys.model_deltas(model, version)
    entries = cast(Entries, client.xrange(key, f"({after.entry_id}", upto.entry_id, count=1000))
    clicks: list[int] = []
    for _, fields in entries:
        try:
            clicks += RowDelta.from_fields(fields).click_ts.tolist()
        except DeltaError:
            continue
    return clicks
