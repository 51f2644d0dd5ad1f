"""What a part of the local stack is: a command, its ports, and how to tell that it is ready."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Readiness:
    """What a probe saw; ``detail`` says it in a few words."""

    ready: bool
    detail: str


Probe = Callable[[], Readiness]


@dataclass(frozen=True, slots=True)
class Port:
    """A port of 127.0.0.1 that a part listens on, and the setting that moves it."""

    number: int
    setting: str


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """How often a part that died is started again before the stack gives up.

    A part that has been ready for ``settled_seconds`` begins with a full budget.
    """

    limit: int = 0
    first_delay_seconds: float = 0.5
    settled_seconds: float = 60.0

    def delay_seconds(self, attempt: int) -> float:
        """Back-off before restart number ``attempt`` (from 0): doubles, at most 15 s."""
        return min(15.0, self.first_delay_seconds * 2.0**attempt)


NEVER = RestartPolicy()


def _nothing() -> None:
    return None


@dataclass(frozen=True, slots=True)
class Part:
    """One process of the stack. ``prepare`` runs before each start, ``on_ready`` after it."""

    name: str
    command: tuple[str, ...]
    probe: Probe
    ports: tuple[Port, ...] = ()
    restart: RestartPolicy = NEVER
    ready_timeout_seconds: float = 60.0
    grace_seconds: float = 10.0
    prepare: Callable[[], None] = _nothing
    on_ready: Callable[[], None] = _nothing


class StackError(RuntimeError):
    """The stack cannot start or go on; the message names the part and the remedy."""
