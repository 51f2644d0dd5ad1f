"""The topic of labelled samples, read from offsets that were kept to where it ends."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from schemas.addresses import KafkaAddress
from schemas.avro_codec import DecodeError
from schemas.records import TrainingSample
from schemas.topics import TRAINING_SAMPLES
from stores.kafka_client import client_settings

BATCH = 500
POLL_SECONDS = 0.25
PATIENCE_SECONDS = 15.0

#: Partition -> next offset to read.
Offsets = Mapping[int, int]


class TopicError(RuntimeError):
    """The topic of samples cannot be read."""


@dataclass(frozen=True, slots=True)
class SampleTopic:
    """``kafka`` is a host:port list, or an address."""

    kafka: KafkaAddress | str
    topic: str = TRAINING_SAMPLES.name

    def begin(self) -> dict[int, int]:
        """First offsets that are kept. Raises TopicError."""
        return self._offsets(OffsetSpec.earliest())

    def end(self) -> dict[int, int]:
        """Offsets after the last sample there is now. Raises TopicError."""
        return self._offsets(OffsetSpec.latest())

    def since(self, ts_ms: int) -> dict[int, int]:
        """Offsets of the first samples that were written at or after a time. Raises TopicError."""
        found, end = self._offsets(OffsetSpec.for_timestamp(ts_ms)), self.end()
        return {number: end[number] if at < 0 else at for number, at in found.items()}

    def read(self, first: Offsets, end: Offsets) -> Iterator[TrainingSample]:
        """Samples of [first, end), partition after partition; what is undecodable is left out.

        Raises TopicError if the broker falls silent.
        """
        for partition in sorted(end):
            begin = first.get(partition, 0)
            if begin < end[partition]:
                yield from self._partition(partition, begin, end[partition])

    def _partition(self, partition: int, first: int, end: int) -> Iterator[TrainingSample]:
        consumer = Consumer(
            {
                **client_settings(self.kafka),
                "group.id": "bootstrap-reader",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                "isolation.level": "read_committed",
                "log_level": 0,
            }
        )
        try:
            consumer.assign([TopicPartition(self.topic, partition, first)])
            # Time between two calls is the reader's own, who learns meanwhile.
            silent_seconds = 0.0
            while _position(consumer, self.topic, partition, first) < end:
                messages = consumer.consume(BATCH, POLL_SECONDS)
                silent_seconds = 0.0 if messages else silent_seconds + POLL_SECONDS
                if silent_seconds > PATIENCE_SECONDS:
                    raise TopicError(f"{self.topic}: {self.kafka} does not answer")
                for message in messages:
                    error = message.error()
                    if error is not None and error.code() != KafkaError._PARTITION_EOF:
                        raise TopicError(f"{self.topic}: {error}")
                    if message.offset() >= end:
                        # Here the partition ends, too: what would be before was trimmed.
                        return
                    if error is None and (sample := _decoded(message.value())) is not None:
                        yield sample
        finally:
            consumer.close()

    def _offsets(self, spec: OffsetSpec) -> dict[int, int]:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return self._offsets_now(spec)
            except KafkaException as error:
                # A topic that is new, or that moves, has no leader for a moment.
                if not error.args[0].retriable() or time.monotonic() > deadline:
                    told = f"{self.topic}: {self.kafka}: {error.args[0].str()}"
                    raise TopicError(told) from None
            time.sleep(POLL_SECONDS)

    def _offsets_now(self, spec: OffsetSpec) -> dict[int, int]:
        admin = AdminClient({**client_settings(self.kafka), "log_level": 0})
        topics = admin.list_topics(timeout=PATIENCE_SECONDS).topics
        if self.topic not in topics:
            raise TopicError(f"{self.kafka} has no topic {self.topic}")
        asked = {TopicPartition(self.topic, n): spec for n in topics[self.topic].partitions}
        answers = admin.list_offsets(asked, request_timeout=PATIENCE_SECONDS)
        return {part.partition: answer.result().offset for part, answer in answers.items()}


def _position(consumer: Consumer, topic: str, partition: int, first: int) -> int:
    (at,) = consumer.position([TopicPartition(topic, partition)])
    return first if at.offset < 0 else int(at.offset)


def _decoded(value: bytes | None) -> TrainingSample | None:
    try:
        return None if value is None else TrainingSample.decode(value)
    except DecodeError:
        return None
