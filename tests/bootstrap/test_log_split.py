"""What is trained and what is tested: apart, in time, and with clicks taken away or put off."""

from pathlib import Path

import numpy as np
import pytest

from bootstrap.log_sources import CRITEO_ROW_MS, LOGS, PAGE_MS
from bootstrap.log_split import LogFiles, delayed, require_apart, thinned
from bootstrap.logged_rows import NO_CLICK
from bootstrap.row_range import Rows
from bootstrap.source import SourceError
from tests.bootstrap.small_logs import logged_row, write_criteo

LOGGED = [logged_row(number, click_ms=number if number % 2 else NO_CLICK) for number in range(8000)]
FILE, OTHER = Path("log.tsv"), Path("later.tsv")


def part(path: Path, rows: str = "", blocks: frozenset[int] | None = None) -> LogFiles:
    return LogFiles([path], blocks, Rows.parse(rows))


def test_files_follow_each_other(tmp_path: Path) -> None:
    first = write_criteo(tmp_path / "first.tsv", 20, seed=3)
    second = write_criteo(tmp_path / "second.tsv", 30)
    rows = LogFiles([first, second]).read(LOGS["criteo"], start_ms=7)
    later = 7 + 19 * CRITEO_ROW_MS + PAGE_MS
    assert [row.ts_ms for row in rows[:20]] == [7 + CRITEO_ROW_MS * number for number in range(20)]
    assert [row.ts_ms for row in rows[20:]] == [
        later + CRITEO_ROW_MS * number for number in range(30)
    ]


def test_rows_are_of_each_file(tmp_path: Path) -> None:
    paths = [write_criteo(tmp_path / f"{seed}.tsv", 20, 10, seed) for seed in (1, 2)]
    rows = LogFiles(paths, frozenset({2}), Rows.parse("50%:")).read(LOGS["criteo"], 0)
    assert len(rows) == 10
    assert [row.user_id for row in rows][4:6] == ["criteo-user-19", "criteo-user-15"]


@pytest.mark.parametrize(
    ("train", "test"),
    [
        (part(FILE), part(FILE)),
        (part(FILE), part(FILE, "5:")),
        (part(FILE, ":60%"), part(FILE, "50%:")),
        (part(FILE, "50%:"), part(FILE, ":50%")),
        (part(FILE, blocks=frozenset({1, 2})), part(FILE, blocks=frozenset({2}))),
        (part(FILE), part(FILE, blocks=frozenset({2}))),
    ],
)
def test_rows_that_are_in_both_are_refused(train: LogFiles, test: LogFiles) -> None:
    with pytest.raises(SourceError, match=r"^log\.tsv is trained and tested: .* --train-rows"):
        require_apart(train, test)


def test_rows_that_are_apart_are_taken() -> None:
    require_apart(part(FILE), part(OTHER))
    require_apart(part(FILE, ":50%"), part(FILE, "50%:"))
    require_apart(part(FILE, blocks=frozenset({1, 2})), part(FILE, blocks=frozenset({3})))


def test_blocks_are_of_logs_that_have_them(tmp_path: Path) -> None:
    path = write_criteo(tmp_path / "log.tsv", 20)
    with pytest.raises(SourceError, match="no such rows of block 9"):
        part(path, blocks=frozenset({9})).read(LOGS["criteo"], 0)
    with pytest.raises(SourceError, match="a log of ipinyou has none"):
        part(path, blocks=frozenset({1})).read(LOGS["ipinyou"], 0)


def test_thinning_takes_clicks_and_leaves_rows() -> None:
    rows = thinned(LOGGED, keep=0.25, begin=0.5, seed=4)
    assert len(rows) == len(LOGGED)
    assert rows[:4000] == LOGGED[:4000]
    assert sum(row.label for row in rows[4000:]) == pytest.approx(500, abs=60)
    assert all((row.click_ms == NO_CLICK) == (row.label == 0) for row in rows)
    assert rows == thinned(LOGGED, 0.25, 0.5, seed=4)
    assert rows != thinned(LOGGED, 0.25, 0.5, seed=5)


def test_clicks_come_after_exponential_delays() -> None:
    rows = delayed(LOGGED, 5000.0, seed=3)
    delays = np.array([row.click_ms - row.ts_ms for row in rows if row.label])
    assert delays.min() >= 0
    assert delays.mean() == pytest.approx(5000, rel=0.05)
    assert np.mean(delays > 5000) == pytest.approx(np.exp(-1), abs=0.03)
    assert [row.label for row in rows] == [row.label for row in LOGGED]
    assert all(row.click_ms == NO_CLICK for row in rows if not row.label)
    assert rows == delayed(LOGGED, 5000.0, seed=3)
