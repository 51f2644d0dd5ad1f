"""The time one request has: a value that is handed down and asked at each step."""

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic


@dataclass(frozen=True, slots=True)
class Budget:
    """Ends at ``deadline`` on the clock ``now``, in seconds."""

    deadline: float
    now: Callable[[], float] = monotonic

    @classmethod
    def of_seconds(cls, seconds: float, now: Callable[[], float] = monotonic) -> "Budget":
        """A budget that begins now."""
        return cls(now() + seconds, now)

    def remaining(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self.deadline - self.now())
