"""The dead-letters topic in Kafka: read it to its end, send letters back to where they came from.

The mark of a letter (see :mod:`streaming.dead_letters`) is written once the broker has acknowledged
the record: a crash in between sends it twice, never loses it.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec

from schemas.addresses import KafkaAddress
from stores.kafka_client import client_settings
from streaming.dead_letters import SOURCES, Letter, letter_of

BATCH = 500
POLL_SECONDS = 0.25


class DeadLettersUnread(RuntimeError):
    """The topic could not be read to its end."""


@dataclass(frozen=True, slots=True)
class _Record:
    topic: str
    partition: int
    key: bytes | None
    value: bytes


class DeadLetters:
    """The topic as it is when this is made; it can be read again and again."""

    def __init__(self, kafka: KafkaAddress | str, topic: str, patience_seconds: float) -> None:
        """Raises KafkaException if the broker does not say where the topic ends."""
        self._kafka = kafka
        self._topic = topic
        self._patience_seconds = patience_seconds
        admin = AdminClient({**client_settings(kafka), "log_level": 2})
        known = admin.list_topics(timeout=patience_seconds).topics[topic].partitions
        latest = {TopicPartition(topic, number): OffsetSpec.latest() for number in sorted(known)}
        self._ends: dict[int, int] = {
            part.partition: answer.result().offset
            for part, answer in admin.list_offsets(latest, request_timeout=patience_seconds).items()
        }

    def read(self) -> Iterator[Letter | None]:
        """All letters, partition by partition; None is unreadable. Raises DeadLettersUnread."""
        consumer = Consumer(
            {
                **client_settings(self._kafka),
                "group.id": "ctr-dead-letters",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                # At its end a partition must not make the next one wait.
                "fetch.wait.max.ms": 10,
                "auto.offset.reset": "earliest",
                "log_level": 2,
            }
        )
        try:
            for partition, end in self._ends.items():
                for message in self._messages(consumer, partition, end):
                    yield letter_of(
                        message.value(),
                        key=message.key(),
                        partition=message.partition(),
                        offset=message.offset(),
                        ts_ms=message.timestamp()[1],
                    )
        except KafkaException as error:
            raise DeadLettersUnread(f"{self._topic}: {error.args[0].str()}") from None
        finally:
            consumer.close()

    def _messages(self, consumer: Consumer, partition: int, end: int) -> Iterator[Message]:
        consumer.assign([TopicPartition(self._topic, partition, 0)])
        at, heard = 0, time.monotonic()
        while at < end:
            for message in consumer.consume(min(BATCH, end - at), POLL_SECONDS):
                if message.error() is None:
                    at = message.offset() + 1
                    # Retention may have taken the end that was seen, and more has come since.
                    if at <= end:
                        yield message
                elif message.error().code() == KafkaError._PARTITION_EOF:
                    return
                else:
                    raise KafkaException(message.error())
                heard = time.monotonic()
            if time.monotonic() - heard > self._patience_seconds:
                raise DeadLettersUnread(
                    f"no answer from Kafka at {self._kafka} for {self._patience_seconds:g} s "
                    f"while reading {self._topic}"
                )


@dataclass(slots=True)
class Sent:
    """What became of letters, by topic; ``unmarked`` of those sent will be sent once more."""

    sent: Counter[str] = field(default_factory=Counter)
    not_taken: Counter[str] = field(default_factory=Counter)
    unmarked: int = 0
    fault: str = ""


class Resubmitter:
    """Sends letters back to the partitions they came from, and marks them in the topic."""

    def __init__(self, kafka: KafkaAddress | str, topic: str, timeout_seconds: float) -> None:
        self._topic = topic
        self._producer = Producer(
            {
                **client_settings(kafka),
                "acks": "all",
                "enable.idempotence": True,
                "linger.ms": 5,
                "delivery.timeout.ms": int(timeout_seconds * 1000),
                "client.id": "ctr-dead-letters",
                "log_level": 2,
            }
        )

    def send(self, letters: Iterable[Letter]) -> Sent:
        """Send and wait for acknowledgements; ends early when Kafka takes nothing any more.

        Raises ValueError for a letter that came from none of the topics that may be sent to.
        """
        outcome = Sent()
        remaining = iter(letters)
        while batch := list(islice(remaining, BATCH)):
            faults = self._deliver([_original(letter) for letter in batch])
            taken = []
            for letter, fault in zip(batch, faults, strict=True):
                (outcome.not_taken if fault else outcome.sent)[letter.topic] += 1
                outcome.fault = outcome.fault or fault
                if not fault:
                    taken.append(letter)
            marks = [_Record(self._topic, each.partition, each.key, each.mark()) for each in taken]
            unmarked = [fault for fault in self._deliver(marks) if fault]
            if unmarked:
                outcome.unmarked += len(unmarked)
                outcome.fault = outcome.fault or unmarked[0]
            if unmarked or not taken:
                break
        return outcome

    def _deliver(self, records: Sequence[_Record]) -> list[str]:
        """The fault of each record, empty if it was acknowledged."""
        faults = ["not acknowledged in time"] * len(records)

        def noting(index: int) -> Callable[[KafkaError | None, Message], None]:
            def note(error: KafkaError | None, _: Message) -> None:
                faults[index] = error.str() if error else ""

            return note

        for index, record in enumerate(records):
            try:
                self._producer.produce(
                    record.topic,
                    partition=record.partition,
                    key=record.key,
                    value=record.value,
                    on_delivery=noting(index),
                )
            except KafkaException as error:
                faults[index] = error.args[0].str()
        self._producer.flush()
        return faults


def _original(letter: Letter) -> _Record:
    topic, partition, offset = letter.place
    if not letter.came_from_a_source:
        raise ValueError(f"{topic} {partition}:{offset} is in none of {', '.join(SOURCES)}")
    return _Record(topic, partition, letter.key, letter.value)
