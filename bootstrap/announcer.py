"""Tells the topic of model announcements that a version became current."""

from confluent_kafka import KafkaException, Producer

from schemas.addresses import KafkaAddress
from schemas.model_package import Manifest
from schemas.records import ModelAnnouncement
from schemas.topics import MODEL_ANNOUNCEMENTS
from stores.kafka_client import client_settings

TIMEOUT_SECONDS = 10.0


class AnnounceError(RuntimeError):
    """Kafka did not take the announcement; the version is current none the less."""


def announce(kafka: KafkaAddress | str, manifest: Manifest, now_ms: int) -> None:
    """Send and wait. Raises AnnounceError."""
    failures: list[str] = []
    record = ModelAnnouncement(
        model=manifest.model,
        version=manifest.version,
        parent=manifest.parent,
        kind=manifest.kind,
        ts=now_ms,
        offsets=manifest.offsets,
        metrics=manifest.metrics,
    )
    try:
        producer = Producer({**client_settings(kafka), "log_level": 0})
        producer.produce(
            MODEL_ANNOUNCEMENTS.name,
            key=manifest.model.encode(),
            value=record.encode(),
            on_delivery=lambda error, _: failures.append(str(error)) if error else None,
        )
        left = producer.flush(TIMEOUT_SECONDS)
    except KafkaException as error:
        raise AnnounceError(f"announcement of {manifest.version}: {error}") from None
    if left or failures:
        reason = failures[0] if failures else f"no answer in {TIMEOUT_SECONDS:.0f} s"
        raise AnnounceError(f"announcement of {manifest.version} to {kafka}: {reason}")
