"""States of a learner as older releases wrote them: with all rows that were ever seen in them."""

import io
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from online_model.learning.learner import OnlineLearner
from online_model.training.export import CURVATURE_FILE
from online_model.training.late_clicks import LATE_CLICKS_FILE, LateClicks
from schemas.model_package import TABLE_FILE, ModelPackage


def dump(learner: OnlineLearner, state_format: str = "ctr-learner-1") -> bytes:
    """All of a learner; the same one gives the same bytes."""
    table = learner._model.table
    return write(
        learner._package,
        table.values.numpy(),
        table.curvature.numpy(),
        np.flatnonzero(learner._touched).astype(np.int32),
        learner._samples_seen,
        learner._late_clicks,
        learner._base_rate.state(),
        state_format,
    )


def write(
    base: ModelPackage,
    table: NDArray[np.float32],
    curvature: NDArray[np.float32],
    touched: NDArray[np.int32],
    samples_seen: int,
    late_clicks: LateClicks,
    base_rate: Sequence[Sequence[float]],
    state_format: str = "ctr-learner-1",
) -> bytes:
    """Of a learner on ``base`` with its table [rows, 1 + dim] and curvature [rows, 2]."""
    ids = np.flatnonzero(table.any(axis=1) | curvature.any(axis=1)).astype(np.int32)
    head = {
        "format": state_format,
        "manifest": base.manifest.model_dump(mode="json"),
        "samples_seen": samples_seen,
        "early_clicks": late_clicks.share.early.hex(),
        "late_clicks": late_clicks.share.late.hex(),
        "base_rate": base_rate,
        "table": table.shape,
    }
    arrays: dict[str, NDArray[Any]] = {
        "head": np.frombuffer(json.dumps(head).encode(), np.uint8),
        "ids": ids,
        "values": table[ids],
        "curvature": curvature[ids],
        "touched": touched,
    }
    for name, data in {**base.files, LATE_CLICKS_FILE: late_clicks.weights_file()}.items():
        if name not in (TABLE_FILE, CURVATURE_FILE):
            arrays[f"file:{name}"] = np.frombuffer(data, np.uint8)
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()
