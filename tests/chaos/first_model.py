"""A model that knows nothing yet, for the learning job to begin with."""

import numpy as np
import redis

from online_model.network.model import Model
from online_model.settings import OnlineModelSettings
from online_model.training.export import Origin, export
from online_model.training.late_clicks import LateClicks
from schemas import redis_keys
from schemas.calibration import Calibration
from schemas.features import FeatureSpec
from schemas.layout import Layout
from schemas.settings import SharedSettings

CREATED_MS = 1_700_000_000_000


def publish(client: redis.Redis, spec: FeatureSpec) -> None:
    """Store it and make it current."""
    name = SharedSettings().model
    inputs = np.zeros(8, Layout.of(spec).dtype)
    inputs["sequence"] = -1
    model = Model.new(spec, "deepfm", inputs, 0.1, OnlineModelSettings())
    origin = Origin(name, "chaos", CREATED_MS)
    late = LateClicks.assumed(0.5, model.shape.rows)
    package = export(model, Calibration(), late, origin, inputs)
    for key, value in package.writes():
        client.set(key, value)
    client.set(redis_keys.model_current(name), package.manifest.version)
