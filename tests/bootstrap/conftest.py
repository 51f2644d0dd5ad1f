"""A package of the world's features, a connection to the test's Redis, a topic of its own."""

import time
import uuid
from collections.abc import Iterator

import pytest
import redis
from confluent_kafka.admin import AdminClient, NewTopic

from bootstrap.encoded_log import EncodedLog, encode_log
from bootstrap.sample_topic import SampleTopic, TopicError
from bootstrap.settings import BootstrapSettings
from bootstrap.training import TrainedPackage, Training
from online_model.settings import OnlineModelSettings
from schemas.features import FeatureSpec
from tests.bootstrap.small_logs import world_log


@pytest.fixture(scope="session")
def spec() -> FeatureSpec:
    return FeatureSpec.load("world")


@pytest.fixture(scope="session")
def log(spec: FeatureSpec) -> EncodedLog:
    """2,000 rows of a log in which half of the ads are good."""
    return encode_log(spec, world_log(2000), short_window_ms=30_000)


@pytest.fixture(scope="session")
def training(spec: FeatureSpec, log: EncodedLog) -> Training:
    created_ms = 1_763_958_190_007
    settings = OnlineModelSettings(batch_size=50, calibration_bin_rows=100)
    return Training(spec, log, settings, BootstrapSettings(), created_ms)


@pytest.fixture(scope="session")
def trained(training: Training) -> TrainedPackage:
    return training.run("deepfm", "deepfm", live=None)


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as connection:
        yield connection


@pytest.fixture
def topic(kafka_bootstrap: str) -> SampleTopic:
    """An empty one of its own."""
    name = f"samples-{uuid.uuid4().hex}"
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
    admin.create_topics([NewTopic(name, num_partitions=2)])[name].result()
    made = SampleTopic(kafka_bootstrap, name)
    deadline = time.monotonic() + 30
    while True:
        try:
            made.end()
            return made
        except TopicError:
            assert time.monotonic() < deadline, "the broker does not show the new topic"
            time.sleep(0.1)
