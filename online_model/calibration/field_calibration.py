"""Field-aware calibration: a monotone map of the logit, and an offset for each value of each field.

logit p' = m(logit p) + Σ_f offset_f[value], fitted as one penalised logistic regression. m is
piecewise linear and never falls, so order is kept among rows with the same field values. A value's
offset has the prior N(0, τ_f²): a rare value is shrunk to none, an unseen one has none. τ_f is
found from the data for each field by EM (empirical Bayes, MacKay, Neural Computation 4, 1992), so
a field that says nothing ends without offsets. What it is measured by is Field-ECE (Pan et al.,
WWW'20, arXiv 1905.10713), whose network learns the same two parts.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import minimize
from scipy.special import expit

from schemas.calibration import FLOOR

Values = NDArray[Any]
KNOTS = 5
FIRST_DEVIATION = 0.15
LEAST_DEVIATION = 1e-3
EM_STEPS = 8
SLOPE_DEVIATION = 10.0  # of the prior N(1, ·) of a slope: where there is no data, m does nothing


@dataclass(frozen=True, slots=True)
class FieldCalibration:
    """``knots`` [k] bound the k + 1 pieces of m, ``slopes`` [k + 1] are theirs, all ≥ 0.

    ``values`` and ``offsets`` have one array for each field: its sorted values and what each adds
    to the logit; ``deviations`` [fields] are τ_f.
    """

    knots: NDArray[np.float64]
    shift: float
    slopes: NDArray[np.float64]
    values: tuple[Values, ...]
    offsets: tuple[NDArray[np.float64], ...]
    deviations: NDArray[np.float64]

    @classmethod
    def fit(
        cls,
        logits: NDArray[np.floating[Any]],
        fields: Values,
        labels: NDArray[Any],
        knots: int = KNOTS,
        weights: NDArray[np.floating[Any]] | None = None,
    ) -> "FieldCalibration":
        """Of logits [n], field values [n, fields] and labels [n] in {0, 1}, both of which occur.

        Rows have ``weights`` [n], 1 if none. Raises ValueError if there is one class only.
        """
        if not 0 < np.sum(labels) < len(labels):
            raise ValueError("labels are all the same: nothing can be fitted")
        quantiles = np.linspace(0.0, 1.0, knots + 2)[1:-1]
        bounds = np.unique(np.quantile(logits, quantiles))
        values = tuple(np.unique(column) for column in fields.T)
        pieces = np.column_stack([np.ones(len(labels)), _pieces(logits, bounds)])
        design = sparse.hstack([sparse.csr_matrix(pieces), _indicators(fields, values)]).tocsr()
        field = np.repeat(np.arange(len(values)), [len(known) for known in values])
        first = pieces.shape[1]
        target = np.asarray(labels, np.float64)
        counted = np.ones(len(target)) if weights is None else np.asarray(weights, np.float64)
        found = np.concatenate([[0.0], np.ones(first - 1), np.zeros(len(field))])
        deviations = np.full(len(values), FIRST_DEVIATION)
        for step in range(EM_STEPS + 1):
            precision = np.concatenate(
                [[0.0], np.full(first - 1, SLOPE_DEVIATION**-2), deviations[field] ** -2]
            )
            found = _penalised_fit(design, target, counted, found, precision, first)
            if step < EM_STEPS:
                p = expit(design @ found)
                seen = (design.multiply(design)).T @ (counted * p * (1.0 - p))
                variance = 1.0 / (precision + seen)
                squares = (found**2 + variance)[first:]
                mean = np.bincount(field, squares) / np.bincount(field)
                deviations = np.sqrt(np.maximum(mean, LEAST_DEVIATION**2))
        ends = np.cumsum([len(known) for known in values])[:-1]
        return cls(
            knots=bounds,
            shift=float(found[0]),
            slopes=found[1:first],
            values=values,
            offsets=tuple(np.split(found[first:], ends)),
            deviations=deviations,
        )

    def calibrated_logits(
        self, logits: NDArray[np.floating[Any]], fields: Values
    ) -> NDArray[np.float64]:
        """Of logits [n] and field values [n, fields]; a value that was never seen adds nothing."""
        mapped = self.shift + _pieces(logits, self.knots) @ self.slopes
        total: NDArray[np.float64] = mapped + _indicators(fields, self.values) @ np.concatenate(
            self.offsets
        )
        return total

    def probabilities(
        self, logits: NDArray[np.floating[Any]], fields: Values
    ) -> NDArray[np.float64]:
        """Calibrated probabilities [n] of logits [n] and field values [n, fields]."""
        p: NDArray[np.float64] = expit(self.calibrated_logits(logits, fields))
        return np.clip(p, FLOOR, 1.0 - FLOOR)


def _penalised_fit(
    design: Any,
    labels: NDArray[np.float64],
    counted: NDArray[np.float64],
    start: NDArray[np.float64],
    precision: NDArray[np.float64],
    first: int,
) -> NDArray[np.float64]:
    """Weights that maximise the posterior; slopes are ≥ 0, with 1 as the prior's mean."""
    mean = np.zeros(len(start))
    mean[1:first] = 1.0
    bounds = [(None, None)] + [(0.0, None)] * (first - 1) + [(None, None)] * (len(start) - first)

    def objective(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        scores = design @ weights
        away = precision * (weights - mean)
        loss = counted @ (np.logaddexp(0.0, scores) - labels * scores)
        gradient = design.T @ (counted * (expit(scores) - labels)) + away
        return float(loss + 0.5 * away @ (weights - mean)), gradient

    found = minimize(
        objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 500}
    )
    result: NDArray[np.float64] = found.x
    return result


def _pieces(logits: NDArray[np.floating[Any]], knots: NDArray[np.float64]) -> NDArray[np.float64]:
    """[n, k + 1]: how much of each logit lies in each piece; the sum is the logit itself."""
    z = np.asarray(logits, np.float64)
    if not len(knots):
        return z[:, None]
    inner = np.clip(z[:, None] - knots[:-1], 0.0, np.diff(knots))
    below, above = np.minimum(z, knots[0]), np.maximum(z - knots[-1], 0.0)
    return np.column_stack([below, inner, above])


def _indicators(fields: Values, values: tuple[Values, ...]) -> Any:
    """Sparse [n, values of all fields]: 1 at the value that each field of a row has."""
    blocks = []
    for column, known in zip(fields.T, values, strict=True):
        at = np.minimum(np.searchsorted(known, column), len(known) - 1)
        rows = np.flatnonzero(known[at] == column)
        ones = np.ones(len(rows))
        blocks.append(sparse.csr_matrix((ones, (rows, at[rows])), shape=(len(column), len(known))))
    return sparse.hstack(blocks).tocsr()
