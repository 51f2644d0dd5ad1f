"""The compacted topics once more, from their beginning -> Redis, beside the running job.

Both the job and the replay write the records of a key in the order of the topic, each by itself.
So that a record which the replay writes late is never the last word, it is over only when the
topics held nothing beyond it at a moment after its last write.
"""

import time
from collections.abc import Callable, Sequence

import structlog
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from schemas import topics
from schemas.addresses import KafkaAddress
from schemas.avro_codec import DecodeError
from schemas.records import Ad, User
from stores.kafka_client import client_settings
from streaming.redis_sink.catalogue_writer import CatalogueWriter
from streaming.redis_sink.wire_format import WireFormat

_log = structlog.get_logger(__name__)
_RECORDS_PER_STEP = 2_000
_TIMEOUT_SECONDS = 10.0
#: As RedisBatches.java and EventDecoder.java have them.
_LONGEST_KEY_BYTES = 0xFFFF
_YEAR_2000_MS, _YEAR_10000_MS = 946_684_800_000, 253_402_300_800_000
_Row = tuple[str, int, bytes | None]


class CatalogueReplay:
    """Of both topics; :meth:`step` does a part of it. Any step may raise KafkaException, or OSError
    while a schema registry is away."""

    def __init__(
        self,
        kafka: KafkaAddress | str,
        ahead_seconds: int,
        writer: CatalogueWriter,
        schema_registry: str = "",
    ) -> None:
        self._writer = writer
        self._wire_format = WireFormat(schema_registry)
        self._ahead_ms = ahead_seconds * 1_000
        self._consumer = Consumer(
            {
                **client_settings(kafka),
                "group.id": "ctr-catalogue-replay",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "enable.partition.eof": False,
                "log_level": 2,
            }
        )
        self._next: dict[tuple[str, int], int] = {}

    def open(self) -> None:
        """Begin at the first record that the topics still have."""
        for topic in (topics.ADS, topics.USERS):
            described = self._consumer.list_topics(topic.name, _TIMEOUT_SECONDS).topics[topic.name]
            if described.error is not None:
                raise KafkaException(described.error)
            for partition in described.partitions:
                place = TopicPartition(topic.name, partition)
                low, _ = self._consumer.get_watermark_offsets(place, _TIMEOUT_SECONDS)
                self._next[topic.name, partition] = low
        places = [TopicPartition(*place, offset) for place, offset in self._next.items()]
        self._consumer.assign(places)

    def close(self) -> None:
        """Free what it holds."""
        self._consumer.close()

    def step(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> bool:
        """Read and write for about so long; True when all is written."""
        deadline = clock() + seconds
        while not self._is_over():
            self._write(self._consumer.consume(_RECORDS_PER_STEP, timeout=0.2))
            if clock() >= deadline:
                return False
        return True

    def _is_over(self) -> bool:
        for (topic, partition), offset in self._next.items():
            place = TopicPartition(topic, partition)
            _, end = self._consumer.get_watermark_offsets(place, _TIMEOUT_SECONDS)
            # Compaction and aborted transactions leave offsets that hold nothing at the end.
            (position,) = self._consumer.position([place])
            if max(offset, position.offset) < end:
                return False
        return True

    def _write(self, messages: Sequence[Message]) -> None:
        ads: list[_Row] = []
        users: list[_Row] = []
        for message in messages:
            if message.error() is not None:
                raise KafkaException(message.error())
            self._next[message.topic(), message.partition()] = message.offset() + 1
            row = self._row(message)
            if row is not None:
                (ads if message.topic() == topics.ADS.name else users).append(row)
        if ads:
            self._writer.write_ads(*zip(*ads, strict=True))
        if users:
            self._writer.write_users(*zip(*users, strict=True))

    def _row(self, message: Message) -> _Row | None:
        """As catalogue_rows.sql has it, in the current version; None of what the job refuses."""
        newest_ms = message.timestamp()[1] + self._ahead_ms
        key, value = message.key(), message.value()
        if key is None or len(key) > _LONGEST_KEY_BYTES:
            return None
        name = key.decode(errors="replace")
        if value is None:
            return name, newest_ms, None
        value = self._wire_format.single_object(value)
        try:
            record = (Ad if message.topic() == topics.ADS.name else User).decode(value)
        except DecodeError as error:
            place = f"{message.topic()}-{message.partition()}@{message.offset()}"
            _log.warning("a catalogue record is not replayed", place=place, reason=str(error))
            return None
        of = record.ad_id if isinstance(record, Ad) else record.user_id
        is_in_time = _YEAR_2000_MS <= record.ts < _YEAR_10000_MS and record.ts <= newest_ms
        return (name, record.ts, record.encode()) if of == name and is_in_time else None
