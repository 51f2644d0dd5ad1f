"""Field-aware calibration inside the table: what is served is what was fitted."""

import numpy as np
import pytest
from numpy.typing import NDArray

from online_model.calibration.field_calibration import FieldCalibration
from online_model.calibration.field_offsets import FieldOffsets
from online_model.history import History
from online_model.quality import log_loss
from online_model.training.export import Origin, export
from online_model.training.late_clicks import LateClicks
from online_model.training.package_scorer import PackageScorer
from online_model.training.trainer import train
from schemas.calibration import Calibration
from tests.online_model.small_log import LAYOUT, SETTINGS, SPEC, history, random_model


def fields(rows: History) -> NDArray[np.int64]:
    """Of all fields but the ad, whose rows the sequence pools."""
    samples = rows.samples
    columns = [samples["request_ids"], samples["ad_ids"][:, 1:]]
    found: NDArray[np.int64] = np.concatenate(columns, axis=1).astype(np.int64)
    return found


def test_a_package_serves_what_was_fitted() -> None:
    model = train(SPEC, "deepfm", history(3000, seed=7), SETTINGS, 0.2).model
    past, future = history(3000), history(500, seed=5)
    logits = model.logits(past.samples)
    found = FieldOffsets.of(LAYOUT, past, logits)
    plain = FieldCalibration.fit(logits, fields(past), past.labels, knots=0)
    later = fields(future)
    expected = plain.probabilities(model.logits(future.samples), later)
    found.put(model.table)
    late, origin = LateClicks.assumed(0.5, model.shape.rows), Origin("m", "v", 0)
    package = export(model, found.calibration, late, origin, future.samples)
    served = PackageScorer(package, SPEC).probabilities(future.samples)
    assert served == pytest.approx(expected, abs=1e-5)


def test_weights_count_as_so_many_rows() -> None:
    past = history(400)
    logits = random_model().logits(past.samples)
    columns = (past.samples, past.labels, past.weights)
    twice = History(*(np.concatenate([part, part[:100]]) for part in columns))
    weights = np.where(np.arange(400) < 100, 2.0, 1.0).astype(np.float32)
    weighted = FieldOffsets.of(LAYOUT, History(past.samples, past.labels, weights), logits)
    repeated = FieldOffsets.of(LAYOUT, twice, np.concatenate([logits, logits[:100]]))
    assert weighted.offsets == pytest.approx(repeated.offsets, abs=1e-3)


def test_labels_of_one_class_change_nothing() -> None:
    past = history(200)
    same = History(past.samples, np.zeros_like(past.labels), past.weights)
    found = FieldOffsets.of(LAYOUT, same, np.zeros(200))
    assert found.calibration == Calibration()
    assert found.logits(past.samples, np.ones(200)).tolist() == [1.0] * 200


def test_training_may_calibrate_so() -> None:
    settings = SETTINGS.model_copy(update={"calibration": "field"})
    outcome = train(SPEC, "deepfm", history(6000), settings, 0.3)
    future = history(4000, seed=9)
    p = outcome.calibration.probabilities(outcome.model.logits(future.samples))
    constant = np.full(len(future), future.labels.mean())
    assert log_loss(future.labels, p) < log_loss(future.labels, constant) - 0.02
    assert outcome.validation.rows == 900
