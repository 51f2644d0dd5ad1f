"""A topic of dead letters of a test, and what is sent back from it to the four topics of events."""

import time
from dataclasses import dataclass, field

from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition

from streaming.dead_letters import SOURCES


@dataclass
class Box:
    """A topic of dead letters, and what the four topics got since this was made."""

    bootstrap: str
    topic: str
    _starts: dict[tuple[str, int], int] = field(default_factory=dict)

    def put(self, *values: bytes | None, key: bytes | None = b"r", partition: int = 0) -> None:
        """Append records."""
        producer = Producer({"bootstrap.servers": self.bootstrap})
        for value in values:
            producer.produce(self.topic, key=key, value=value, partition=partition)
        assert producer.flush(10) == 0

    def watch(self) -> None:
        """From now on."""
        for partition in range(2):
            self._end(self.topic, partition)
        self._starts = {place: self._end(*place) for place in self._places()}

    def arrived(self) -> list[Message]:
        """What the four topics got since."""
        return [
            message
            for (topic, partition), start in self._starts.items()
            for message in self._read(topic, partition, start)
        ]

    def _places(self) -> list[tuple[str, int]]:
        return [(name, number) for name in SOURCES for number in range(2)]

    def _consumer(self) -> Consumer:
        return Consumer({"bootstrap.servers": self.bootstrap, "group.id": "tests"})

    def _end(self, topic: str, partition: int) -> int:
        consumer = self._consumer()
        place = TopicPartition(topic, partition)
        deadline = time.monotonic() + 10
        try:
            while True:
                try:
                    end: int = consumer.get_watermark_offsets(place, 10)[1]
                    return end
                except KafkaException:
                    # A topic that was made just now may have no leader yet.
                    assert time.monotonic() < deadline, f"{topic} has no leader"
                    time.sleep(0.1)
        finally:
            consumer.close()

    def _read(self, topic: str, partition: int, start: int) -> list[Message]:
        wanted = self._end(topic, partition) - start
        if not wanted:
            return []
        consumer = self._consumer()
        try:
            consumer.assign([TopicPartition(topic, partition, start)])
            messages: list[Message] = consumer.consume(wanted, 10)
            return messages
        finally:
            consumer.close()
