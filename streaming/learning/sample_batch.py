"""A second's worth of labelled samples as columns, and their bytes for the log in the state."""

import io
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.layout import Layout

KINDS = ("POSITIVE", "NEGATIVE", "CORRECTION", "MATURE")
UNDECODABLE, OTHER_FEATURES, WRONG_SIZE = REASONS = ("undecodable", "other-features", "wrong-size")
#: What a sample is: its kind, or why it is refused.
OUTCOMES = (*KINDS, *REASONS)
#: No sample: the clock of the job, see ticks.sql.
TICK = len(OUTCOMES)
_REFUSED = len(KINDS)
_CLICKS = (KINDS.index("POSITIVE"), KINDS.index("CORRECTION"))


@dataclass(frozen=True, slots=True)
class SampleBatch:
    """``outcomes`` uint8 [n + r] are indices into OUTCOMES of n usable and r refused samples.

    Of the usable ones, in the same order: ``inputs`` uint8 [n, bytes of a sample], ``labels``
    int32, ``weights`` float32, ``positions`` int32 (1 = top). ``click_ts`` int64 [c] has the times
    of the clicks among them, ``watermark_ms`` is the newest label's time.
    """

    outcomes: NDArray[np.uint8]
    inputs: NDArray[np.uint8]
    labels: NDArray[np.int32]
    weights: NDArray[np.float32]
    positions: NDArray[np.int32]
    click_ts: NDArray[np.int64]
    watermark_ms: int

    @classmethod
    def of(
        cls,
        layout: Layout,
        outcomes: bytes,
        sizes: bytes,
        inputs: bytes,
        labels: bytes,
        weights: bytes,
        positions: bytes,
        click_ts: bytes,
        watermark_ms: int,
    ) -> "SampleBatch":
        """From a row of SampleBatches.java; a time of click is 0 where there is none."""
        size = layout.dtype.itemsize
        outcome = np.frombuffer(outcomes, np.uint8).copy()
        input_bytes = np.frombuffer(sizes, "<i4")
        outcome[(outcome < _REFUSED) & (input_bytes != size)] = OUTCOMES.index(WRONG_SIZE)
        usable = outcome < _REFUSED
        clicked = np.frombuffer(click_ts, "<i8")
        return cls(
            outcomes=outcome[outcome != TICK],
            inputs=np.frombuffer(inputs, np.uint8)[np.repeat(usable, input_bytes)].reshape(
                -1, size
            ),
            labels=np.frombuffer(labels, "<i4")[usable],
            weights=np.frombuffer(weights, "<f4")[usable],
            positions=np.frombuffer(positions, "<i4")[usable],
            click_ts=clicked[np.isin(outcome, _CLICKS) & (clicked > 0)],
            watermark_ms=watermark_ms,
        )

    @property
    def is_empty(self) -> bool:
        """Nothing came but ticks."""
        return not len(self.outcomes)

    @property
    def nbytes(self) -> int:
        """Of all columns."""
        columns = (getattr(self, item.name) for item in fields(self))
        return sum(column.nbytes for column in columns if isinstance(column, np.ndarray))

    def samples(self, layout: Layout) -> NDArray[np.void]:
        """Model inputs [n] of ``layout.dtype``."""
        return layout.unpack(self.inputs.tobytes())

    def kinds(self) -> list[str]:
        """Kinds [n] of the usable samples."""
        return [KINDS[outcome] for outcome in self.outcomes.tolist() if outcome < _REFUSED]

    def counts(self) -> dict[str, int]:
        """Usable samples by kind, without kinds that do not occur."""
        return self._counts(0, _REFUSED)

    def refused(self) -> dict[str, int]:
        """Refused samples by reason, without reasons that do not occur."""
        return self._counts(_REFUSED, len(OUTCOMES))

    def _counts(self, start: int, end: int) -> dict[str, int]:
        counted = np.bincount(self.outcomes, minlength=len(OUTCOMES)).tolist()
        return {
            name: n for name, n in zip(OUTCOMES[start:end], counted[start:end], strict=True) if n
        }

    def to_bytes(self) -> bytes:
        """For the log of batches."""
        buffer = io.BytesIO()
        np.savez(buffer, **{item.name: getattr(self, item.name) for item in fields(self)})
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> "SampleBatch":
        """The reverse of :meth:`to_bytes`."""
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            columns: dict[str, Any] = {name: stored[name] for name in stored.files}
        columns["watermark_ms"] = int(columns["watermark_ms"])
        return cls(**columns)
