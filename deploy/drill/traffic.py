"""The stand-in ad server as a process of its own: on and off, started again if it dies."""

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from deploy.local.child import Child
from deploy.local.settings import ROOT

RESTARTS = 3
GRACE_SECONDS = 30.0
LINES_IN_FAILURE = 8
COMMAND = (sys.executable, "-m", "streaming.adserver", "world", "--seconds", "7200")


class TrafficEnded(RuntimeError):
    """The ad server ended again and again; the message has its last lines."""


class Traffic:
    """Plays while it is on. ``tell`` hears of each start after a death."""

    def __init__(
        self,
        environment: Mapping[str, str],
        log: Path,
        tell: Callable[[str], None],
        command: tuple[str, ...] = COMMAND,
    ) -> None:
        self._environment = {**os.environ, **environment}
        self._log = log
        self._tell = tell
        self._command = command
        self._child: Child | None = None
        self.restarts = 0

    def __call__(self, wanted: bool) -> None:
        """Play or stop playing."""
        if wanted and self._child is None:
            self._child = Child(
                self._command, environment=self._environment, log=self._log, cwd=ROOT
            )
        elif not wanted and self._child is not None:
            self._child.end(GRACE_SECONDS)
            self._child = None

    def keep_up(self) -> None:
        """Start it again if it ended while it is on. Raises TrafficEnded at one death too many."""
        code = None if self._child is None else self._child.exit_code()
        if self._child is None or code is None:
            return
        lines = self._child.last_lines(LINES_IN_FAILURE)
        self(False)
        why = f"the ad server ended with {code}"
        if self.restarts == RESTARTS:
            again = f"{why}, again after {RESTARTS} restarts; last lines of {self._log}:"
            raise TrafficEnded("\n  ".join([again, *lines]))
        self.restarts += 1
        self._tell(f"{why} ({lines[-1] if lines else 'no log lines'}); it is started again")
        self(True)
