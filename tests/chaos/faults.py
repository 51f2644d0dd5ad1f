"""What is done to the engine, and when: a plan that follows from a seed."""

import threading
import time
from dataclasses import dataclass
from random import Random

from tests.chaos.engine import Engine

#: How many times each is killed with -9, alone or together.
KILLS: dict[tuple[str, ...], int] = {
    ("taskmanager",): 2,
    ("jobmanager",): 2,
    ("learning",): 2,
    ("kafka",): 2,
    ("redis",): 2,
    ("taskmanager", "redis"): 1,
    ("jobmanager", "kafka"): 1,
}
STOP = "stop"
LONGEST_WORK_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Fault:
    """Once ``after`` events were sent and the engine has worked for ``work_seconds`` since it came
    back from the fault before: kill -9 of ``parts``, or a stop of the events job with a savepoint.
    """

    after: int
    work_seconds: float
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
    return [
        Fault(after, random.uniform(0, LONGEST_WORK_SECONDS), parts)
        for after, parts in zip(moments, what, strict=True)
    ]


class Striker:
    """Strikes the engine without waiting until it has recovered; ``restored`` is what the events
    job went on from after its stop."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._stopping: threading.Thread | None = None
        self._error: Exception | None = None
        self.restored = ""

    def strike(self, fault: Fault) -> None:
        """Raises RuntimeError if the engine has not come back from the fault before."""
        self.recover()
        time.sleep(fault.work_seconds)
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
            self.restored = self._engine.stop_and_restore()
            if "/savepoints/" not in self.restored:
                raise RuntimeError(f"the events job went on from {self.restored}")
        except Exception as error:
            self._error = error
