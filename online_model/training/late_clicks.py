"""P(click after e | click, x): the helper of the losses, learnt from clicks as they come.

logit d(x) = logit(share) + Σ of a weight for each table row that x reads. The share follows the
stream's clicks fast, the weights say who clicks late; they take the table's step: gradient over
precision, which is the prior's plus the curvature seen so far (Chapelle & Li, NIPS'11). The prior
of each field's weights is found from history by EM (empirical Bayes, MacKay, Neural Computation 4,
1992): a field that says nothing of delays ends with weights near 0, whose noise would bias weights
of the loss that are not linear in d.
"""

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from online_model.training.delayed_feedback import LateShare
from schemas.model_package import PackageError

#: ids int32 [m], values float32 [m, 2]: weight, curvature; precision float32 [fields] of priors.
LATE_CLICKS_FILE = "late_clicks.npz"
LEAST_SHARE = 1e-3
PRIOR = 2.0  # a weight's prior precision is this × fields, where history does not tell
EM_STEPS = 30
BATCH = 200


@dataclass
class LateClicks:
    """``weights`` and ``curvature`` float32 [rows] of the table; changed by :meth:`learn`.

    ``precision`` float32 [fields] is that of each field's prior; empty: PRIOR × fields for all.
    """

    share: LateShare
    weights: NDArray[np.float32]
    curvature: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    precision: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))

    def __post_init__(self) -> None:
        if not len(self.curvature):
            self.curvature = np.zeros_like(self.weights)

    @classmethod
    def assumed(cls, share: float, rows: int) -> "LateClicks":
        """The same share for all, of a table with so many rows."""
        return cls(LateShare.assumed(share), np.zeros(rows, np.float32))

    @classmethod
    def from_files(cls, files: Mapping[str, bytes], rows: int) -> "LateClicks":
        """From the files of a package, which may have the share alone. Raises PackageError."""
        found = cls(LateShare.from_files(dict(files)), np.zeros(rows, np.float32))
        if LATE_CLICKS_FILE not in files:
            return found
        try:
            stored = np.load(io.BytesIO(files[LATE_CLICKS_FILE]), allow_pickle=False)
            found.weights[stored["ids"]] = stored["values"][:, 0]
            found.curvature[stored["ids"]] = stored["values"][:, 1]
            if "precision" in stored:
                found.precision = stored["precision"]
        except (KeyError, ValueError, IndexError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise PackageError(f"{LATE_CLICKS_FILE}: {error!r}") from None
        return found

    def weights_file(self) -> bytes:
        """File of a package, beside that of the share."""
        ids = np.flatnonzero(self.curvature).astype(np.int32)
        buffer = io.BytesIO()
        values = np.stack([self.weights[ids], self.curvature[ids]], axis=1)
        np.savez(buffer, ids=ids, values=values, precision=self.precision)
        return buffer.getvalue()

    def shares(self, ids: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
        """d [n] in (0, 1) of samples that read rows ``ids`` [n, fields]."""
        base = logit(np.clip(self.share.share, LEAST_SHARE, 1.0 - LEAST_SHARE))
        d: NDArray[np.float32] = expit(base + self.weights[ids].sum(axis=1)).astype(np.float32)
        return d

    def learn(
        self,
        ids: NDArray[np.integer[Any]],
        late: NDArray[np.bool_],
        sample_weights: NDArray[np.floating[Any]],
        memory: float,
    ) -> None:
        """Clicks [n] with rows [n, fields] and whether they were late, in one step.

        All clicks together count for ``memory`` at most in the share.
        """
        if not len(late):
            return
        d = self.shares(ids)
        rows, first, place = np.unique(ids, return_index=True, return_inverse=True)
        place = place.reshape(ids.shape)
        fields = ids.shape[1]
        prior = self.precision[first % fields] if len(self.precision) else PRIOR * fields
        residual = np.repeat(sample_weights * (late - d), fields)
        seen = np.repeat(sample_weights * d * (1.0 - d), fields)
        flat = place.ravel()
        self.curvature[rows] += np.bincount(flat, seen, len(rows)).astype(np.float32)
        step = np.bincount(flat, residual, len(rows)) / (prior + self.curvature[rows])
        self.weights[rows] += step.astype(np.float32)
        self.share = self.share.seen(
            early=float(np.sum(sample_weights[~late])),
            late=float(np.sum(sample_weights[late])),
            memory=memory,
        )


def from_history(ids: NDArray[np.integer[Any]], late: NDArray[np.bool_], rows: int) -> LateClicks:
    """Of the clicks [n] of history in order of time: rows ``ids`` [n, fields], late or not."""
    learnt = _passed(ids, late, rows, np.zeros(0, np.float32))
    for _ in range(EM_STEPS if len(late) else 0):
        learnt = _passed(ids, late, rows, _precision(learnt, ids))
    return learnt


def _passed(
    ids: NDArray[np.integer[Any]],
    late: NDArray[np.bool_],
    rows: int,
    precision: NDArray[np.float32],
) -> LateClicks:
    share = float(np.mean(late)) if len(late) else 1.0
    learnt = LateClicks.assumed(share, rows)
    learnt.precision = precision
    ones = np.ones(BATCH, np.float32)
    for start in range(0, len(late), BATCH):
        part = slice(start, start + BATCH)
        learnt.learn(ids[part], late[part], ones[: len(late[part])], memory=np.inf)
    learnt.share = LateShare.assumed(share)
    return learnt


def _precision(learnt: LateClicks, ids: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
    """EM: a prior's variance is the mean of its weights' squares, as far as they are known."""
    fields = ids.shape[1]
    before = learnt.precision if len(learnt.precision) else np.full(fields, PRIOR * fields)
    found = np.empty(fields, np.float32)
    for number in range(fields):
        of = np.unique(ids[:, number])
        unknown = 1.0 / (before[number] + learnt.curvature[of])
        found[number] = 1.0 / np.mean(np.square(learnt.weights[of]) + unknown)
    return found
