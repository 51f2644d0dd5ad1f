"""P(click after e | click, x): the helper of the losses, learnt from clicks as they come.

logit d(x) = logit(share) + Σ of a weight for each table row that x reads. The share follows the
stream's clicks fast, the weights say who clicks late; they take the table's step: gradient over
precision, which is the prior's plus the curvature seen so far (Chapelle & Li, NIPS'11).
"""

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from online_model.delayed_feedback import LateShare
from schemas.model_package import PackageError

LATE_CLICKS_FILE = "late_clicks.npz"  # ids int32 [m], values float32 [m, 2]: weight, curvature
LEAST_SHARE = 1e-3
PRIOR = 2.0  # a weight's prior precision is this × fields
BATCH = 200


@dataclass
class LateClicks:
    """``weights`` and ``curvature`` float32 [rows] of the table; changed by :meth:`learn`."""

    share: LateShare
    weights: NDArray[np.float32]
    curvature: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))

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
        except (KeyError, ValueError, IndexError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise PackageError(f"{LATE_CLICKS_FILE}: {error!r}") from None
        return found

    def weights_file(self) -> bytes:
        """File of a package, beside that of the share."""
        ids = np.flatnonzero(self.curvature).astype(np.int32)
        buffer = io.BytesIO()
        values = np.stack([self.weights[ids], self.curvature[ids]], axis=1)
        np.savez(buffer, ids=ids, values=values)
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
        rows, place = np.unique(ids, return_inverse=True)
        place = place.reshape(ids.shape)
        fields = ids.shape[1]
        residual = np.repeat(sample_weights * (late - d), fields)
        seen = np.repeat(sample_weights * d * (1.0 - d), fields)
        flat = place.ravel()
        self.curvature[rows] += np.bincount(flat, seen, len(rows)).astype(np.float32)
        step = np.bincount(flat, residual, len(rows)) / (PRIOR * fields + self.curvature[rows])
        self.weights[rows] += step.astype(np.float32)
        self.share = self.share.seen(
            early=float(np.sum(sample_weights[~late])),
            late=float(np.sum(sample_weights[late])),
            memory=memory,
        )


def from_history(ids: NDArray[np.integer[Any]], late: NDArray[np.bool_], rows: int) -> LateClicks:
    """Of the clicks [n] of history in order of time: rows ``ids`` [n, fields], late or not."""
    share = float(np.mean(late)) if len(late) else 1.0
    learnt = LateClicks.assumed(share, rows)
    ones = np.ones(BATCH, np.float32)
    for start in range(0, len(late), BATCH):
        part = slice(start, start + BATCH)
        learnt.learn(ids[part], late[part], ones[: len(late[part])], memory=np.inf)
    learnt.share = LateShare.assumed(share)
    return learnt
