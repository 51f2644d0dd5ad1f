"""The folder of a memory file system that the feeder writes and workers map."""

import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scorer.memory import shared_arrays

_PREFIX = "ctr-scorer-"


class Memory:
    """Files with numbers, each used once, and which model and index of them are served."""

    def __init__(self, folder: Path, writable: bool = False) -> None:
        self.folder = folder
        self._served = shared_arrays.attach(folder / "served", writable)["served"]
        used = (int(path.name.partition("-")[2]) for path in self._files())
        self._numbers: Iterator[int] = itertools.count(1 + max(used, default=0))

    @classmethod
    def create(cls, parent: Path) -> "Memory":
        """A new folder. Raises OSError."""
        folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=parent))
        shared_arrays.create(folder / "served", {"served": ("<i8", (1,))})
        return cls(folder, writable=True)

    @staticmethod
    def sweep(parent: Path) -> None:
        """Delete the folders of processes that were killed."""
        for old in parent.glob(f"{_PREFIX}*"):
            owner = old.name.removeprefix(_PREFIX).partition("-")[0]
            if not Path("/proc", owner).exists():
                shutil.rmtree(old, ignore_errors=True)

    @property
    def ads(self) -> Path:
        """The file of the catalogue."""
        return self.folder / "ads"

    @contextmanager
    def new(self, *kinds: str) -> Iterator[list[Path]]:
        """Files that are not there yet; who fails to write them leaves none behind."""
        paths = [self.folder / f"{kind}-{next(self._numbers)}" for kind in kinds]
        try:
            yield paths
        except BaseException:
            for path in paths:
                path.unlink(missing_ok=True)
            raise

    def publish(self, model: Path, index: Path) -> None:
        """Workers serve these from now on: one number changes. Who has the files before them mapped
        keeps those; nobody finds them any more."""
        before = self.published() or ()
        self._served[0] = int(model.name.split("-")[1]) << 32 | int(index.name.split("-")[1])
        for path in before:
            if path not in (model, index):
                path.unlink(missing_ok=True)

    def forget_unpublished(self) -> None:
        """Delete models and indexes that a feeder which was killed had in preparation."""
        served = self.published() or ()
        for path in self._files():
            if path not in served:
                path.unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        return [*self.folder.glob("model-*"), *self.folder.glob("index-*")]

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
