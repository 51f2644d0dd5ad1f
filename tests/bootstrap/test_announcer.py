"""Announcements of versions, on a real Kafka broker."""

import uuid

import pytest
from confluent_kafka import Consumer, TopicPartition

from bootstrap import announcer
from bootstrap.announcer import AnnounceError, announce
from deploy.local.ports import HOST, free_ports
from schemas.model_package import Manifest
from schemas.records import ModelAnnouncement
from schemas.topics import MODEL_ANNOUNCEMENTS

NOW_MS = 1_700_000_000_000


def manifest(model: str, version: str = "v2") -> Manifest:
    return Manifest(
        model=model,
        version=version,
        parent="v1",
        created_ms=NOW_MS,
        feature_fingerprint="f",
        offsets={"training-samples-0": 12},
        metrics={"auc": 0.75},
        files={},
    )


def announcements_of(bootstrap: str, model: str) -> list[tuple[bytes, ModelAnnouncement]]:
    """All that the topic has of a model, in order."""
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": model, "enable.auto.commit": False}
    )
    found = []
    try:
        topic = consumer.list_topics(timeout=10).topics[MODEL_ANNOUNCEMENTS.name]
        for partition in topic.partitions:
            place = TopicPartition(topic.topic, partition, 0)
            end = consumer.get_watermark_offsets(place, timeout=10)[1]
            consumer.assign([place])
            at = 0
            while at < end:
                message = consumer.poll(10)
                assert message is not None
                assert message.error() is None
                at = message.offset() + 1
                if message.key() == model.encode():
                    record = ModelAnnouncement.decode(message.value())
                    found.append((message.key(), record))
    finally:
        consumer.close()
    return found


def test_an_announcement_is_in_the_topic_when_it_returns(kafka_bootstrap: str) -> None:
    model = f"m-{uuid.uuid4()}"
    for version in ("v2", "v3"):
        announce(kafka_bootstrap, manifest(model, version), NOW_MS + 5)
    found = announcements_of(kafka_bootstrap, model)
    assert [(key, record.version) for key, record in found] == [
        (model.encode(), "v2"),
        (model.encode(), "v3"),
    ]
    assert found[0][1] == ModelAnnouncement(
        model=model,
        version="v2",
        parent="v1",
        kind="FULL",
        ts=NOW_MS + 5,
        offsets={"training-samples-0": 12},
        metrics={"auc": 0.75},
    )


def test_no_broker_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(announcer, "TIMEOUT_SECONDS", 1.0)
    (port,) = free_ports(1)
    with pytest.raises(AnnounceError, match=f"^announcement of v2 to {HOST}:{port}: no answer in"):
        announce(f"{HOST}:{port}", manifest("m"), NOW_MS)


def test_a_record_that_is_refused_is_told(
    kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record that the broker will not take is an error at once, not a time-out."""
    metrics = {f"metric-{number}": 0.5 for number in range(100_000)}
    large = manifest("m").model_copy(update={"metrics": metrics})
    with pytest.raises(AnnounceError, match=r"announcement of v2: .*MSG_SIZE_TOO_LARGE"):
        announce(kafka_bootstrap, large, NOW_MS)
