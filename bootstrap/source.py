"""Which history is meant, and reading it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bootstrap.encoded_log import EncodedLog, encode_log
from bootstrap.lake import read_lake
from bootstrap.log_sources import LOGS, LogName, world_rows
from bootstrap.row_range import ALL_ROWS, Rows
from schemas.features import FeatureSpec
from streaming.adserver.settings import AdServerSettings

Dataset = LogName | Literal["world", "lake"]
WORLD_ROWS = 30_000


class SourceError(ValueError):
    """A source that is not described well enough to be read."""


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
            if self.rows != ALL_ROWS:
                raise SourceError("--rows: a lake is read as a whole")
            return read_lake(self.require_path(), spec, progress)
        if self.dataset == "world":
            if self.rows.first or self.rows.percent:
                raise SourceError("--rows: of the world, say how many: --rows N")
            settings = AdServerSettings.load()
            logged = list(world_rows(settings, self.rows.count or WORLD_ROWS, now_ms))
            return encode_log(spec, logged, self.label_wait_ms, progress)
        path, log = self.require_path(), LOGS[self.dataset]
        logged = self.rows.of(log.read(path, None, 0))
        if not logged:
            raise SourceError(f"{path}: has no such rows")
        return encode_log(
            spec, logged, self.label_wait_ms if log.has_click_times else None, progress
        )
