"""A whole play over a real broker: what was sent is what is in Kafka."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from typer.testing import CliRunner

from schemas.records import Click, Impression
from schemas.settings import SharedSettings
from schemas.topics import CLICKS, IMPRESSIONS
from streaming.adserver.__main__ import app
from streaming.adserver.event_producer import DeliveryError, EventProducer
from streaming.adserver.metrics import AdServerMetrics
from streaming.adserver.session import Session
from streaming.adserver.settings import AdServerSettings
from streaming.readiness import NotReady

Make = Callable[..., Any]
KEYS = "1:" + "ab" * 16


def _ends(bootstrap: str, topic: str) -> dict[int, int]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "ends"})
    try:
        partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        return {
            p: consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=10)[1]
            for p in partitions
        }
    finally:
        consumer.close()


def _values(bootstrap: str, topic: str, start: dict[int, int]) -> list[bytes]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "values"})
    end = _ends(bootstrap, topic)
    values: list[bytes] = []
    try:
        for partition, offset in start.items():
            consumer.assign([TopicPartition(topic, partition, offset)])
            values += [
                message.value() for message in consumer.consume(end[partition] - offset, timeout=10)
            ]
    finally:
        consumer.close()
    return values


def test_criteo_over_a_real_broker(
    kafka_bootstrap: str,
    shared_data: Path,
    start_scorer: Make,
    make_scorer: Make,
) -> None:
    fake = start_scorer(make_scorer("criteo"))
    shared = SharedSettings(kafka_bootstrap=kafka_bootstrap, features="criteo", token_keys=KEYS)
    settings = AdServerSettings(
        scorer=fake.address,
        requests_per_second=0,
        criteo_file=shared_data / "criteo" / "train.tsv.gz",
        criteo_first_row=1_000,
        criteo_rows=400,
    )
    before = {topic: _ends(kafka_bootstrap, topic.name) for topic in (IMPRESSIONS, CLICKS)}
    summary = Session("criteo", shared, settings).run()
    impressions = [
        Impression.decode(value)
        for value in _values(kafka_bootstrap, IMPRESSIONS.name, before[IMPRESSIONS])
    ]
    clicks = [
        Click.decode(value) for value in _values(kafka_bootstrap, CLICKS.name, before[CLICKS])
    ]
    assert summary.sent["impressions"] == len(impressions) == 400
    assert summary.sent["clicks"] == len(clicks)
    assert summary.validation is not None
    assert summary.validation.clicks == len(clicks) > 0
    assert {click.request_id for click in clicks} < {each.request_id for each in impressions}
    assert summary.as_json()["validation"]["served"]["auc"] == pytest.approx(0.5)
    assert summary.table().row_count > 5


def test_no_broker_is_said_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CTR_KAFKA_BOOTSTRAP", "127.0.0.1:1")
    monkeypatch.setenv("CTR_ADSERVER_READY_TIMEOUT_SECONDS", "1")
    monkeypatch.setenv("CTR_TOKEN_KEYS", KEYS)
    result = CliRunner().invoke(app, ["world"])
    assert result.exit_code == 2
    assert "no Kafka broker answers at 127.0.0.1:1" in result.stderr
    assert result.stdout == ""


def test_no_scorer_is_said_at_start(kafka_bootstrap: str) -> None:
    shared = SharedSettings(kafka_bootstrap=kafka_bootstrap, token_keys=KEYS)
    settings = AdServerSettings(scorer="127.0.0.1:1", ready_timeout_seconds=1)
    with pytest.raises(NotReady, match=r"scorer at 127.0.0.1:1 is not ready: UNAVAILABLE"):
        Session("world", shared, settings).run()


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("CTR_ADSERVER_CONCURENCY", "3", "did you mean CTR_ADSERVER_CONCURRENCY"),
        ("CTR_ADSERVER_CONCURRENCY", "0", "CTR_ADSERVER_CONCURRENCY: "),
        ("CTR_TOKEN_KEYS", "", "at least one key"),
    ],
)
def test_a_wrong_setting_is_named(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, message: str
) -> None:
    monkeypatch.setenv("CTR_TOKEN_KEYS", KEYS)
    monkeypatch.setenv(variable, value)
    result = CliRunner().invoke(app, ["world"])
    assert result.exit_code == 2
    assert message in result.stderr


def test_undelivered_records_are_reported() -> None:
    producer = EventProducer("127.0.0.1:1", AdServerMetrics())
    producer.send(CLICKS, "r", Click("r", "a", 1))
    with pytest.raises(DeliveryError, match="1 still waiting"):
        producer.flush(0.2)
