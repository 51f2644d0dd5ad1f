"""What the commands of ``python -m deploy.local`` do to a stack that another process holds."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from deploy.local.child import group_members
from deploy.local.part import StackError
from deploy.local.part_runner import State
from deploy.local.settings import ROOT, LocalSettings
from deploy.local.stack import LocalStack
from deploy.local.state import PartState, Phase, RestartRequests, StackState, StateFile

_POLL_SECONDS = 0.1
_DOWN_SECONDS = 120.0
_RESTART_SECONDS = 240.0

Tell = Callable[[str], None]


class _Terminated(BaseException):
    """SIGTERM or SIGINT arrived; carries the exit code."""


def run_in_foreground(settings: LocalSettings, parts: Sequence[str], tell: Tell) -> int:
    """Run the parts until a signal ends it; returns the exit code.

    Raises :class:`StackError` when a part cannot be started or failed for good.
    """

    def terminate(number: int, frame: object) -> None:
        _ignore_signals()
        raise _Terminated(0 if number == signal.SIGTERM else 130)

    stack = LocalStack(settings)
    signal.signal(signal.SIGTERM, terminate)
    signal.signal(signal.SIGINT, terminate)
    try:
        stack.start(parts)
        tell(f"the stack is up; its data are in {settings.folder}")
        raise StackError(stack.wait_for_failure())
    except _Terminated as stop:
        return int(stop.args[0])
    finally:
        _ignore_signals()
        stack.stop()


def _ignore_signals() -> None:
    # One is enough: a second one must not cut the clean stop short.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def start_in_background(settings: LocalSettings, parts: Sequence[str], tell: Tell) -> StackState:
    """Start a supervisor that outlives this process and wait until every part is ready.

    Raises :class:`StackError` naming the part that failed, SettingsError naming a wrong setting.
    Ctrl-C ends the supervisor, too.
    """
    LocalStack(settings)  # Refuses wrong settings here, where they are seen, and not in a log.
    state_file = StateFile(settings.folder)
    log = settings.folder / "logs" / "supervisor.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "deploy.local", "up", "--foreground", *parts],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            start_new_session=True,
        )
    told: dict[str, State] = {}
    try:
        while True:
            code = supervisor.poll()
            state = state_file.read()
            if state is not None and state.pid == supervisor.pid:
                _tell_changes(state, told, tell)
                if state.phase is Phase.RUNNING:
                    return state
                if state.phase in (Phase.FAILED, Phase.STOPPED):
                    raise StackError(state.failure or "the stack was stopped while it started")
            if code is not None:
                lines = log.read_text(errors="replace").splitlines()[-8:]
                raise StackError(
                    "\n  ".join([f"the supervisor ended; last lines of {log}:", *lines])
                )
            time.sleep(_POLL_SECONDS)
    except KeyboardInterrupt:
        supervisor.terminate()
        supervisor.wait()
        raise


def stop_running(settings: LocalSettings) -> bool:
    """End the stack of this data folder; False when none runs.

    A supervisor that does not end in time is killed, and its parts die with it.
    """
    state_file = StateFile(settings.folder)
    state = state_file.read()
    if state is None or not state_file.is_held():
        return False
    for number, wait_seconds in ((signal.SIGTERM, _DOWN_SECONDS), (signal.SIGKILL, 10.0)):
        os.kill(state.pid, number)
        deadline = time.monotonic() + wait_seconds
        while time.monotonic() < deadline:
            if not state_file.is_held() and not group_members(state.pid):
                return True
            time.sleep(_POLL_SECONDS)
    raise StackError(f"process {state.pid} does not end, not even by SIGKILL")


def restart_part(settings: LocalSettings, name: str) -> PartState:
    """Have the running stack restart a part and wait until it is ready. Raises StackError."""
    before = _part(running_state(settings), name)
    RestartRequests(settings.folder).put(name)
    deadline = time.monotonic() + _RESTART_SECONDS
    while time.monotonic() < deadline:
        now = _part(running_state(settings), name)
        if now.restarts > before.restarts and now.healthy:
            return now
        if now.state is State.FAILED:
            raise StackError(now.detail)
        time.sleep(_POLL_SECONDS)
    raise StackError(f"{name} is not ready {_RESTART_SECONDS:.0f} s after its restart")


def running_state(settings: LocalSettings) -> StackState:
    """Return the state of the stack that runs now. Raises StackError when none does."""
    state_file = StateFile(settings.folder)
    state = state_file.read()
    if state is None or not state_file.is_held():
        last = f"; the last one ended: {state.failure}" if state and state.failure else ""
        raise StackError(f"no stack runs on {settings.folder}: start it with `make up`{last}")
    return state


def log_file(settings: LocalSettings, name: str) -> Path:
    """Return the log of a part or of the supervisor. Raises StackError with the known names."""
    folder = settings.folder / "logs"
    path = folder / f"{name}.log"
    if path.parent != folder or not path.exists():
        known = ", ".join(sorted(log.stem for log in folder.glob("*.log"))) or "none yet"
        raise StackError(f"no log of {name!r} in {folder}: there are {known}")
    return path


def read_log(path: Path, lines: int, follow: bool) -> Iterator[str]:
    """Yield the last lines of a log and, if asked to follow, every line that is added."""
    with path.open(errors="replace") as log:
        yield from log.readlines()[-lines:]
        while follow:
            line = log.readline()
            if line:
                yield line
            else:
                time.sleep(_POLL_SECONDS)


def _part(state: StackState, name: str) -> PartState:
    for part in state.parts:
        if part.name == name:
            return part
    known = ", ".join(part.name for part in state.parts)
    raise StackError(f"no part {name!r}: running are {known}")


def _tell_changes(state: StackState, told: dict[str, State], tell: Tell) -> None:
    for part in state.parts:
        if told.get(part.name) is not part.state:
            told[part.name] = part.state
            if part.state is State.STARTING:
                tell(f"{part.name}: starting")
            elif part.state is State.READY:
                tell(f"{part.name}: ready ({part.detail})")
