"""How old an event is when something has happened to it."""

import time
from collections.abc import Iterable

from prometheus_client import Histogram


def observe_since(seconds: Histogram, event_ms: Iterable[int]) -> None:
    """Observe the age, in seconds, of each event by its own time in ms."""
    now_ms = time.time_ns() // 1_000_000
    for ts in event_ms:
        seconds.observe(max(0, now_ms - int(ts)) / 1000)
