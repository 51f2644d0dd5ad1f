"""Models that were served until another one came, as long as a worker answers from them.

Who answers from a model holds a shared lock on its file, which ends with the process. To keep a
model as long takes no memory of its own: the worker has the same pages mapped.
"""

import fcntl
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import BinaryIO

from scorer.model.model_holder import ServedModel

#: Requests may have taken the model before; a worker may have found it and not have locked it yet.
LEAST_SECONDS = 5.0


def hold(path: Path) -> BinaryIO:
    """A model's file, which is answered from until this is closed. Raises FileNotFoundError."""
    file = path.open("rb")
    fcntl.flock(file, fcntl.LOCK_SH)
    return file


class RetiredModels:
    """The feeder's, which goes on putting ads into them."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        #: With the file, if workers may have it, and when it was retired.
        self._models: list[tuple[ServedModel, BinaryIO | None, float]] = []

    def __iter__(self) -> Iterator[ServedModel]:
        return (model for model, _, _ in self._models)

    def add(self, model: ServedModel) -> None:
        """Another model is about to be published, which deletes the file of this one."""
        file = None if model.file is None else model.file.path.open("rb")
        self._models.append((model, file, self._clock()))

    def let_go(self) -> None:
        """Free those that nobody answers from."""
        until = self._clock() - LEAST_SECONDS
        kept = []
        for entry in self._models:
            _, file, since = entry
            if since > until or (file is not None and _is_held(file)):
                kept.append(entry)
            elif file is not None:
                file.close()
        self._models = kept

    def close(self) -> None:
        """Nothing is put any more."""
        for _, file, _ in self._models:
            if file is not None:
                file.close()
        self._models.clear()


def _is_held(file: BinaryIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(file, fcntl.LOCK_UN)
    return False
