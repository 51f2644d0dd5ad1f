"""Progressive validation: each served probability against what then happened.

Only position 1 counts, for that is where a served probability claims to hold. Beside it stand a
constant (the rate so far) and the model as it was at the start, on the same served inputs.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from streaming.adserver.source import Shown, served

Floats = NDArray[np.float64]
#: Joined inputs of n samples -> probabilities [n].
FrozenModel = Callable[[bytes], Floats]

PRIOR_IMPRESSIONS = 100.0
FLOOR = 1e-7
FROZEN_BATCH = 2_000


@dataclass(frozen=True, slots=True)
class Scores:
    """How good probabilities were; ``auc`` is None with one class, ``pcoc`` without a click."""

    log_loss: float
    auc: float | None
    pcoc: float | None


@dataclass(frozen=True, slots=True)
class Window:
    """Scores over a slice of the rows that ends at ``rows`` rows."""

    rows: int
    served: Scores
    constant: Scores
    frozen: Scores | None


@dataclass(frozen=True, slots=True)
class Validation:
    """Scores over all rows, and what the truth allows where it is known.

    ``entropy`` is the log loss of the true probabilities: no model gets below it on average.
    ``truth_error`` is the root of the mean squared difference of the logits.
    """

    rows: int
    clicks: int
    served: Scores
    constant: Scores
    frozen: Scores | None
    entropy: float | None
    truth_error: float | None


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Rows of similar served probability: how many, their means, and the truth if known."""

    rows: int
    predicted: float
    observed: float
    truth: float | None


class ProgressiveValidation:
    """Grows with :meth:`add`; may be read from another thread. About 1 KB a row until scored."""

    def __init__(self, history_rate: float, frozen: FrozenModel | None = None) -> None:
        self._frozen_model = frozen
        self._lock = threading.Lock()
        self._labels: list[int] = []
        self._served: list[float] = []
        self._truth: list[float] = []
        self._constant: list[float] = []
        self._frozen: list[float] = []
        self._inputs: list[bytes] = []
        self._clicks = PRIOR_IMPRESSIONS * history_rate
        self._rows = PRIOR_IMPRESSIONS

    def add(self, shown: Shown) -> None:
        """One impression; those below position 1 are passed over."""
        if shown.impression.position != 1:
            return
        inputs = served(shown.impression.token).inputs if self._frozen_model else b""
        with self._lock:
            self._served.append(shown.ctr)
            self._constant.append(self._clicks / self._rows)
            self._labels.append(shown.label)
            self._truth.append(np.nan if shown.truth is None else shown.truth)
            self._inputs.append(inputs)
            self._clicks += shown.label
            self._rows += 1
            if len(self._inputs) >= FROZEN_BATCH:
                self._score_frozen()

    def summary(self, last: int | None = None) -> Validation | None:
        """Over all rows, or the ``last`` ones; None before the first row."""
        columns = self._columns()
        rows = columns.slice(max(0, len(columns.labels) - (last or len(columns.labels))))
        if not len(rows.labels):
            return None
        known = bool(np.isfinite(rows.truth).all())
        error = _logit(rows.served) - _logit(rows.truth) if known else None
        return Validation(
            rows=len(rows.labels),
            clicks=int(rows.labels.sum()),
            served=scores(rows.labels, rows.served),
            constant=scores(rows.labels, rows.constant),
            frozen=None if rows.frozen is None else scores(rows.labels, rows.frozen),
            entropy=_log_loss(rows.truth, rows.truth) if known else None,
            truth_error=None if error is None else float(np.sqrt(np.mean(error**2))),
        )

    def curve(self, windows: int = 24) -> list[Window]:
        """Scores over consecutive slices of equal size; none until each has 50 rows."""
        columns = self._columns()
        windows = min(windows, len(columns.labels) // 50)
        curve = []
        for index in range(windows):
            start, end = (len(columns.labels) * i // windows for i in (index, index + 1))
            part = columns.slice(start, end)
            curve.append(
                Window(
                    rows=end,
                    served=scores(part.labels, part.served),
                    constant=scores(part.labels, part.constant),
                    frozen=None if part.frozen is None else scores(part.labels, part.frozen),
                )
            )
        return curve

    def calibration(self, bins: int = 10) -> list[CalibrationBin]:
        """Bins of equal size by served probability, lowest first."""
        columns = self._columns()
        order = np.argsort(columns.served, kind="stable")
        result = []
        for chosen in np.array_split(order, bins):
            if len(chosen):
                truth = float(columns.truth[chosen].mean())
                result.append(
                    CalibrationBin(
                        rows=len(chosen),
                        predicted=float(columns.served[chosen].mean()),
                        observed=float(columns.labels[chosen].mean()),
                        truth=truth if np.isfinite(truth) else None,
                    )
                )
        return result

    def _score_frozen(self) -> None:
        if self._frozen_model is not None and self._inputs:
            self._frozen.extend(self._frozen_model(b"".join(self._inputs)).tolist())
        self._inputs.clear()

    def _columns(self) -> "_Columns":
        with self._lock:
            self._score_frozen()
            return _Columns(
                labels=np.array(self._labels, np.int64),
                served=np.array(self._served, np.float64),
                constant=np.array(self._constant, np.float64),
                truth=np.array(self._truth, np.float64),
                frozen=np.array(self._frozen) if self._frozen_model is not None else None,
            )


@dataclass(frozen=True, slots=True)
class _Columns:
    labels: NDArray[np.int64]
    served: Floats
    constant: Floats
    truth: Floats
    frozen: Floats | None

    def slice(self, start: int, end: int | None = None) -> "_Columns":
        part = slice(start, end)
        return _Columns(
            labels=self.labels[part],
            served=self.served[part],
            constant=self.constant[part],
            truth=self.truth[part],
            frozen=None if self.frozen is None else self.frozen[part],
        )


def scores(labels: Sequence[int] | NDArray[np.int64], probabilities: Floats) -> Scores:
    """Of probabilities [n] against labels [n], n > 0."""
    observed = np.asarray(labels, np.float64)
    clicks = observed.sum()
    both = 0 < clicks < len(observed)
    return Scores(
        log_loss=_log_loss(observed, probabilities),
        auc=float(roc_auc_score(observed, probabilities)) if both else None,
        pcoc=float(probabilities.sum() / clicks) if clicks else None,
    )


def _log_loss(targets: Floats, probabilities: Floats) -> float:
    p = np.clip(probabilities, FLOOR, 1 - FLOOR)
    return float(-np.mean(targets * np.log(p) + (1 - targets) * np.log1p(-p)))


def _logit(probabilities: Floats) -> Floats:
    p = np.clip(probabilities, FLOOR, 1 - FLOOR)
    logits: Floats = np.log(p) - np.log1p(-p)
    return logits
