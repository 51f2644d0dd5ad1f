"""Which history is meant, and reading it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

from bootstrap.encoded_log import EncodedLog, encode_log
from bootstrap.lake import read_lake
from bootstrap.log_sources import criteo_rows, open_bandit_rows, world_rows
from bootstrap.logged_rows import LoggedRow
from schemas.features import FeatureSpec
from streaming.adserver.settings import AdServerSettings

Dataset = Literal["criteo", "open-bandit", "world", "lake"]
FEATURES = {"criteo": "criteo", "open-bandit": "open_bandit", "world": "world"}
WORLD_ROWS = 30_000
CRITEO_ROW_MS = 21_600


class SourceError(ValueError):
    """A source that is not described well enough to be read."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows [first, end) of a file; ``end`` None: to its end."""

    first: int = 0
    end: int | None = None

    @classmethod
    def parse(cls, text: str) -> "Rows":
        """From ``A:B``, ``A:``, ``:B`` or ``B``; empty means all. Raises SourceError."""
        first, colon, end = text.partition(":")
        if not colon:
            first, end = "", first
        try:
            rows = cls(int(first or 0), int(end) if end else None)
        except ValueError:
            raise SourceError(f"--rows {text}: expected A:B, two row numbers") from None
        if rows.first < 0 or (rows.end is not None and rows.end <= rows.first):
            raise SourceError(f"--rows {text}: expected 0 ≤ A < B")
        return rows

    @property
    def count(self) -> int | None:
        """How many rows are meant; None: all that follow."""
        return None if self.end is None else self.end - self.first

    def of(self, rows: Iterable[LoggedRow]) -> list[LoggedRow]:
        """The rows in memory."""
        return list(islice(rows, self.first, self.end))


@dataclass(frozen=True, slots=True)
class Source:
    """``path`` is the file of a public log or the folder of a lake; ``label_wait_ms`` is e."""

    dataset: Dataset
    path: Path | None
    rows: Rows
    label_wait_ms: int

    def require_path(self) -> Path:
        """Raises SourceError if it is not there."""
        option = "--path" if self.dataset == "lake" else "--file"
        if self.path is None:
            raise SourceError(f"--dataset {self.dataset} needs {option}")
        if not self.path.exists():
            raise SourceError(f"{option} {self.path}: no such file or folder")
        return self.path

    def read(
        self, spec: FeatureSpec, now_ms: int, progress: Callable[[int], None] = lambda rows: None
    ) -> EncodedLog:
        """The encoded rows; those of the world end at ``now_ms``.

        Raises SourceError, or what the reader of the data set raises.
        """
        if self.dataset == "lake":
            if self.rows != Rows():
                raise SourceError("--rows: a lake is read as a whole")
            return read_lake(self.require_path(), spec, progress)
        if self.dataset == "world":
            if self.rows.first:
                raise SourceError("--rows: of the world, say how many: --rows N")
            settings = AdServerSettings.load()
            logged = list(world_rows(settings, self.rows.end or WORLD_ROWS, now_ms))
            return encode_log(spec, logged, self.label_wait_ms, progress)
        path = self.require_path()
        if self.dataset == "criteo":
            logged = self.rows.of(criteo_rows(path, CRITEO_ROW_MS))
        else:
            logged = self.rows.of(open_bandit_rows(path))
        if not logged:
            raise SourceError(f"--rows: {path} has no such rows")
        return encode_log(spec, logged, None, progress)
