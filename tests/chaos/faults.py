"""What is done to the engine, and when: a plan that follows from a seed."""

import threading
from dataclasses import dataclass
from random import Random

from streaming.settings import JobName
from tests.chaos.engine import Engine

#: How many times each is killed with -9, alone or together.
KILLS: dict[tuple[str, ...], int] = {
    ("events",): 3,
    ("learning",): 2,
    ("kafka",): 2,
    ("redis",): 2,
    ("events", "redis"): 1,
    ("events", "kafka"): 1,
}
STOP = "stop"


@dataclass(frozen=True, slots=True)
class Fault:
    """Once ``after`` events were sent: kill -9 of ``parts``, or a stop of the events job with a
    savepoint."""

    after: int
    parts: tuple[str, ...]

    def __str__(self) -> str:
        if self.parts == (STOP,):
            return "events job stopped with a savepoint and restored"
        return f"kill -9 {' and '.join(self.parts)}"


def plan(events: int, seed: int) -> list[Fault]:
    """Faults at random moments of the middle nine tenths of the events, in order."""
    random = Random(seed)
    what = [parts for parts, times in KILLS.items() for _ in range(times)] + [(STOP,)]
    random.shuffle(what)
    moments = sorted(random.randint(events // 20, events * 19 // 20) for _ in what)
    return [Fault(after, parts) for after, parts in zip(moments, what, strict=True)]


class Striker:
    """Strikes the engine without waiting until it has recovered."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._stopping: threading.Thread | None = None
        self._error: Exception | None = None
        self.savepoint = ""

    def strike(self, fault: Fault) -> None:
        """Raises RuntimeError if the engine has not come back from the fault before."""
        self.recover()
        if fault.parts == (STOP,):
            self._stopping = threading.Thread(target=self._stop_and_restore, daemon=True)
            self._stopping.start()
            return
        for part in fault.parts:
            self._engine.kill(part)

    def recover(self) -> None:
        """Return when the engine is well."""
        if self._stopping is not None:
            self._stopping.join()
            self._stopping = None
        if self._error is not None:
            raise self._error
        self._engine.settle()

    def _stop_and_restore(self) -> None:
        try:
            self._engine.stop_job(JobName.EVENTS)
            self._engine.start_job(JobName.EVENTS)
            self._engine.settle()
            self.savepoint = self._engine.restored_from(JobName.EVENTS)
            if "/savepoints/" not in self.savepoint:
                raise RuntimeError(f"the events job went on from {self.savepoint}")
        except Exception as error:
            self._error = error
