"""Follows the topic of labelled samples into the window of labels."""

import time

from confluent_kafka import KafkaException

from bootstrap.sample_topic import SampleTopic, TopicError
from deploy.console.label_window import LabelWindow
from deploy.console.watching import SourceFault

MINUTE_MS = 60_000


class LabelSource:
    """Reads at most ``most`` labels a look; beyond that the newest, and ``skipped`` says how many
    were not."""

    def __init__(self, topic: SampleTopic, window: LabelWindow, minutes: int, most: int) -> None:
        self.window = window
        self.skipped = 0
        self._topic = topic
        self._minutes = minutes
        self._most = most
        self._next: dict[int, int] | None = None

    def look(self) -> LabelWindow:
        """Read what came since the last look. Raises SourceFault; the next look goes on there."""
        try:
            if self._next is None:
                now_ms = time.time_ns() // 1_000_000
                self._next = self._topic.since(now_ms - self._minutes * MINUTE_MS)
            end = self._topic.end()
            first = self._within(self._next, end)
            self.window.add(self._topic.read(first, end))
            self._next = end
        except (TopicError, KafkaException) as error:
            raise SourceFault(f"labels cannot be read: {error}") from None
        return self.window

    def _within(self, first: dict[int, int], end: dict[int, int]) -> dict[int, int]:
        each = self._most // max(1, len(end))
        begin = {part: max(first.get(part, 0), last - each) for part, last in end.items()}
        self.skipped += sum(begin[part] - min(begin[part], first.get(part, 0)) for part in end)
        return begin
