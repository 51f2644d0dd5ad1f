"""The folder of a memory file system that the feeder writes and workers map."""

import itertools
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path


class Memory:
    """Names of files, each used once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._numbers: Iterator[int] = itertools.count(1)

    @classmethod
    def create(cls, parent: Path) -> "Memory":
        """A new folder. Raises OSError."""
        return cls(Path(tempfile.mkdtemp(prefix="ctr-scorer-", dir=parent)))

    @property
    def ads(self) -> Path:
        """The file of the catalogue."""
        return self.folder / "ads"

    def new(self, kind: str) -> Path:
        """A file that is not there yet."""
        while (path := self.folder / f"{kind}-{next(self._numbers)}").exists():
            pass
        return path

    def remove(self) -> None:
        """Delete the folder; what is mapped stays until it is let go."""
        shutil.rmtree(self.folder, ignore_errors=True)
