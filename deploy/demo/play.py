"""Plays the source while watching: ends it when a part fails, kills a part when asked to."""

import threading
import time
from dataclasses import replace

from deploy.demo.report import Kill
from deploy.demo.screen import Screen
from deploy.demo.watch import Watcher
from deploy.local.part import StackError
from deploy.local.part_runner import State
from deploy.local.stack import LocalStack
from streaming.adserver.session import Session
from streaming.adserver.summary import PlaySummary

LOOK_SECONDS = 1.0


class _Player(threading.Thread):
    """Runs the session; what it raised is raised again by :meth:`result`."""

    def __init__(self, session: Session) -> None:
        super().__init__(name="ad-server", daemon=True)
        self._session = session
        self._summary: PlaySummary | None = None
        self._error: Exception | None = None

    def run(self) -> None:
        """Play to the end."""
        try:
            self._summary = self._session.run()
        except Exception as error:
            self._error = error

    def result(self) -> PlaySummary:
        """The summary, once the thread has ended."""
        self.join()
        if self._error is not None:
            raise self._error
        assert self._summary is not None
        return self._summary


class Killer:
    """Kills a part with SIGKILL once ``after_samples`` were learnt, and times its return.

    All times are monotonic seconds.
    """

    def __init__(self, stack: LocalStack, part: str, after_samples: int) -> None:
        self._stack = stack
        self._part = part
        self._after_samples = after_samples
        self._restarts = 0
        self._began = time.monotonic()
        self._killed = 0.0
        self.kill: Kill | None = None

    @property
    def is_over(self) -> bool:
        """The part was never killed, or is back."""
        return self.kill is None or self.kill.back_after_seconds is not None

    def tick(self, samples_learnt: int, now: float, screen: Screen) -> None:
        """Look whether it is time to kill, or whether the part is back."""
        if self.kill is None:
            if samples_learnt >= self._after_samples:
                self._restarts = self._state()[1]
                self._stack.kill(self._part)
                self._killed = now
                self.kill = Kill(self._part, round(now - self._began, 1), None)
                screen.note(f"kill -9 of the {self._part} job's process")
        elif not self.is_over:
            state, restarts = self._state()
            if state is State.READY and restarts > self._restarts:
                back = round(now - self._killed, 1)
                self.kill = replace(self.kill, back_after_seconds=back)
                screen.note(f"the {self._part} job runs again after {back:.0f} s")

    def _state(self) -> tuple[State, int]:
        for part in self._stack.status():
            if part.name == self._part:
                return part.state, part.restarts
        raise StackError(f"the stack has no part {self._part}")


def play(
    session: Session, stack: LocalStack, watcher: Watcher, screen: Screen, killer: Killer | None
) -> PlaySummary:
    """Play a session to its end. Raises StackError if a part fails, or what the session raises."""
    player = _Player(session)
    began = time.monotonic()
    player.start()
    try:
        with screen.watching():
            while player.is_alive():
                player.join(LOOK_SECONDS)
                sight = watcher.look(time.monotonic())
                screen.show(f"{session.name}, {sight.at - began:.0f} s", sight)
                if killer is not None:
                    killer.tick(sight.samples_learnt, sight.at, screen)
                if stack.failure:
                    raise StackError(stack.failure)
    finally:
        session.stop()
        player.join()
    return player.result()
