"""Deltas, compacted rows and status in a real Redis; lost timelines leave no rows behind."""

from typing import Any

import numpy as np
import pytest
import redis
from numpy.typing import NDArray

from schemas import redis_keys
from schemas.layout import Layout
from schemas.learner_status import LearnerStatus
from schemas.row_delta import RowDelta, rows_from_hash
from streaming.learning.delta_publisher import DeltaPublisher
from streaming.learning.learnt_model import LearntModel
from streaming.learning.torch_learners import TorchLearners
from streaming.redis_sink.pipeline import RedisPipeline, RedisUnavailableError
from tests.online_model.rows_in_memory import rows_in_memory
from tests.streaming.learning.contract import MODEL, PackageFactory
from tests.streaming.learning.sample_factory import NOW_MS, SampleFactory

ROWS = redis_keys.model_rows(MODEL, "base")
DELTAS = redis_keys.model_deltas(MODEL, "base")


class Epochs:
    """Names epochs one, two, three."""

    def __init__(self) -> None:
        self.names = iter(("one", "two", "three"))

    def __call__(self) -> str:
        return next(self.names)


@pytest.fixture
def publisher(redis_url: str) -> DeltaPublisher:
    return DeltaPublisher(RedisPipeline(redis_url), MODEL, lambda: NOW_MS, Epochs())


@pytest.fixture
def model(new_package: PackageFactory, learners: TorchLearners, layout: Layout) -> LearntModel:
    return LearntModel(learners.from_package(new_package("base")), layout)


class Publishing:
    """Learns and publishes stretches of the endless list of samples."""

    def __init__(
        self, model: LearntModel, publisher: DeltaPublisher, samples: SampleFactory
    ) -> None:
        self.model, self.publisher, self.samples = model, publisher, samples

    def step(self, start: int, count: int) -> RowDelta:
        batch = self.samples.batch(start, count)
        report = self.model.learn(batch)
        delta = self.publisher.publish(self.model, report, batch.click_ts)
        self.publisher.wait()
        return delta


@pytest.fixture
def publishing(model: LearntModel, publisher: DeltaPublisher, samples: SampleFactory) -> Publishing:
    return Publishing(model, publisher, samples)


def stream(client: redis.Redis) -> list[RowDelta]:
    entries: Any = client.xrange(DELTAS)
    return [RowDelta.from_fields(fields) for _, fields in entries]


def compacted(client: redis.Redis) -> dict[int, NDArray[np.float32]]:
    stored: Any = client.hgetall(ROWS)
    ids, values = rows_from_hash(stored, dim=4)
    return dict(zip(ids.tolist(), values, strict=True))


def assert_compacted_rows_are_the_models(client: redis.Redis, model: LearntModel) -> None:
    ids, values = model.learner.touched_rows()
    stored = compacted(client)
    assert sorted(stored) == ids.tolist()
    np.testing.assert_array_equal([stored[row] for row in ids.tolist()], values)


def status(client: redis.Redis) -> LearnerStatus:
    fields: Any = client.hgetall(redis_keys.model_learner(MODEL))
    found = LearnerStatus.from_fields(fields)
    assert found is not None
    return found


def test_deltas_follow_each_other(client: redis.Redis, publishing: Publishing) -> None:
    publishing.step(0, 40)
    publishing.step(40, 40)
    deltas = stream(client)
    assert [(delta.epoch, delta.sequence) for delta in deltas] == [("one", 0), ("one", 1)]
    assert deltas[1].click_ts.tolist() == [
        NOW_MS + 500 + number for number in range(40, 80) if number % 7 == 0
    ]
    last = dict(zip(deltas[1].ids.tolist(), deltas[1].values, strict=True))
    stored = compacted(client)
    for row, values in last.items():
        np.testing.assert_array_equal(stored[row], values)
    assert_compacted_rows_are_the_models(client, publishing.model)


def test_status_closes_the_account(client: redis.Redis, publishing: Publishing) -> None:
    publishing.step(0, 40)
    publishing.step(40, 30)
    now = status(client)
    assert now.seen == {"POSITIVE": 10, "NEGATIVE": 60}
    assert now.total == 70
    assert (now.base_version, now.epoch, now.sequence) == ("base", "one", 1)
    assert now.watermark_ms == publishing.samples.record(69).label_ts
    assert now.updated_ms == NOW_MS


def test_everything_expires_with_the_base(client: redis.Redis, publishing: Publishing) -> None:
    publishing.step(0, 10)
    for key in (ROWS, DELTAS):
        left: Any = client.ttl(key)
        assert left > redis_keys.MODEL_DELTAS_TTL_SECONDS - 60


def test_rows_of_a_lost_run_are_gone_after_a_restart(
    client: redis.Redis,
    redis_url: str,
    publishing: Publishing,
    learners: TorchLearners,
    layout: Layout,
) -> None:
    publishing.step(0, 5)
    store = rows_in_memory()
    snapshot = publishing.model.save(store)
    publishing.step(5, 100)
    lost = set(compacted(client))

    resumed = LearntModel.load(snapshot, store, learners, layout)
    publisher = DeltaPublisher(RedisPipeline(redis_url), MODEL, lambda: NOW_MS, lambda: "after")
    after = Publishing(resumed, publisher, publishing.samples).step(5, 2)

    assert (after.epoch, after.sequence) == ("after", 0)
    assert set(compacted(client)) < lost
    assert_compacted_rows_are_the_models(client, resumed)
    assert status(client).total == 7


@pytest.mark.parametrize("keys", [(ROWS, DELTAS, redis_keys.model_learner(MODEL))])
def test_redis_that_lost_everything_gets_it_again(
    client: redis.Redis, publishing: Publishing, keys: tuple[str, ...]
) -> None:
    publishing.step(0, 60)
    client.delete(*keys)
    delta = publishing.step(60, 3)
    assert (delta.epoch, delta.sequence) == ("two", 0)
    assert_compacted_rows_are_the_models(client, publishing.model)
    assert (publishing.step(63, 3).epoch, status(client).sequence) == ("two", 1)


def test_redis_that_came_back_older_gets_everything_again(
    client: redis.Redis, publishing: Publishing
) -> None:
    publishing.step(0, 20)
    older = {key: client.dump(key) for key in (ROWS, redis_keys.model_learner(MODEL))}
    publishing.step(20, 60)
    for key, value in older.items():
        assert isinstance(value, bytes)
        client.restore(key, 0, value, replace=True)
    assert publishing.step(80, 3).epoch == "two"
    assert_compacted_rows_are_the_models(client, publishing.model)


def test_another_base_has_its_own_stream_and_epoch(
    client: redis.Redis,
    publishing: Publishing,
    new_package: PackageFactory,
    learners: TorchLearners,
) -> None:
    publishing.step(0, 20)
    publishing.model.adopt(learners.from_package(new_package("next")), 0)
    delta = publishing.step(20, 20)
    assert (delta.base_version, delta.epoch, delta.sequence) == ("next", "two", 0)
    assert client.xlen(redis_keys.model_deltas(MODEL, "next")) == 1
    assert status(client).total == 40


def test_old_deltas_are_trimmed(client: redis.Redis, publishing: Publishing) -> None:
    for number in range(redis_keys.MODEL_DELTAS_MAX_ENTRIES + 110):
        publishing.step(number, 1)
    assert len(stream(client)) < redis_keys.MODEL_DELTAS_MAX_ENTRIES + 105


def test_a_batch_without_usable_samples_is_told_too(
    client: redis.Redis, publishing: Publishing
) -> None:
    publishing.step(0, 10)
    batch = publishing.samples.batch(10, 3)
    batch.outcomes[:] = 4
    empty = type(batch)(
        batch.outcomes,
        batch.inputs[:0],
        batch.labels[:0],
        batch.weights[:0],
        batch.positions[:0],
        batch.click_ts[:0],
        0,
    )
    report = publishing.model.learn(empty)
    delta = publishing.publisher.publish(publishing.model, report, empty.click_ts)
    publishing.publisher.wait()
    assert len(delta.ids) == 0
    assert status(client).refused == {"undecodable": 3}
    assert status(client).total == 13


def test_the_next_batch_is_learnt_while_a_delta_is_sent(
    client: redis.Redis, publishing: Publishing
) -> None:
    published: list[int] = []
    for start in (0, 20, 40):
        batch = publishing.samples.batch(start, 20)
        report = publishing.model.learn(batch)
        publishing.publisher.publish(
            publishing.model, report, batch.click_ts, lambda: published.append(1)
        )
    publishing.publisher.wait()
    assert len(published) == 3
    assert [delta.sequence for delta in stream(client)] == [0, 1, 2]
    assert_compacted_rows_are_the_models(client, publishing.model)


def test_rows_are_there_before_they_are_told_of(
    client: redis.Redis,
    redis_url: str,
    publishing: Publishing,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By commands that are short enough for others; who dies in between leaves nothing wrong."""
    monkeypatch.setattr("streaming.learning.delta_publisher.ROWS_PER_COMMAND", 7)
    client.config_resetstat()
    first = publishing.step(0, 40)
    stats: Any = client.info("commandstats")
    assert stats["cmdstat_hset"]["calls"] >= len(first.ids) / 7 > 3
    told = stream(client)

    def dies(*_: object) -> None:
        raise RedisUnavailableError

    with monkeypatch.context() as patched:
        patched.setattr(RedisPipeline, "transact_raw", dies)
        with pytest.raises(RedisUnavailableError):
            publishing.step(40, 40)
    assert len(stream(client)) == len(told) == 1
    assert_compacted_rows_are_the_models(client, publishing.model)
    left: Any = client.ttl(ROWS)
    assert left > 0, "they expire even if nobody ever tells of them"

    publishing.publisher = DeltaPublisher(
        RedisPipeline(redis_url), MODEL, lambda: NOW_MS, lambda: "after"
    )
    delta = publishing.step(80, 20)
    assert (delta.epoch, delta.sequence, status(client).total) == ("after", 0, 100)
    assert_compacted_rows_are_the_models(client, publishing.model)


def test_a_delta_that_could_not_be_sent_is_told_before_the_next(
    publishing: Publishing, monkeypatch: pytest.MonkeyPatch
) -> None:
    publishing.step(0, 20)
    publisher = publishing.publisher
    publisher.look()

    def away(*_: object) -> None:
        raise RedisUnavailableError

    monkeypatch.setattr(RedisPipeline, "transact_raw", away)
    batch = publishing.samples.batch(20, 20)
    publisher.publish(publishing.model, publishing.model.learn(batch), batch.click_ts)

    def look_again_and_again() -> None:
        while True:
            publisher.look()

    with pytest.raises(RedisUnavailableError):
        look_again_and_again()
