"""The newest records of topics, without a consumer group: nothing is kept of where it stood."""

from collections.abc import Sequence

from confluent_kafka import OFFSET_END, Consumer, KafkaException, Message, TopicPartition

from schemas.addresses import KafkaAddress
from stores.kafka_client import client_settings

BATCH = 1_000
#: Who is further behind goes on from here before the end: what is newest counts.
MOST_BEHIND = 50_000
LOOK_AT_LAG_EVERY = 20


class TopicTail:
    """From the end of each partition on. Any call may raise KafkaException."""

    def __init__(
        self, address: KafkaAddress, topics: Sequence[str], timeout_seconds: float
    ) -> None:
        self._timeout_seconds = timeout_seconds
        self._consumer = Consumer(
            {
                **client_settings(address),
                "group.id": "ctr-monitor",
                "enable.auto.commit": False,
                "auto.offset.reset": "latest",
                "log_level": 2,
            }
        )
        known = self._consumer.list_topics(timeout=timeout_seconds).topics
        self._consumer.assign(
            [
                TopicPartition(topic, number, OFFSET_END)
                for topic in topics
                for number in known[topic].partitions
            ]
        )
        self._reads = 0

    def read(self, seconds: float) -> list[Message]:
        """What comes within so long, at most BATCH records."""
        self._reads += 1
        if self._reads % LOOK_AT_LAG_EVERY == 0:
            self._skip()
        messages: list[Message] = self._consumer.consume(BATCH, seconds)
        for message in messages:
            if message.error() is not None:
                raise KafkaException(message.error())
        return messages

    def close(self) -> None:
        """Let go of the broker."""
        self._consumer.close()

    def _skip(self) -> None:
        for place in self._consumer.position(self._consumer.assignment()):
            _, end = self._consumer.get_watermark_offsets(place, self._timeout_seconds)
            if 0 <= place.offset < end - MOST_BEHIND:
                self._consumer.seek(TopicPartition(place.topic, place.partition, end - BATCH))
