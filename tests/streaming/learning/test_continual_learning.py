"""Following the base that is served, and what operators see of the learner."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import redis
from prometheus_client import CollectorRegistry

from schemas import redis_keys
from schemas.features import FeatureSpec
from schemas.layout import Layout
from schemas.learner_status import LearnerStatus
from schemas.model_package import ModelPackage, PackageError
from streaming.learning.base_packages import BasePackages, NoBasePackageError
from streaming.learning.continual_learning import RETRY_SECONDS, ContinualLearning
from streaming.learning.delta_publisher import DeltaPublisher
from streaming.learning.learnt_model import LearntModel
from streaming.learning.sample_batch import SampleBatch
from streaming.learning.torch_learners import TorchLearners
from streaming.metrics import learner_metrics
from streaming.redis_sink.pipeline import RedisPipeline
from tests.streaming.learning.contract import MODEL, PackageFactory, Publish
from tests.streaming.learning.sample_factory import SampleFactory


class Clock:
    """Time that passes only in pauses; ``at`` runs something once a pause is over."""

    def __init__(self) -> None:
        self.now = 0.0
        self.at: dict[int, object] = {}

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        action = self.at.pop(round(self.now), None)
        if callable(action):
            action()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def packages(redis_url: str, spec: FeatureSpec, clock: Clock) -> BasePackages:
    return BasePackages(RedisPipeline(redis_url), MODEL, spec.fingerprint, clock, clock.sleep)


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def learning(
    redis_url: str,
    packages: BasePackages,
    publish: Publish,
    new_package: PackageFactory,
    learners: TorchLearners,
    layout: Layout,
    registry: CollectorRegistry,
    clock: Clock,
) -> ContinualLearning:
    publish(new_package("base"))
    return ContinualLearning(
        LearntModel(learners.from_package(packages.wait(1)), layout),
        learners,
        packages,
        DeltaPublisher(RedisPipeline(redis_url), MODEL),
        learner_metrics(registry),
        clock,
    )


def process(learning: ContinualLearning, batch: SampleBatch) -> bool:
    """As the job does; True if another base was adopted."""
    is_adopted = learning.adopt_current()
    learning.learn(batch)
    return is_adopted


def test_a_base_is_waited_for(
    packages: BasePackages, publish: Publish, new_package: PackageFactory, clock: Clock
) -> None:
    package = new_package("base")
    clock.at[7] = lambda: publish(package)
    assert packages.wait(60).manifest == package.manifest
    assert clock.now == 7


def test_waiting_for_a_base_ends(packages: BasePackages, clock: Clock) -> None:
    with pytest.raises(NoBasePackageError, match=r"nothing is published.*bootstrap train"):
        packages.wait(60)
    assert clock.now == 60


def test_a_base_for_other_features_is_refused_by_name(
    redis_url: str, publish: Publish, new_package: PackageFactory, clock: Clock
) -> None:
    publish(new_package("base"))
    other = BasePackages(RedisPipeline(redis_url), MODEL, "0" * 16, clock, clock.sleep)
    with pytest.raises(PackageError, match="this process has 0000000000000000"):
        other.fetch("base")
    with pytest.raises(NoBasePackageError, match="this process has 0000000000000000"):
        other.wait(5)


def test_the_base_that_is_served_is_followed(
    learning: ContinualLearning,
    publish: Publish,
    new_package: PackageFactory,
    samples: SampleFactory,
) -> None:
    assert not process(learning, samples.batch(0, 10))
    publish(new_package("next"))
    assert process(learning, samples.batch(10, 10))
    assert not process(learning, samples.batch(20, 10))
    assert learning.model.learner.base_version == "next"
    assert learning.model.seen.total() == 30


def covering(package: ModelPackage, watermark_ms: int) -> ModelPackage:
    manifest = package.manifest.model_copy(update={"watermark_ms": watermark_ms})
    return ModelPackage(manifest, package.files)


def test_what_came_after_the_labels_of_a_new_base_is_learnt_on_it(
    learning: ContinualLearning,
    publish: Publish,
    new_package: PackageFactory,
    learners: TorchLearners,
    layout: Layout,
    samples: SampleFactory,
    client: redis.Redis,
) -> None:
    """It was made before they came, and is adopted after them."""
    for start in (0, 30, 60):
        process(learning, samples.batch(start, 30))
    package = covering(new_package("next"), samples.record(29).label_ts)
    publish(package)
    assert process(learning, samples.batch(90, 10))
    learning.close()
    alone = LearntModel(learners.from_package(package), layout)
    for start, count in ((30, 30), (60, 30), (90, 10)):
        alone.learn(samples.batch(start, count))
    for own, expected in zip(
        learning.model.learner.touched_rows(), alone.learner.touched_rows(), strict=True
    ):
        np.testing.assert_array_equal(own, expected)
    assert learning.model.seen.total() == 100
    served: Any = client.hlen(redis_keys.model_rows(MODEL, "next"))
    assert served == len(alone.learner.touched_rows()[0])


def test_a_base_of_long_ago_is_gone_back_to_as_it_is(
    learning: ContinualLearning,
    publish: Publish,
    new_package: PackageFactory,
    samples: SampleFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Labels that came after it are not all kept: some of them alone would not do."""
    monkeypatch.setattr("streaming.learning.recent_batches.MOST_BATCHES", 2)
    for start in (0, 30, 60):
        process(learning, samples.batch(start, 30))
    publish(covering(new_package("next"), samples.record(29).label_ts))
    assert learning.adopt_current()
    assert len(learning.model.learner.touched_rows()[0]) == 0


def test_a_damaged_base_is_passed_over(
    learning: ContinualLearning,
    publish: Publish,
    new_package: PackageFactory,
    samples: SampleFactory,
    client: Any,
    clock: Clock,
) -> None:
    """Until it is whole again, or another one comes."""
    publish(new_package("next"))
    chunk = redis_keys.model_chunk(MODEL, "next", "table.npy", 0)
    client.rename(chunk, f"{chunk}:away")
    assert not process(learning, samples.batch(0, 10))
    client.rename(f"{chunk}:away", chunk)
    assert not process(learning, samples.batch(10, 10))
    assert learning.model.learner.base_version == "base"
    clock.now += RETRY_SECONDS
    assert process(learning, samples.batch(20, 10))
    assert learning.model.learner.base_version == "next"
    publish(new_package("after"))
    assert process(learning, samples.batch(30, 10))
    assert learning.model.learner.base_version == "after"


def test_labels_that_contradict_the_model_are_withheld_and_told(
    learning: ContinualLearning,
    samples: SampleFactory,
    registry: CollectorRegistry,
    client: redis.Redis,
) -> None:
    """Ad 0 gets all the clicks, which the model learns; then it gets none and the others all."""

    def process(start: int, clicked: bool) -> None:
        batch = samples.batch(start, 300)
        is_ad_0 = np.arange(start, start + 300) % 5 == 0
        labels = (is_ad_0 == clicked).astype(np.int32)
        labels ^= (np.random.default_rng(start).random(300) < 0.05).astype(np.int32)
        kinds = np.where(labels > 0, 0, 1).astype(np.uint8)
        learning.learn(replace(batch, labels=labels, outcomes=kinds))
        learning.close()

    for number in range(8):
        process(300 * number, clicked=True)
    assert learning.model.learner.armed
    rows = learning.model.learner.touched_rows()[1]
    value = registry.get_sample_value
    process(2_400, clicked=False)
    np.testing.assert_array_equal(learning.model.learner.touched_rows()[1], rows)
    assert value("ctr_learner_withheld") == 1
    assert value("ctr_learner_samples_refused_total", {"reason": "withheld"}) == 300
    stored: Any = client.hgetall(redis_keys.model_learner(MODEL))
    status = LearnerStatus.from_fields(stored)
    assert status is not None
    assert status.withheld_since_ms == samples.record(2_699).label_ts
    assert (status.refused, status.total) == ({"withheld": 300}, 2_700)
    process(2_700, clicked=True)
    assert value("ctr_learner_withheld") == 0
    assert learning.model.withheld_since_ms == 0


def test_metrics_tell_what_was_learnt(
    learning: ContinualLearning, samples: SampleFactory, registry: CollectorRegistry
) -> None:
    learning.learn(samples.batch(0, 70))
    value = registry.get_sample_value
    assert value("ctr_learner_samples_total", {"kind": "POSITIVE"}) == 10
    assert value("ctr_learner_samples_total", {"kind": "NEGATIVE"}) == 60
    assert value("ctr_learner_batch_seconds_count") == 1
    rows = value("ctr_learner_delta_rows_total")
    assert rows is not None
    assert rows == len(learning.model.learner.touched_rows()[0])
    loss = value("ctr_learner_log_loss")
    assert loss is not None
    assert 0 < loss < 2
