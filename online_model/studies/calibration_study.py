"""Which calibration is best: each half of the rows is predicted by what was fitted on the other.

Twenty bins of a few hundred labels differ from the truth by chance alone, and a field of many
values more so: ``floor`` says what a predictor that is calibrated perfectly would be measured at.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from online_model.calibration.field_calibration import FieldCalibration
from online_model.calibration.field_quality import field_calibration_errors
from online_model.calibration.methods import MethodChoice, fit_calibration, to_logits
from online_model.quality import quality

Floats = NDArray[np.float64]
Method = Literal["raw", "platt", "isotonic", "field"]
METHODS: tuple[Method, ...] = ("raw", "platt", "isotonic", "field")
BIN_ROWS = 200
FLOOR_DRAWS = 20


@dataclass(frozen=True, slots=True)
class Measured:
    """Over test rows; ECE has 20 bins of as many rows, Field-ECE is by field."""

    ece: float
    field_ece_mean: float
    field_ece_max: float
    logloss: float
    auc: float
    pcoc: float

    @classmethod
    def of(cls, labels: Floats, probabilities: Floats, fields: NDArray[Any]) -> "Measured":
        """Labels [n] of both classes, probabilities [n], field values [n, fields]."""
        found = quality(labels, probabilities)
        by_field = field_calibration_errors(fields, labels, probabilities)
        return cls(
            ece=found.ece,
            field_ece_mean=float(by_field.mean()),
            field_ece_max=float(by_field.max()),
            logloss=found.log_loss,
            auc=float("nan") if found.auc is None else found.auc,
            pcoc=float("nan") if found.pcoc is None else found.pcoc,
        )


@dataclass(frozen=True, slots=True)
class CalibrationRows:
    """Predictions [n] in (0, 1), labels [n] and field values [n, fields] in the order of time."""

    predictions: Floats
    labels: Floats
    fields: NDArray[Any]

    def part(self, chosen: NDArray[np.bool_]) -> "CalibrationRows":
        """The rows where ``chosen`` [n] is true."""
        return CalibrationRows(self.predictions[chosen], self.labels[chosen], self.fields[chosen])

    def measured(self, probabilities: Floats) -> Measured:
        """Of calibrated probabilities [n]."""
        return Measured.of(self.labels, probabilities, self.fields)


def calibrated(method: Method, fit: CalibrationRows, test: CalibrationRows) -> Floats:
    """Probabilities [n] of the test rows, whose labels are not looked at.

    A map cannot be fitted from one class alone: predictions then stay as they are.
    """
    logits = to_logits(test.predictions)
    if method == "raw" or not 0 < fit.labels.sum() < len(fit.labels):
        raw: Floats = expit(logits)
        return raw
    if method == "field":
        fitted = FieldCalibration.fit(to_logits(fit.predictions), fit.fields, fit.labels)
        return fitted.probabilities(logits, test.fields)
    choice: MethodChoice = "platt" if method == "platt" else "isotonic"
    return fit_calibration(choice, to_logits(fit.predictions), fit.labels, BIN_ROWS).probabilities(
        logits
    )


def study(
    rows: CalibrationRows, random_splits: int, progress: Callable[[int], None]
) -> dict[str, Any]:
    """Each method, by split; ``progress`` is told of each fit.

    ``first_half_fits`` is measured on the later half. ``halves`` joins the predictions of both
    halves, each by the fit on the other, and ``random_halves`` is the mean of that over so many
    random splits.
    """
    later = np.arange(len(rows.labels)) >= len(rows.labels) // 2
    report: dict[str, Any] = {"rows": len(rows.labels), "random_splits": random_splits}
    first: dict[str, Any] = {}
    joined: dict[str, Any] = {}
    shuffled: dict[str, Any] = {}
    for method in METHODS:
        by_halves = _by_halves(method, rows, later)
        first[method] = asdict(rows.part(later).measured(by_halves[later]))
        joined[method] = asdict(rows.measured(by_halves))
        progress(2)
        found = []
        for half in _random_halves(len(rows.labels), random_splits):
            found.append(asdict(rows.measured(_by_halves(method, rows, half))))
            progress(2)
        if found:
            shuffled[method] = {
                key: float(np.mean([one[key] for one in found])) for key in found[0]
            }
        if method == "field":
            first["floor"] = _floor(rows.part(later), by_halves[later])
            joined["floor"] = _floor(rows, by_halves)
    report |= {"first_half_fits": first, "halves": joined}
    return report | {"random_halves": shuffled} if shuffled else report


def fits(random_splits: int) -> int:
    """How many fits :func:`study` will tell of."""
    return len(METHODS) * 2 * (1 + random_splits)


def _by_halves(method: Method, rows: CalibrationRows, half: NDArray[np.bool_]) -> Floats:
    probabilities = np.empty(len(half))
    for test in (half, ~half):
        probabilities[test] = calibrated(method, rows.part(~test), rows.part(test))
    return probabilities


def _random_halves(rows: int, splits: int) -> Iterator[NDArray[np.bool_]]:
    for seed in range(splits):
        yield np.random.default_rng(seed).permutation(rows) < rows // 2


def _floor(rows: CalibrationRows, truth: Floats) -> dict[str, float]:
    """Mean measures of ``truth`` [n] for labels that are drawn from it."""
    generator = np.random.default_rng(0)
    found = []
    for _ in range(FLOOR_DRAWS):
        drawn = (generator.random(len(truth)) < truth).astype(np.float64)
        found.append(Measured.of(drawn, truth, rows.fields))
    return {
        "ece": float(np.mean([one.ece for one in found])),
        "field_ece_mean": float(np.mean([one.field_ece_mean for one in found])),
        "field_ece_max": float(np.mean([one.field_ece_max for one in found])),
    }
