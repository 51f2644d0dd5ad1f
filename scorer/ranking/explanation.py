"""What each field adds to a score, so that constant and contributions sum to the logit.

First-order terms are a field's own. Each FM product of two fields is shared evenly between them.
The tower is explained by gradient × input (Shrikumar et al., 2016, arXiv 1605.01713), which for a
network of ReLU leaves out only what its biases add: that goes to the constant.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.encoding import Encoder
from schemas.layout import Layout, raw_numbers
from scorer.model.deepfm import DeepFm
from scorer.model.logistic_regression import LogisticRegression
from scorer.ranking.tower_gradient import TowerGradient

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one field, or one number of the ad or user, adds to the logit."""

    field: str
    first_order: float
    interaction: float
    tower: float

    @property
    def total(self) -> float:
        """All that it adds."""
        return self.first_order + self.interaction + self.tower


@dataclass(frozen=True, slots=True)
class Explanation:
    """``logit`` = ``constant`` + the totals of ``contributions``, the largest first."""

    ctr: float
    logit: float
    constant: float
    contributions: Sequence[Contribution]


def explained(
    model: DeepFm | LogisticRegression, encoder: Encoder, samples: NDArray[np.void]
) -> list[Explanation]:
    """Encoded samples [n] -> their explanations, in float64. Raises PackageError."""
    if isinstance(model, LogisticRegression):
        return _RegressionExplainer(model, encoder).explain(samples)
    return _DeepFmExplainer(model, encoder.layout).explain(samples)


class _DeepFmExplainer:
    def __init__(self, model: DeepFm, layout: Layout) -> None:
        self._model = model
        self._layout = layout
        self._names = (*_field_names(layout), *layout.number_names)
        self._gradient = TowerGradient(model.tower.onnx_bytes)

    def explain(self, samples: NDArray[np.void]) -> list[Explanation]:
        arrays = self._model.arrays
        fields, numbers = self._fields(samples), self._numbers(samples)
        vectors = fields[:, :, 1:]
        count, dim = vectors.shape[1:]
        inputs = np.concatenate((vectors.reshape(-1, count * dim), numbers), axis=1)
        weights = arrays.w1.astype(np.float64)
        deep, gradients = self._gradient.at(inputs @ weights + arrays.b1)
        tower = (gradients @ weights.T) * inputs
        by_field = tower[:, : count * dim].reshape(-1, count, dim).sum(axis=2)
        tower_parts = np.concatenate((by_field, tower[:, count * dim :]), axis=1)
        first_order = np.concatenate((fields[:, :, 0], numbers * arrays.number_weights), axis=1)
        others = vectors.sum(axis=1, keepdims=True) - vectors
        interaction = np.zeros_like(first_order)
        interaction[:, :count] = 0.5 * (vectors * others).sum(axis=2)
        constants = arrays.bias + deep - tower.sum(axis=1)
        logits = constants + (first_order + interaction + tower_parts).sum(axis=1)
        ctrs = self._model.probabilities(logits)
        return [
            Explanation(
                ctr=float(ctrs[i]),
                logit=float(logits[i]),
                constant=float(constants[i]),
                contributions=_sorted(self._names, first_order[i], interaction[i], tower_parts[i]),
            )
            for i in range(len(samples))
        ]

    def _fields(self, samples: Any) -> Doubles:
        """Rows of the fields [n, F, 1 + dim]."""
        table = self._model.arrays.table
        parts = [table[samples["request_ids"]]]
        if self._layout.sequence is not None:
            ids = samples["sequence"]
            used = (ids >= 0)[:, :, None]
            total = np.where(used, table[np.maximum(ids, 0)], 0.0).sum(axis=1, keepdims=True)
            parts.append(total / np.maximum(used.sum(axis=1, keepdims=True), 1))
        parts.append(table[samples["ad_ids"]])
        rows: Doubles = np.concatenate(parts, axis=1).astype(np.float64)
        return rows

    def _numbers(self, samples: Any) -> Doubles:
        """Standardised numbers [n, N]."""
        arrays = self._model.arrays
        numbers = raw_numbers(samples)
        standardised: Doubles = (numbers.astype(np.float64) - arrays.mean) / arrays.std
        return standardised


class _RegressionExplainer:
    def __init__(self, model: LogisticRegression, encoder: Encoder) -> None:
        self._model = model
        layout = encoder.layout
        crosses = (" × ".join(cross) for cross in encoder.spec.crosses)
        self._names = (*_field_names(layout), *crosses, *layout.number_names)

    def explain(self, samples: NDArray[np.void]) -> list[Explanation]:
        terms = np.concatenate(self._model.terms(samples), axis=1)
        none = np.zeros(terms.shape[1])
        logits, ctrs = self._model.bias + terms.sum(axis=1), self._model.ctrs(samples)
        return [
            Explanation(
                ctr=float(ctrs[i]),
                logit=float(logits[i]),
                constant=self._model.bias,
                contributions=_sorted(self._names, terms[i], none, none),
            )
            for i in range(len(samples))
        ]


def _field_names(layout: Layout) -> list[str]:
    sequence = () if layout.sequence is None else (layout.sequence,)
    fields = (*layout.request_categoricals, *sequence, *layout.ad_categoricals)
    return [field.name for field in fields]


def _sorted(names: Sequence[str], *parts: Doubles) -> list[Contribution]:
    rows = zip(names, *(part.tolist() for part in parts), strict=True)
    return sorted((Contribution(*row) for row in rows), key=lambda c: -abs(c.total))
