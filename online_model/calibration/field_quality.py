"""Calibration field by field: are predictions right on average for each value of a feature?"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.layout import Layout

Floats = NDArray[np.floating[Any]]


def field_calibration_errors(
    fields: NDArray[Any],
    labels: NDArray[Any],
    probabilities: Floats,
    weights: Floats | None = None,
) -> NDArray[np.float64]:
    """Field-ECE [F] of rows [n] with these values of fields [n, F] and weights [n] (1 if none).

    Σ over the values of a field of |Σ (observed − predicted)|, by n (Pan et al., WWW'20, arXiv
    1905.10713, equation 4): every value counts, however rare, so even a perfect predictor is far
    from 0 where a field has many values.
    """
    w = np.ones(len(labels)) if weights is None else np.asarray(weights, np.float64)
    differences = w * (np.asarray(probabilities, np.float64) - labels)
    errors = [
        np.abs(np.bincount(np.unique(column, return_inverse=True)[1], differences)).sum()
        for column in fields.T
    ]
    return np.array(errors, np.float64) / max(1.0, float(w.sum()))


def field_ids(samples: NDArray[np.void]) -> NDArray[np.int32]:
    """Ids [n, F] of all categorical features of samples [n], the request's first."""
    return np.concatenate([samples["request_ids"], samples["ad_ids"]], axis=1)


def field_names(layout: Layout) -> list[str]:
    """A name for each column of :func:`field_ids`."""
    return [f.name for f in (*layout.request_categoricals, *layout.ad_categoricals)]
