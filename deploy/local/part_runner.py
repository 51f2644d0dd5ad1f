"""The life of one part: started, ready, dead, started again, given up. Time is an argument."""

import signal
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from deploy.local.child import Child
from deploy.local.part import Part, Readiness

_LINES_IN_FAILURE = 12
_LOOK_SECONDS = 5.0


class State(StrEnum):
    """Where a part is in its life."""

    PENDING = "pending"
    STARTING = "starting"
    READY = "ready"
    WAITING = "waiting"
    FAILED = "failed"
    STOPPED = "stopped"


class PartRunner:
    """Moves a part from state to state; :meth:`tick` must be called a few times a second."""

    def __init__(
        self, part: Part, *, environment: Mapping[str, str], folder: Path, cwd: Path
    ) -> None:
        self.part = part
        self.log = folder / "logs" / f"{part.name}.log"
        self.state = State.PENDING
        self.detail = "not started"
        self.failure = ""
        self.restarts = 0
        self.healthy = False
        self._environment = environment
        self._cwd = cwd
        self._child: Child | None = None
        self._attempts = 0
        self._was_ready = False
        self._may_end = False
        self._ready_at = 0.0
        self._due = 0.0

    @property
    def pid(self) -> int | None:
        """Process id of the part's command while it runs."""
        return self._child.pid if self._child else None

    @property
    def started_at(self) -> float | None:
        """When the present process was started, in epoch seconds."""
        return self._child.started_at if self._child else None

    def start(self, now: float) -> None:
        """Start the part; ``now`` and all later times are monotonic seconds."""
        self.state = State.STARTING
        self.healthy = False
        self.detail = "starting"
        self._due = now + self.part.ready_timeout_seconds
        try:
            self.part.prepare()
            self._child = Child(
                self.part.command, environment=self._environment, log=self.log, cwd=self._cwd
            )
        except Exception as error:
            self._give_up(f"{self.part.name} cannot be started: {error}")

    def tick(self, now: float) -> None:
        """Look at the process and its probe, and take the step that is due."""
        if self.state is State.WAITING and now >= self._due:
            self.restarts += 1
            self.start(now)
        elif self._child is not None:
            code = self._child.exit_code()
            if code == 0 and self._may_end:
                self.stop()
                self.detail = "ended by itself"
            elif code is not None:
                self._died(f"{self.part.name} ended with {_meaning(code)}", now)
            elif self.state is State.STARTING:
                self._probe(self._child, now)
            elif self.state is State.READY and now >= self._due:
                self._look_again(now)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the part's own process; after SIGKILL returns when it is dead."""
        if self._child is not None:
            self._child.send(number)

    def let_end(self) -> None:
        """From now on an exit code of 0 is no death: the part was asked to finish its work."""
        self._may_end = True

    def stop(self) -> None:
        """End the part and everything it started."""
        if self._child is not None:
            self._child.end(self.part.grace_seconds)
            self._child = None
        self.healthy = False
        if self.state is not State.FAILED:
            self.state, self.detail = State.STOPPED, "stopped"

    def restart(self, now: float) -> None:
        """End the part and start it again; this does not count against its budget."""
        self.stop()
        self.restarts += 1
        self._attempts = 0
        self._may_end = False
        self.failure = ""
        self.start(now)

    def _probe(self, child: Child, now: float) -> None:
        seen = self._ask()
        self.detail = seen.detail
        if seen.ready and child.exit_code() is None:
            try:
                self.part.on_ready()
            except Exception as error:
                self._give_up(f"{self.part.name} started, but: {error}")
                return
            self.state = State.READY
            self.healthy = self._was_ready = True
            self._ready_at = now
            self._due = now + _LOOK_SECONDS
        elif now >= self._due:
            waited = f"{self.part.ready_timeout_seconds:.0f} s"
            self._died(f"{self.part.name} is not ready after {waited} ({seen.detail})", now)

    def _ask(self) -> Readiness:
        try:
            return self.part.probe()
        except Exception as error:
            return Readiness(False, f"the probe failed: {error!r}")

    def _look_again(self, now: float) -> None:
        seen = self._ask()
        self.healthy, self.detail = seen.ready, seen.detail
        self._due = now + _LOOK_SECONDS
        if now - self._ready_at > self.part.restart.settled_seconds:
            self._attempts = 0

    def _died(self, reason: str, now: float) -> None:
        assert self._child is not None
        lines = self._child.last_lines(_LINES_IN_FAILURE)
        self._child.kill_group()
        self._child = None
        self.healthy = False
        if self._was_ready and self._attempts < self.part.restart.limit:
            delay_seconds = self.part.restart.delay_seconds(self._attempts)
            self._attempts += 1
            self._due = now + delay_seconds
            self.state = State.WAITING
            self.detail = f"{reason}; starting again in {delay_seconds:g} s"
            return
        if self._attempts:
            reason += f", again after {self._attempts} restarts"
        self._give_up("\n  ".join([f"{reason}; last lines of {self.log}:", *lines]))

    def _give_up(self, failure: str) -> None:
        if self._child is not None:
            self._child.kill_group()
            self._child = None
        self.state = State.FAILED
        self.failure = failure
        self.detail = failure.partition("\n")[0]


def _meaning(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
