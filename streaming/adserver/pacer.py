"""When the next request may go: a steady pace that does not make up for lost time in a burst."""


class Pacer:
    """``per_second`` 0 sets no limit. Times are monotonic seconds and passed in."""

    def __init__(self, per_second: float) -> None:
        self._interval_seconds = 1.0 / per_second if per_second else 0.0
        self._next = 0.0

    def wait_seconds(self, now: float) -> float:
        """How long to wait before the next request; 0 or less: it is due."""
        return self._next - now

    def went(self, now: float) -> None:
        """A request has gone. Being late by more than two intervals is forgiven."""
        late_from = now - 2 * self._interval_seconds
        self._next = max(self._next, late_from) + self._interval_seconds
