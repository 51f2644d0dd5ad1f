"""A row delta: rows of the embedding table that changed, as one entry of the deltas stream.

Values are absolute, so that applying a delta twice changes nothing.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

DIGEST_BYTES = 16


class DeltaError(ValueError):
    """An entry that is damaged."""


@dataclass(frozen=True, slots=True)
class RowDelta:
    """Rows ``ids`` int32 [n] now have ``values`` float32 [n, 1 + dim].

    ``epoch`` names a run of the learner: it changes with a restart, ``sequence`` counts from 0
    in it. ``click_ts`` int64 [c] has the times of the clicks that were learnt, for freshness.
    ``shift`` is added to the logits of calibrated probabilities, see Calibration.shifted.
    """

    base_version: str
    epoch: str
    sequence: int
    ids: NDArray[np.int32]
    values: NDArray[np.float32]
    click_ts: NDArray[np.int64]
    shift: float = 0.0

    def digest(self) -> bytes:
        """Checks everything but the timestamps; 16 bytes."""
        # Without a shift the bytes are those of before there were any.
        shift = f"{self.shift.hex()}\x1f" if self.shift else ""
        head = f"{self.base_version}\x1f{self.epoch}\x1f{self.sequence}\x1f{shift}".encode()
        body = head + self.ids.tobytes() + self.values.tobytes()
        return hashlib.blake2b(body, digest_size=DIGEST_BYTES).digest()

    def to_fields(self) -> dict[bytes, bytes]:
        """Fields of a stream entry."""
        return {
            b"base": self.base_version.encode(),
            b"epoch": self.epoch.encode(),
            b"sequence": str(self.sequence).encode(),
            b"ids": self.ids.astype("<i4").tobytes(),
            b"values": self.values.astype("<f4").tobytes(),
            b"click_ts": self.click_ts.astype("<i8").tobytes(),
            b"shift": self.shift.hex().encode(),
            b"digest": self.digest(),
        }

    @classmethod
    def from_fields(cls, fields: dict[bytes, bytes]) -> "RowDelta":
        """From a stream entry. Raises DeltaError if it is damaged."""
        try:
            ids: NDArray[Any] = np.frombuffer(fields[b"ids"], "<i4")
            values: NDArray[Any] = np.frombuffer(fields[b"values"], "<f4")
            delta = cls(
                base_version=fields[b"base"].decode(),
                epoch=fields[b"epoch"].decode(),
                sequence=int(fields[b"sequence"]),
                ids=ids,
                values=values.reshape(len(ids), -1) if len(ids) else values.reshape(0, 0),
                click_ts=np.frombuffer(fields[b"click_ts"], "<i8"),
                shift=float.fromhex(fields.get(b"shift", b"0x0p+0").decode()),
            )
        except (KeyError, ValueError) as error:
            raise DeltaError(f"row delta: {error!r}") from None
        if delta.digest() != fields.get(b"digest"):
            raise DeltaError(f"row delta {delta.epoch}/{delta.sequence}: wrong digest")
        return delta


def rows_from_hash(
    fields: Mapping[bytes, bytes], dim: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Row ids int32 [n] and values float32 [n, 1 + dim]. Raises DeltaError on a wrong size.

    Fields of the compacted rows hash: row id, int32 -> its 1 + dim floats, all little-endian. A
    publisher writes them before (or in one transaction with) the stream's entry, so that who notes
    the stream's end and then reads the hash misses nothing.
    """
    try:
        ids: NDArray[Any] = np.frombuffer(b"".join(fields), "<i4")
        values: NDArray[Any] = np.frombuffer(b"".join(fields.values()), "<f4")
        return ids, values.reshape(len(fields), 1 + dim)
    except ValueError as error:
        raise DeltaError(f"compacted rows: {error}") from None
