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

    def for_reading(self, most_seconds: float, reserve_seconds: float) -> float:
        """Seconds that a read may take at most, so that what comes after it has its time.

        What is over when ``reserve_seconds`` are kept, and half of what is left in any case.
        """
        left = self.remaining()
        return min(most_seconds, max(left - reserve_seconds, left / 2))

    def remaining(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self.deadline - self.now())
