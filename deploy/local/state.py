"""The files by which the supervisor and the commands of other processes know each other."""

import fcntl
import json
import os
from enum import StrEnum
from pathlib import Path
from typing import IO

from pydantic import BaseModel

from deploy.local.part import StackError
from deploy.local.part_runner import State


class Phase(StrEnum):
    """Where the whole stack is in its life."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


class PartState(BaseModel):
    """What is known of a part, with its probe's last answer; ``started_at`` in epoch seconds."""

    name: str
    state: State
    healthy: bool
    detail: str
    pid: int | None
    ports: list[int]
    started_at: float | None
    restarts: int
    log: Path


class StackState(BaseModel):
    """Contents of the state file."""

    pid: int
    phase: Phase
    failure: str
    parts: list[PartState]


class StateFile:
    """``state.json`` of a data folder; a lock beside it is held for as long as a supervisor lives.

    The kernel drops the lock with the process, so a killed supervisor never looks alive.
    """

    def __init__(self, folder: Path) -> None:
        self.phase: Phase | None = None
        self._path = folder / "state.json"
        self._lock_path = folder / "lock"
        self._lock: IO[str] | None = None

    def acquire(self) -> None:
        """Take the folder for this process. Raises :class:`StackError` when it is in use."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        lock = self._lock_path.open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            holder = self.read()
            pid = f" (process {holder.pid})" if holder else ""
            raise StackError(
                f"a stack{pid} already uses {self._path.parent}: end it with `make down`,"
                " or set CTR_LOCAL_DATA to another folder"
            ) from None
        self._lock = lock

    def release(self) -> None:
        """Give the folder back."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def write(self, phase: Phase, failure: str, parts: list[PartState]) -> None:
        """Replace the file at once, so that a reader never sees half of it."""
        state = StackState(pid=os.getpid(), phase=phase, failure=failure, parts=parts)
        new = self._path.with_suffix(".new")
        new.write_text(state.model_dump_json(indent=2))
        new.replace(self._path)
        self.phase = phase

    def read(self) -> StackState | None:
        """Return what was written last, or None when no stack ever ran here."""
        try:
            return StackState.model_validate(json.loads(self._path.read_text()))
        except FileNotFoundError:
            return None

    def is_held(self) -> bool:
        """Tell whether a supervisor is alive on this folder."""
        try:
            with self._lock_path.open() as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False


class RestartRequests:
    """A folder in which an empty file named like a part asks the supervisor to restart it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "requests"

    def put(self, name: str) -> None:
        """Ask for a restart."""
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / name).touch()

    def take(self) -> list[str]:
        """Return the names asked for since the last call."""
        if not self._folder.exists():
            return []
        names = sorted(path.name for path in self._folder.iterdir())
        self.clear()
        return names

    def clear(self) -> None:
        """Forget all requests."""
        if self._folder.exists():
            for path in self._folder.iterdir():
                path.unlink()
