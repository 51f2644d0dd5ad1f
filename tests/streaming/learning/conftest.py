"""A small untrained model, as packages of any version, and samples for it."""

from collections.abc import Iterator

import numpy as np
import pytest
import redis

from online_model.network.model import Model
from online_model.settings import OnlineModelSettings
from online_model.training.delayed_feedback import LateShare
from online_model.training.export import Origin, export
from online_model.training.late_clicks import LateClicks
from schemas import redis_keys
from schemas.calibration import Calibration
from schemas.features import FeatureSpec
from schemas.layout import Layout
from schemas.model_package import ModelPackage
from streaming.learning.torch_learners import TorchLearners
from tests.streaming.learning.contract import MODEL, PackageFactory, Publish
from tests.streaming.learning.sample_factory import NOW_MS, SampleFactory


@pytest.fixture(scope="session")
def spec() -> FeatureSpec:
    return FeatureSpec.load("open_bandit")


@pytest.fixture(scope="session")
def layout(spec: FeatureSpec) -> Layout:
    return Layout.of(spec)


@pytest.fixture(scope="session")
def learners(spec: FeatureSpec) -> TorchLearners:
    return TorchLearners(spec, OnlineModelSettings())


@pytest.fixture(scope="session")
def samples(spec: FeatureSpec, layout: Layout) -> SampleFactory:
    return SampleFactory(spec, layout)


@pytest.fixture(scope="session")
def new_package(spec: FeatureSpec, layout: Layout) -> PackageFactory:
    inputs = np.zeros(8, layout.dtype)
    inputs["sequence"] = -1
    model = Model.new(spec, "deepfm", inputs, 0.05, OnlineModelSettings())

    def package(version: str) -> ModelPackage:
        origin = Origin(MODEL, version, NOW_MS)
        late_clicks = LateClicks(LateShare(0.0, 0.0), np.zeros(1, np.float32))
        return export(model, Calibration(), late_clicks, origin, inputs)

    return package


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as connection:
        yield connection


@pytest.fixture
def publish(client: redis.Redis) -> Publish:
    """Stores a package and makes it current."""

    def store(package: ModelPackage) -> None:
        for key, value in package.writes():
            client.set(key, value)
        client.set(redis_keys.model_current(MODEL), package.manifest.version)

    return store
