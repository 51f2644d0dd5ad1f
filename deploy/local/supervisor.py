"""Starts parts in order, watches them, restarts what may be restarted, and ends them in reverse."""

import signal
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from deploy.local.part import Part, StackError
from deploy.local.part_runner import PartRunner, State
from deploy.local.ports import refuse_taken
from deploy.local.state import PartState, Phase, RestartRequests, StateFile

_TICK_SECONDS = 0.2


class Supervisor:
    """Keeps parts alive until :meth:`stop`; a context manager. Safe to use from several threads.

    What it does is told by log lines and by the state file in ``folder``, which also holds the
    logs. Only one supervisor may use a folder at a time.
    """

    def __init__(self, folder: Path, *, environment: Mapping[str, str], cwd: Path) -> None:
        self._folder = folder
        self._environment = environment
        self._cwd = cwd
        self._runners: dict[str, PartRunner] = {}
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._stopping = threading.Event()
        self._phase = Phase.STARTING
        self._refusal = ""
        self._seen: dict[str, tuple[State, str]] = {}
        self._log = structlog.get_logger("supervisor")
        self._state = StateFile(folder)
        self._requests = RestartRequests(folder)
        self._state.acquire()
        self._requests.clear()
        self._monitor = threading.Thread(target=self._watch, name="supervisor", daemon=True)
        self._monitor.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def failure(self) -> str:
        """Why the stack cannot go on, or an empty string while all is well."""
        with self._lock:
            failed = [r.failure for r in self._runners.values() if r.failure]
            return "\n".join(failed) or self._refusal

    def start(self, parts: Sequence[Part]) -> None:
        """Start parts one after the other, each as soon as the one before is ready.

        Raises :class:`StackError` when a port is taken or a part does not become ready; parts that
        run by then go on until :meth:`stop`.
        """
        try:
            refuse_taken(parts)
        except StackError as error:
            self._refusal = str(error)
            raise
        for part in parts:
            self._start(part)
        with self._lock:
            self._phase = Phase.RUNNING
            self._publish()

    def wait_for_failure(self, timeout_seconds: float | None = None) -> str:
        """Block until a part has failed for good, or the time is over; returns the failure."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self.failure), timeout_seconds)
            return self.failure

    def wait_until_ready(self, name: str, timeout_seconds: float) -> None:
        """Block until the part is ready. Raises :class:`StackError` naming what it does instead."""
        runner = self._runner(name)
        with self._changed:
            settled = (State.READY, State.FAILED)
            self._changed.wait_for(lambda: runner.state in settled, timeout_seconds)
            if runner.state is not State.READY:
                raise StackError(runner.failure or f"{name} is not ready: {runner.detail}")

    def send(self, name: str, number: signal.Signals) -> None:
        """Send a signal to the process of a part."""
        with self._lock:
            runner = self._runner(name)
            runner.send(number)
            runner.tick(time.monotonic())
            self._publish()

    def restart(self, name: str) -> None:
        """End a part cleanly and start it again, without waiting until it is ready."""
        with self._lock:
            self._runner(name).restart(time.monotonic())
            self._publish()

    def let_end(self, name: str) -> None:
        """Take it as well when the part ends by itself with exit code 0; it is not restarted."""
        with self._lock:
            self._runner(name).let_end()

    def parts(self) -> list[PartState]:
        """Return the state of every part, in the order they were started."""
        with self._lock:
            return [_state_of(runner) for runner in self._runners.values()]

    def log_of(self, name: str) -> Path:
        """Return the log file of a part."""
        return self._runner(name).log

    def stop(self) -> None:
        """End all parts, the last started first. Nothing that they started survives."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        self._monitor.join()
        with self._lock:
            failure = self.failure
            self._phase = Phase.STOPPING
            for runner in reversed(list(self._runners.values())):
                runner.stop()
                self._publish()
            self._phase = Phase.FAILED if failure else Phase.STOPPED
            self._publish()
        self._state.release()

    def _start(self, part: Part) -> None:
        runner = PartRunner(part, environment=self._environment, folder=self._folder, cwd=self._cwd)
        with self._changed:
            if part.name in self._runners:
                raise StackError(f"{part.name} was started before: use restart")
            self._runners[part.name] = runner
            runner.start(time.monotonic())
            self._publish()
            self._changed.wait_for(lambda: runner.state is not State.STARTING)
            if runner.state is not State.READY:
                raise StackError(runner.failure or runner.detail)

    def _runner(self, name: str) -> PartRunner:
        with self._lock:
            if name not in self._runners:
                known = ", ".join(self._runners) or "none"
                raise StackError(f"no part {name!r} is running: running are {known}")
            return self._runners[name]

    def _watch(self) -> None:
        while not self._stopping.wait(_TICK_SECONDS):
            try:
                self._step(time.monotonic())
            except Exception:
                # A full disk, say, must not end the watch over the parts.
                self._log.exception("a step of the supervisor failed")

    def _step(self, now: float) -> None:
        with self._lock:
            for name in self._requests.take():
                if name in self._runners:
                    self._runners[name].restart(now)
            for runner in self._runners.values():
                runner.tick(now)
            self._publish()

    def _publish(self) -> None:
        changed = False
        for name, runner in self._runners.items():
            now = (runner.state, runner.detail)
            before = self._seen.get(name, (None, ""))
            if before == now:
                continue
            changed = True
            self._seen[name] = now
            if before[0] is not runner.state:
                self._tell(runner)
        if changed or self._phase is not self._state.phase:
            self._state.write(self._phase, self.failure, self.parts())
            self._changed.notify_all()

    def _tell(self, runner: PartRunner) -> None:
        name = runner.part.name
        if runner.state is State.FAILED:
            self._log.error("part failed", part=name, reason=runner.failure)
        elif runner.state is State.WAITING:
            self._log.warning("part died", part=name, reason=runner.detail)
        else:
            self._log.info(f"part {runner.state}", part=name, pid=runner.pid, detail=runner.detail)


def _state_of(runner: PartRunner) -> PartState:
    return PartState(
        name=runner.part.name,
        state=runner.state,
        healthy=runner.healthy,
        detail=runner.detail,
        pid=runner.pid,
        ports=[port.number for port in runner.part.ports],
        started_at=runner.started_at,
        restarts=runner.restarts,
        log=runner.log,
    )
