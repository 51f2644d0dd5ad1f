"""Reads topics from their beginning into a ledger, in the background or up to their ends."""

import threading
import time

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from deploy import kafka_offsets
from deploy.demo.accounting import Ledger
from schemas.addresses import KafkaAddress
from schemas.topics import CLICKS, DEAD_LETTERS, IMPRESSIONS, TRAINING_SAMPLES
from stores.kafka_client import client_settings

FOLLOWED = (IMPRESSIONS.name, CLICKS.name, TRAINING_SAMPLES.name, DEAD_LETTERS.name)
BATCH = 500
POLL_SECONDS = 0.25


class TopicsUnread(RuntimeError):
    """The ends of the topics were not reached in time."""


class TopicReader:
    """Follows the four topics that the accounts need; the ledger is safe to read while it does.

    Each record is read once: a repetition seen here is a repetition in Kafka.
    """

    def __init__(self, kafka: KafkaAddress | str) -> None:
        self._kafka = kafka
        self._consumer = Consumer(
            {
                **client_settings(kafka),
                "group.id": "ctr-demo",
                "enable.auto.commit": False,
                "log_level": 2,
            }
        )
        known = self._consumer.list_topics(timeout=10).topics
        self._positions = {
            (topic, partition): 0 for topic in FOLLOWED for partition in known[topic].partitions
        }
        self._consumer.assign([TopicPartition(*place, 0) for place in self._positions])
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._ledger = Ledger()
        self._failure = ""
        self._thread = threading.Thread(target=self._follow, name="topic-reader", daemon=True)
        self._thread.start()

    def counts(self) -> tuple[dict[str, int], dict[str, int]]:
        """Records by topic, and distinct samples by kind."""
        with self._lock:
            return dict(self._ledger.records), self._ledger.kinds()

    @property
    def samples(self) -> int:
        """Distinct samples that were read."""
        with self._lock:
            return self._ledger.samples

    def read_to_end(self, timeout_seconds: float) -> Ledger:
        """Wait until all that Kafka holds now was read, and end. Raises TopicsUnread."""
        self.catch_up(timeout_seconds)
        self.close()
        return self._ledger

    def catch_up(self, timeout_seconds: float) -> None:
        """Wait until all that Kafka holds now was read. Raises TopicsUnread."""
        deadline = time.monotonic() + timeout_seconds
        ends = kafka_offsets.ends(self._admin(), FOLLOWED)
        while any(self._positions[part] < end for part, end in ends.items()):
            if self._failure or time.monotonic() > deadline:
                raise TopicsUnread(
                    f"Kafka's topics could not be read to their ends: {self._failure or 'too slow'}"
                )
            time.sleep(0.05)

    def lag_of(self, group: str) -> int:
        """Samples that a consumer group has not yet committed to have read."""
        return kafka_offsets.unread(self._admin(), group, [TRAINING_SAMPLES.name])

    def _admin(self) -> AdminClient:
        """A client of its own: the consumer is the thread's."""
        return AdminClient({**client_settings(self._kafka), "log_level": 2})

    def close(self) -> None:
        """Stop following."""
        if not self._ended.is_set():
            self._ended.set()
            self._thread.join()
            self._consumer.close()

    def _follow(self) -> None:
        while not self._ended.is_set():
            try:
                messages = self._consumer.consume(BATCH, POLL_SECONDS)
            except KafkaException as error:
                self._failure = str(error)
                return
            with self._lock:
                for message in messages:
                    if message.error():
                        self._failure = message.error().str()
                        continue
                    self._ledger.enter(message.topic(), message.value())
                    self._positions[message.topic(), message.partition()] = message.offset() + 1
