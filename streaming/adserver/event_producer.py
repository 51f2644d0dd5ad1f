"""Records to Kafka, each counted when the broker has acknowledged it."""

from collections import Counter
from typing import Protocol

from confluent_kafka import KafkaError, Message, Producer

from schemas.addresses import KafkaAddress
from schemas.topics import Topic
from stores.kafka_client import client_settings
from streaming.adserver.metrics import AdServerMetrics


class Encodable(Protocol):
    """A record of schemas.records."""

    def encode(self) -> bytes:
        """Bytes of a value."""
        ...


class DeliveryError(RuntimeError):
    """Records that the broker did not acknowledge."""


class EventProducer:
    """Idempotent, acks=all, bounded in memory: a full queue makes ``send`` wait."""

    def __init__(self, kafka: KafkaAddress | str, metrics: AdServerMetrics) -> None:
        self._metrics = metrics
        self.sent: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.first_error = ""
        self._producer = Producer(
            {
                **client_settings(kafka),
                "acks": "all",
                "enable.idempotence": True,
                "linger.ms": 5,
                "queue.buffering.max.messages": 100_000,
                "delivery.timeout.ms": 60_000,
                "client.id": "ctr-adserver",
                "log_level": 2,
            }
        )

    def send(self, topic: Topic, key: str, record: Encodable) -> None:
        """Queue a record; its fate is in ``sent`` or ``failed`` later."""
        value = record.encode()
        while True:
            try:
                self._producer.produce(
                    topic.name, key=key.encode(), value=value, on_delivery=self._delivered
                )
                break
            except BufferError:
                self._producer.poll(0.1)
        self._producer.poll(0)

    def flush(self, timeout_seconds: float = 60.0) -> None:
        """Wait until all is acknowledged. Raises DeliveryError saying what was not, and why."""
        left = self._producer.flush(timeout_seconds)
        if left or self.failed:
            lost = ", ".join(f"{count} of {topic}" for topic, count in self.failed.items())
            raise DeliveryError(
                f"Kafka did not take every record: failed {lost or 'none'}, {left} still waiting"
                f"{': ' + self.first_error if self.first_error else ''}"
            )

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        topic = message.topic()
        if error is None:
            self.sent[topic] += 1
            self._metrics.events.labels(topic).inc()
        else:
            self.failed[topic] += 1
            self.first_error = self.first_error or error.str()
