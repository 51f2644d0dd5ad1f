"""Sends a history to Kafka, which may die meanwhile, and notes where each record came to lie."""

import time
from collections.abc import Callable

import numpy as np
from confluent_kafka import KafkaError, Producer
from confluent_kafka import Message as Delivered

from tests.chaos.history import History

TIMEOUT_SECONDS = 600
POLL_EVERY = 50


class Sender:
    """``partitions`` and ``offsets`` are by number of event. At most ``rate`` events a second."""

    def __init__(self, bootstrap: str, history: History, rate: float) -> None:
        self._history = history
        self._rate = rate
        self.partitions = np.full(len(history.events), -1, np.int32)
        self.offsets = np.full(len(history.events), -1, np.int64)
        self._refused: list[str] = []
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "enable.idempotence": True,
                "linger.ms": 20,
                "message.timeout.ms": TIMEOUT_SECONDS * 1_000,
                "log_level": 2,
            }
        )

    def send(self, start: int, end: int, progress: Callable[[int], None]) -> None:
        """Events of these numbers. Raises RuntimeError if Kafka refused one."""
        began = time.monotonic()
        for number in range(start, end):
            message = self._history.message(number)
            chosen = {} if message.partition < 0 else {"partition": message.partition}
            while True:
                try:
                    self._producer.produce(
                        message.topic,
                        message.value,
                        message.key,
                        on_delivery=self._noting(number),
                        **chosen,
                    )
                    break
                except BufferError:
                    self._producer.poll(0.5)
            if number % POLL_EVERY == 0:
                self._producer.poll(
                    max(0.0, began + (number - start) / self._rate - time.monotonic())
                )
                progress(number)
        progress(end)
        if self._refused:
            raise RuntimeError(f"Kafka refused records: {self._refused[:3]}")

    def flush(self) -> None:
        """Return when Kafka has all of it. Raises RuntimeError otherwise."""
        left = self._producer.flush(TIMEOUT_SECONDS)
        if left or self._refused:
            raise RuntimeError(f"{left} records were not acknowledged, {self._refused[:3]}")

    def _noting(self, number: int) -> Callable[[KafkaError | None, Delivered], None]:
        def note(error: KafkaError | None, message: Delivered) -> None:
            if error is not None:
                self._refused.append(f"event {number}: {error}")
                return
            self.partitions[number] = message.partition()
            self.offsets[number] = message.offset()

        return note
