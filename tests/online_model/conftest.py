"""A trained package of each architecture."""

import pytest

from online_model.network.model import Architecture
from online_model.training.export import Origin, export
from online_model.training.late_clicks import LateClicks
from online_model.training.trainer import train
from schemas.model_package import ModelPackage
from tests.online_model.small_log import SETTINGS, SPEC, history, samples


def _trained_package(architecture: Architecture, rows: int) -> ModelPackage:
    trained = train(SPEC, architecture, history(rows), SETTINGS, 0.25)
    origin = Origin(
        architecture, "v1", created_ms=5, parent="v0", watermark_ms=9, metrics={"auc": 0.7}
    )
    late_clicks = LateClicks.assumed(0.4, trained.model.shape.rows)
    return export(trained.model, trained.calibration, late_clicks, origin, samples(64, seed=11))


@pytest.fixture(scope="session")
def package() -> ModelPackage:
    """DeepFM of 3,000 rows."""
    return _trained_package("deepfm", 3000)


@pytest.fixture(scope="session")
def regression_package() -> ModelPackage:
    """Logistic regression of 1,000 rows."""
    return _trained_package("lr", 1000)
