"""The rows of a log that are trained and the rows that are tested: never the same, never mixed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bootstrap.log_sources import PAGE_MS, Log
from bootstrap.logged_rows import NO_CLICK, LoggedRow
from bootstrap.row_range import ALL_ROWS, Rows
from bootstrap.source import SourceError


@dataclass(frozen=True, slots=True)
class LogFiles:
    """Rows of files; of each, some blocks (a column of Criteo's sample) and some rows, or all."""

    paths: Sequence[Path]
    blocks: frozenset[int] | None = None
    rows: Rows = ALL_ROWS

    def read(self, log: Log, start_ms: int) -> list[LoggedRow]:
        """All rows by time; in logs without times file follows file, from ``start_ms`` on.

        Raises SourceError if there are none, or none of a block, or DatasetError.
        """
        if self.blocks is not None and not log.has_blocks:
            raise SourceError(f"blocks: a log of {log.features} has none; say which rows instead")
        found: list[LoggedRow] = []
        for path in self.paths:
            file_ms = found[-1].ts_ms + PAGE_MS if found else start_ms
            found.extend(self.rows.of(log.read(path, self.blocks, file_ms)))
        files = ", ".join(map(str, self.paths))
        for block in sorted((self.blocks or frozenset()) - {row.block for row in found}):
            raise SourceError(f"{files}: no such rows of block {block}")
        if not found:
            raise SourceError(f"{files}: no such rows")
        return sorted(found, key=lambda row: row.ts_ms)


def require_apart(train: LogFiles, test: LogFiles) -> None:
    """Raises SourceError if a row may be in both, or is tested before others are trained."""
    trained = {path.resolve() for path in train.paths}
    for path in test.paths:
        if path.resolve() not in trained:
            continue
        other_blocks = (
            train.blocks is not None
            and test.blocks is not None
            and train.blocks.isdisjoint(test.blocks)
        )
        if not other_blocks and not train.rows.before(test.rows):
            raise SourceError(
                f"{path} is trained and tested: say which rows come first and which later, "
                "e.g. --train-rows :80% --test-rows 80%: (or blocks, where the log has them)"
            )


def thinned(rows: Sequence[LoggedRow], keep: float, begin: float, seed: int) -> list[LoggedRow]:
    """The same rows; of the clicks after the share ``begin`` of them the share ``keep`` is left."""
    random = np.random.default_rng(seed).random(len(rows))
    first = round(begin * len(rows))
    return [
        replace(row, label=0, click_ms=NO_CLICK)
        if row.label and index >= first and random[index] >= keep
        else row
        for index, row in enumerate(rows)
    ]


def delayed(rows: Sequence[LoggedRow], mean_delay_ms: float, seed: int) -> list[LoggedRow]:
    """The same rows with clicks that come after an exponential delay."""
    delays = np.random.default_rng(seed).exponential(mean_delay_ms, len(rows)).astype(int)
    return [
        replace(row, click_ms=row.ts_ms + int(delay)) if row.label else row
        for row, delay in zip(rows, delays, strict=True)
    ]
