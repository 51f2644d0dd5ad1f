"""One running process with its own session, its log file and a group that is ended as a whole."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import psutil

_LAUNCHER = Path(__file__).with_name("launcher.py")
_LOG_LIMIT_BYTES = 64 * 1024 * 1024
_TAIL_BYTES = 64 * 1024
_KILL_SECONDS = 10.0


class Child:
    """A process started by :mod:`deploy.local.launcher`; ``started_at`` is in epoch seconds."""

    def __init__(
        self, command: Sequence[str], *, environment: Mapping[str, str], log: Path, cwd: Path
    ) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        if log.exists() and log.stat().st_size > _LOG_LIMIT_BYTES:
            log.replace(log.with_suffix(".log.1"))
        self._log = log
        self.started_at = time.time()
        life_read, self._life_write = os.pipe()
        try:
            with log.open("ab") as output:
                started = datetime.fromtimestamp(self.started_at, UTC).isoformat(timespec="seconds")
                output.write(f"--- started {started}: {' '.join(command)}\n".encode())
                output.flush()
                self._log_offset = output.tell()
                self._process = subprocess.Popen(
                    [sys.executable, "-I", "-S", str(_LAUNCHER), str(life_read), *command],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=dict(environment),
                    cwd=cwd,
                    pass_fds=(life_read,),
                    start_new_session=True,
                )
        except BaseException:
            os.close(self._life_write)
            raise
        finally:
            os.close(life_read)

    @property
    def pid(self) -> int:
        """Process id of the command, which is also its process group."""
        return self._process.pid

    def exit_code(self) -> int | None:
        """Exit code, negative for a signal, or None while the command runs."""
        return self._process.poll()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the command alone; after SIGKILL returns when it is dead."""
        self._process.send_signal(number)
        if number == signal.SIGKILL:
            self._process.wait(_KILL_SECONDS)

    def end(self, grace_seconds: float) -> None:
        """SIGTERM to the command, SIGKILL after the grace, and nothing of the group survives."""
        if self._process.poll() is None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(grace_seconds)
        self.kill_group()

    def kill_group(self) -> None:
        """SIGKILL to the command and to everything in its group; returns when all are dead."""
        if self._life_write < 0:
            return
        # The watcher is still in the group, so its id cannot have passed to somebody else.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait(_KILL_SECONDS)
        deadline = time.monotonic() + _KILL_SECONDS
        while group_members(self.pid) and time.monotonic() < deadline:
            time.sleep(0.02)
        os.close(self._life_write)
        self._life_write = -1

    def last_lines(self, count: int) -> list[str]:
        """Return the last lines that this run wrote to its log."""
        with self._log.open("rb") as log:
            end = log.seek(0, os.SEEK_END)
            log.seek(max(self._log_offset, end - _TAIL_BYTES))
            return log.read().decode(errors="replace").splitlines()[-count:]


def group_members(group: int) -> list[int]:
    """Return the ids of the live (not zombie) processes of a process group."""
    members = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                members.append(process.pid)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return members
