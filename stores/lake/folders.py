"""Where the files of a table's hours are, and which of them a reader may open."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from schemas.lake import LANDING, SUCCESS, LakeTable


class LakeError(ValueError):
    """A lake that cannot be used; the message names the folder."""


@dataclass(frozen=True, slots=True, order=True)
class Hour:
    """An hour of UTC, written ``2026-01-31T07``; its folder is ``day=2026-01-31/hour=07``."""

    day: str
    hour: str

    @classmethod
    def parse(cls, text: str) -> "Hour":
        """From ``2026-01-31T07``. Raises ValueError."""
        return cls.of(datetime.strptime(text, "%Y-%m-%dT%H"))

    @classmethod
    def of(cls, moment: datetime) -> "Hour":
        """The hour that a moment is in."""
        return cls(f"{moment:%Y-%m-%d}", f"{moment:%H}")

    @property
    def begin(self) -> datetime:
        """Its first moment."""
        return datetime.strptime(str(self), "%Y-%m-%dT%H").replace(tzinfo=UTC)

    @property
    def end(self) -> datetime:
        """The first moment after it."""
        return self.begin + timedelta(hours=1)

    def __str__(self) -> str:
        return f"{self.day}T{self.hour}"


@dataclass(frozen=True, slots=True)
class HourFolder:
    """One hour of one table below ``root``, which is the lake or its landing zone."""

    root: Path
    table: LakeTable
    hour: Hour

    @property
    def path(self) -> Path:
        """The folder."""
        return self.root / self.table.name / f"day={self.hour.day}" / f"hour={self.hour.hour}"

    @property
    def is_complete(self) -> bool:
        """Whether its marker is there."""
        return (self.path / SUCCESS).exists()

    def files(self) -> list[Path]:
        """Finished files by name: not markers, and not what is still being written."""
        try:
            found = [path for path in self.path.iterdir() if not path.name.startswith((".", "_"))]
        except FileNotFoundError:
            return []
        return sorted(found)


def landing(lake: Path, table: LakeTable, hour: Hour) -> HourFolder:
    """What the job wrote of an hour and is not compacted yet."""
    return HourFolder(lake / LANDING, table, hour)


def compacted(lake: Path, table: LakeTable, hour: Hour) -> HourFolder:
    """The compacted hour."""
    return HourFolder(lake, table, hour)


def hours(lake: Path, table: LakeTable) -> list[Hour]:
    """Every hour of a table that has a folder of either kind, in order of time."""
    return sorted({hour for root in (lake / LANDING, lake) for hour in _hours(root / table.name)})


def _hours(folder: Path) -> Iterator[Hour]:
    for path in folder.glob("day=*/hour=*"):
        text = f"{path.parent.name.removeprefix('day=')}T{path.name.removeprefix('hour=')}"
        try:
            yield Hour.parse(text)
        except ValueError:
            raise LakeError(f"lake {folder}: {text} is no hour, e.g. 2026-01-31T07") from None
