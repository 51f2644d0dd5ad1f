"""How far each partition has come: its end, its readers, and the time of its newest event."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from schemas.addresses import KafkaAddress
from schemas.avro_codec import DecodeError
from schemas.records import Click, Impression, TrainingSample
from schemas.topics import CLICKS, IMPRESSIONS, TRAINING_SAMPLES
from stores.kafka_client import client_settings
from streaming.monitor.metrics import MonitorMetrics

POLL_SECONDS = 0.5
Place = tuple[str, int]
"""Topic and partition."""

#: When the event of a record happened.
EVENT_TIME: Mapping[str, Callable[[bytes], int]] = {
    IMPRESSIONS.name: lambda value: Impression.decode(value).ts,
    CLICKS.name: lambda value: Click.decode(value).ts,
    TRAINING_SAMPLES.name: lambda value: TrainingSample.decode(value).label_ts,
}


@dataclass(frozen=True, slots=True)
class Newest:
    """Times in ms of a partition's last record: of its event, and of its arrival."""

    event_ms: int
    kafka_ms: int


class KafkaProbe:
    """``readers`` are the topics that each consumer group reads. Any call may raise
    KafkaException."""

    def __init__(
        self, address: KafkaAddress, readers: Mapping[str, Sequence[str]], timeout_seconds: float
    ) -> None:
        self._readers = readers
        self._timeout_seconds = timeout_seconds
        self._admin = AdminClient({**client_settings(address), "log_level": 2})
        self._consumer = Consumer(
            {
                **client_settings(address),
                "group.id": "ctr-monitor-newest",
                "enable.auto.commit": False,
                "log_level": 2,
            }
        )
        self._topics = sorted({topic for topics in readers.values() for topic in topics})
        self._read: dict[Place, int] = {}
        self._newest: dict[Place, Newest] = {}

    def look(self, metrics: MonitorMetrics, now_ms: int) -> None:
        """Ask the broker, set the gauges."""
        ends = self._ends()
        for (topic, partition), end in ends.items():
            metrics.kafka_end.labels(topic, partition).set(end)
        for group, topics in self._readers.items():
            for (topic, partition), offset in self._committed(group, topics, ends):
                metrics.kafka_committed.labels(group, topic, partition).set(offset)
                lag = max(0, ends[topic, partition] - offset)
                metrics.kafka_lag.labels(group, topic, partition).set(lag)
        for place, newest in self._look_at_newest(ends):
            self._newest[place] = newest
            seconds = max(0, newest.kafka_ms - newest.event_ms) / 1000
            metrics.event_to_kafka.labels(place[0]).observe(seconds)
        for (topic, partition), newest in self._newest.items():
            age = (now_ms - newest.event_ms) / 1000
            metrics.kafka_event_age.labels(topic, partition).set(age)

    def close(self) -> None:
        """Let go of the broker."""
        self._consumer.close()

    def _ends(self) -> dict[Place, int]:
        known = self._admin.list_topics(timeout=self._timeout_seconds).topics
        asked = {
            TopicPartition(topic, number): OffsetSpec.latest()
            for topic in self._topics
            for number in known[topic].partitions
        }
        answers = self._admin.list_offsets(asked, request_timeout=self._timeout_seconds)
        return {(p.topic, p.partition): int(a.result().offset) for p, a in answers.items()}

    def _committed(
        self, group: str, topics: Sequence[str], ends: Mapping[Place, int]
    ) -> Iterator[tuple[Place, int]]:
        """Offsets that the group has read up to, with a checkpoint."""
        asked = [TopicPartition(*place) for place in ends if place[0] in topics]
        answers = self._admin.list_consumer_group_offsets(
            [ConsumerGroupTopicPartitions(group, asked)], request_timeout=self._timeout_seconds
        )
        for part in answers[group].result().topic_partitions:
            if part.offset >= 0:
                yield (part.topic, part.partition), int(part.offset)

    def _look_at_newest(self, ends: Mapping[Place, int]) -> Iterator[tuple[Place, Newest]]:
        """Of partitions that have grown since the last look."""
        grown = {place: end for place, end in ends.items() if end > self._read.get(place, 0)}
        if not grown:
            return
        self._consumer.assign([TopicPartition(*place, end - 1) for place, end in grown.items()])
        for _ in range(4):
            for message in self._consumer.consume(len(grown), POLL_SECONDS):
                place = (message.topic(), message.partition())
                if message.error() is not None or self._read.get(place) == grown[place]:
                    continue
                self._read[place] = grown[place]
                try:
                    event_ms = EVENT_TIME[place[0]](message.value() or b"")
                except DecodeError:
                    continue
                yield place, Newest(event_ms, message.timestamp()[1])
            if all(self._read.get(place) == end for place, end in grown.items()):
                return
