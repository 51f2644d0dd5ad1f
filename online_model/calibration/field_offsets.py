"""Field-aware calibration inside a snapshot: offsets of field values become first-order weights.

With one piece, the calibration of field_calibration.py is a·z + b + Σ_f offset_f[value], and so
a·(z + Σ_f offset_f[value]/a) + b: the table's first-order weights take the offsets, and a Platt
calibration takes the rest. What serves and what learns need not know that there is such a thing.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from online_model.calibration.field_calibration import FieldCalibration
from online_model.calibration.field_quality import field_ids
from online_model.calibration.methods import platt_of
from online_model.history import History
from online_model.network.row_table import RowTable
from schemas.calibration import Calibration
from schemas.layout import Layout

Floats = NDArray[np.floating[Any]]
LEAST_SLOPE = 0.1


@dataclass(frozen=True, slots=True)
class FieldOffsets:
    """``rows`` int64 [m] of the table and what each adds to the score; ``calibration`` follows.

    The field whose rows a sequence pools has none: they would be read there, too.
    """

    layout: Layout
    rows: NDArray[np.int64]
    offsets: NDArray[np.float64]
    calibration: Calibration

    @classmethod
    def of(cls, layout: Layout, history: History, logits: Floats) -> "FieldOffsets":
        """Of rows [n] that the model had not learnt when it gave them ``logits`` [n].

        None at all if labels are all the same, or if scores say next to nothing of them.
        """
        nothing = cls(layout, np.zeros(0, np.int64), np.zeros(0), Calibration())
        if not 0 < np.sum(history.labels) < len(history):
            return nothing
        fields = _rows(layout, history.samples)
        found = FieldCalibration.fit(
            logits, fields, history.labels, knots=0, weights=history.weights
        )
        slope = float(found.slopes[0])
        if slope < LEAST_SLOPE:
            return nothing
        return cls(
            layout=layout,
            rows=np.concatenate(found.values).astype(np.int64),
            offsets=np.concatenate(found.offsets) / slope,
            calibration=platt_of(slope, found.shift),
        )

    def logits(self, samples: NDArray[np.void], logits: Floats) -> NDArray[np.float64]:
        """What the model scores with the offsets, of samples [n] with scores [n]."""
        read = _rows(self.layout, samples)
        by_row = np.zeros(1 + int(max(self.rows.max(initial=0), read.max(initial=0))))
        by_row[self.rows] = self.offsets
        scores: NDArray[np.float64] = logits + by_row[read].sum(axis=1)
        return scores

    def put(self, table: RowTable) -> None:
        """The table's first-order weights have the offsets from now on."""
        table.values.numpy()[self.rows, 0] += self.offsets.astype(np.float32)


def _rows(layout: Layout, samples: NDArray[np.void]) -> NDArray[np.int64]:
    pooled = None if layout.sequence is None else layout.sequence.of
    features = (*layout.request_categoricals, *layout.ad_categoricals)
    chosen = [column for column, feature in enumerate(features) if feature.name != pooled]
    rows: NDArray[np.int64] = field_ids(samples)[:, chosen].astype(np.int64)
    return rows
