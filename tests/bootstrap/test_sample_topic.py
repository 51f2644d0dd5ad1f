"""Samples of a topic that is trimmed meanwhile, or read slowly."""

import time
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from bootstrap import sample_topic
from bootstrap.sample_topic import SampleTopic, TopicError
from tests.bootstrap.label_topic import sample, sent


def trim(topic: SampleTopic, before: int) -> None:
    """As retention does, in partition 0."""
    admin = AdminClient({"bootstrap.servers": str(topic.kafka)})
    place = TopicPartition(topic.topic, 0, before)
    admin.delete_records([place])[place].result()


def test_what_was_trimmed_before_it_was_read_is_passed_over(
    topic: SampleTopic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample_topic, "PATIENCE_SECONDS", 6.0)
    sent(topic, [sample("v", 0.1, 1, number=n) for n in range(20)], partitions=1)
    first, end = topic.since(0), {0: 20}
    trim(topic, 15)
    assert [each.request_id for each in topic.read(first, end)] == [f"r{n}" for n in range(15, 20)]
    trim(topic, 21)
    assert not list(topic.read(first, end))


class SlowBroker:
    """A consumer of two samples, the second of which needs a moment when it is asked for."""

    answers: ClassVar[list[list[Any]]] = []

    def __init__(self, _: object) -> None:
        self.at = 0

    def assign(self, _: object) -> None:
        """Only one partition is read."""

    def position(self, _: object) -> list[TopicPartition]:
        return [TopicPartition("", 0, self.at)]

    def consume(self, *_: object) -> list[Any]:
        messages = self.answers.pop(0)
        self.at += len(messages)
        return messages

    def close(self) -> None:
        """Nothing is open."""


def message(offset: int) -> SimpleNamespace:
    value = sample("v", 0.1, 1, number=offset).encode()
    return SimpleNamespace(error=lambda: None, offset=lambda: offset, value=lambda: value)


def test_a_slow_reader_is_no_silent_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample_topic, "Consumer", SlowBroker)
    monkeypatch.setattr(sample_topic, "PATIENCE_SECONDS", 1.0)
    SlowBroker.answers = [[message(0)], [], [message(1)]]
    read = SampleTopic("localhost:1").read({}, {0: 2})
    assert next(read).request_id == "r0"
    time.sleep(1.1)
    assert [each.request_id for each in read] == ["r1"]
    SlowBroker.answers = [[]] * 10
    with pytest.raises(TopicError, match="does not answer"):
        next(SampleTopic("localhost:1").read({}, {0: 2}))
