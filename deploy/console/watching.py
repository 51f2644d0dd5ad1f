"""Each source is looked at by a thread of its own, so that one that hangs holds up no other."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import structlog

_log = structlog.get_logger(__name__)
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class SourceFault(RuntimeError):
    """A source does not answer; the message says which, where and why."""


@dataclass(frozen=True, slots=True)
class Reading(Generic[T_co]):
    """The last answer of a source, and its fault if the last look failed; ``at`` in epoch s."""

    value: T_co | None
    fault: str
    at: float


class Watch(Generic[T]):
    """Calls ``look`` every ``seconds`` until stopped; a look that fails keeps the last value."""

    def __init__(self, name: str, look: Callable[[], T], seconds: float) -> None:
        self.name = name
        self._look = look
        self._seconds = seconds
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"watch-{name}", daemon=True)
        self.reading: Reading[T] = Reading(None, f"{name}: not looked at yet", 0.0)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Begin no further look."""
        self._stopping.set()

    def step(self) -> None:
        """Look once."""
        before = self.reading
        try:
            self.reading = Reading(self._look(), "", time.time())
        except SourceFault as error:
            self.reading = Reading(before.value, str(error), time.time())
        except Exception as error:
            # The console must outlive whatever a broken part answers.
            _log.exception("a look failed", source=self.name)
            self.reading = Reading(before.value, f"{self.name}: {error!r}", time.time())
        if self.reading.fault != before.fault:
            _log.info("source", source=self.name, fault=self.reading.fault or None)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self.step()
            self._stopping.wait(self._seconds)
