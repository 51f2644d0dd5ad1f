"""Where a job goes on: its newest checkpoint or savepoint on disk."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True)
class RestorePoint:
    """``claim_mode``: a checkpoint belongs to the job that restores it, a savepoint to nobody."""

    path: Path
    claim_mode: Literal["CLAIM", "NO_CLAIM"]


def newest(checkpoints: Path, savepoints: Path) -> RestorePoint | None:
    """The newest that is complete: Flink writes ``_metadata`` last. None before the first."""
    found = [
        *_complete(checkpoints.glob("*/chk-*/_metadata"), "CLAIM"),
        *_complete(savepoints.glob("savepoint-*/_metadata"), "NO_CLAIM"),
    ]
    return max(found, key=lambda item: item[0])[1] if found else None


def _complete(
    paths: Iterable[Path], claim_mode: Literal["CLAIM", "NO_CLAIM"]
) -> list[tuple[int, RestorePoint]]:
    return [
        (path.stat().st_mtime_ns, RestorePoint(path.parent, claim_mode))
        for path in paths
        if path.stat().st_size
    ]
