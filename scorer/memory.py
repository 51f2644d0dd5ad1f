"""The folder of a memory file system that the feeder writes and workers map."""

import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from scorer import shared_arrays

_PREFIX = "ctr-scorer-"


class Memory:
    """Files with numbers, each used once, and which model and index of them are served."""

    def __init__(self, folder: Path, writable: bool = False) -> None:
        self.folder = folder
        self._served = shared_arrays.attach(folder / "served", writable)["served"]
        served = int(self._served[0])
        self._numbers: Iterator[int] = itertools.count(1 + max(served >> 32, served & 0xFFFFFFFF))

    @classmethod
    def create(cls, parent: Path) -> "Memory":
        """A new folder; those of processes that have died are deleted. Raises OSError."""
        for old in parent.glob(f"{_PREFIX}*"):
            owner = old.name.removeprefix(_PREFIX).partition("-")[0]
            if not Path("/proc", owner).exists():
                shutil.rmtree(old, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=parent))
        shared_arrays.create(folder / "served", {"served": ("<i8", (1,))})
        return cls(folder, writable=True)

    @property
    def ads(self) -> Path:
        """The file of the catalogue."""
        return self.folder / "ads"

    def new(self, kind: str) -> Path:
        """A file that is not there yet."""
        while (path := self.folder / f"{kind}-{next(self._numbers)}").exists():
            pass
        return path

    def publish(self, model: Path, index: Path) -> None:
        """Workers serve these from now on: one number changes."""
        self._served[0] = int(model.name.split("-")[1]) << 32 | int(index.name.split("-")[1])

    def published(self) -> tuple[Path, Path] | None:
        """Files of the model and the index that are served."""
        numbers = int(self._served[0])
        if numbers == 0:
            return None
        names = f"model-{numbers >> 32}", f"index-{numbers & 0xFFFFFFFF}"
        return self.folder / names[0], self.folder / names[1]

    def remove(self) -> None:
        """Delete the folder; what is mapped stays until it is let go."""
        shutil.rmtree(self.folder, ignore_errors=True)
