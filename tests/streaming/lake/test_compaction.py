"""Compaction: each row once and never away, wherever it is cut short."""

import json
import os
import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pyarrow.dataset as ds
import pytest
from typer.testing import CliRunner

from schemas.lake import SAMPLES
from stores.lake.folders import Hour, LakeError, compacted, landing
from stores.lake.reader import read_table
from streaming.lake import commands, compaction
from streaming.lake.compaction import compact_hour, is_over, only_one
from streaming.lake.inventory import contents
from tests.streaming.lake.landed import HOUR, NOW, land

ROWS = range(60)


def everything(lake: Path) -> Counter[str]:
    """What our reader sees: landed rows, too."""
    return Counter(read_table(lake, SAMPLES, ["request_id"])["request_id"].to_pylist())


def published(lake: Path) -> Counter[str]:
    """What anybody sees who reads compacted hours."""
    if not (lake / SAMPLES.name).is_dir():
        return Counter()
    rows = ds.dataset(lake / SAMPLES.name, partitioning="hive").to_table()
    return Counter(rows["request_id"].to_pylist() if rows.num_rows else [])


def once(*numbers: int) -> Counter[str]:
    return Counter(f"r{number}" for number in numbers)


def test_an_hour_becomes_one_file(tmp_path: Path) -> None:
    for number in range(6):
        land(tmp_path, f"part-{number}", *ROWS[number * 10 : number * 10 + 10])
    assert everything(tmp_path) == once(*ROWS)
    done = compact_hour(tmp_path, SAMPLES, HOUR, NOW)
    assert done == compaction.Compaction("samples", "2025-01-02T07", 6, 60, 0)
    assert published(tmp_path) == everything(tmp_path) == once(*ROWS)
    (hour,) = contents(tmp_path)
    assert (hour.files, hour.landed, hour.rows, hour.complete) == (1, 0, 60, True)
    assert compact_hour(tmp_path, SAMPLES, HOUR, NOW) is None


def test_what_lands_later_is_added_and_repetitions_are_dropped(tmp_path: Path) -> None:
    land(tmp_path, "part-0", 1, 2)
    compact_hour(tmp_path, SAMPLES, HOUR, NOW)
    land(tmp_path, "part-1", 2, 3, 3)
    assert everything(tmp_path) == once(1, 2, 3)
    done = compact_hour(tmp_path, SAMPLES, HOUR, NOW)
    assert done is not None
    assert (done.rows, done.repeated) == (3, 2)
    assert published(tmp_path) == once(1, 2, 3)


def test_files_that_are_being_written_are_left_alone(tmp_path: Path) -> None:
    folder = land(tmp_path, "part-0", 1)
    written = folder / ".part-1.inprogress.0"
    written.write_bytes(b"half of a file")
    compact_hour(tmp_path, SAMPLES, HOUR, NOW)
    assert written.exists()
    assert published(tmp_path) == once(1)


class Crash(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("before", ["os.replace", "Path.touch", "Path.unlink"])
def test_a_crash_anywhere_loses_and_repeats_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    land(tmp_path, "part-0", 1, 2)
    compact_hour(tmp_path, SAMPLES, HOUR, NOW)
    land(tmp_path, "part-1", 2, 3)
    land(tmp_path, "part-2", 4)
    with monkeypatch.context() as patched:
        owner = os if before.startswith("os") else Path
        patched.setattr(owner, before.split(".")[1], _crash)
        with pytest.raises(Crash):
            compact_hour(tmp_path, SAMPLES, HOUR, NOW)
    assert published(tmp_path) == (once(1, 2) if before == "os.replace" else once(1, 2, 3, 4))
    assert everything(tmp_path) == once(1, 2, 3, 4)
    compact_hour(tmp_path, SAMPLES, HOUR, NOW)
    assert published(tmp_path) == everything(tmp_path) == once(1, 2, 3, 4)
    assert [path.name for path in compacted(tmp_path, SAMPLES, HOUR).files()] == ["samples.parquet"]


def _crash(*_: object, **__: object) -> None:
    raise Crash


def test_readers_see_each_row_once_while_hours_are_compacted(tmp_path: Path) -> None:
    rounds = 25
    land(tmp_path, "part-first", *ROWS)
    failures: list[Counter[str]] = []
    over = threading.Event()

    def read(rows: Callable[[Path], Counter[str]], expected: Counter[str]) -> None:
        while not over.is_set():
            seen = rows(tmp_path)
            if max(seen.values()) > 1 or not expected <= seen:
                failures.append(seen)

    compact_hour(tmp_path, SAMPLES, HOUR, NOW)
    readers = [
        threading.Thread(target=read, args=(rows, once(*ROWS))) for rows in (everything, published)
    ]
    for reader in readers:
        reader.start()
    for number in range(rounds):
        land(tmp_path, f"part-{number}", number, 1_000 + number)
        compact_hour(tmp_path, SAMPLES, HOUR, NOW)
    over.set()
    for reader in readers:
        reader.join()
    assert failures == []
    assert published(tmp_path) == once(*ROWS, *range(1_000, 1_000 + rounds))


def test_which_hours_are_over(tmp_path: Path) -> None:
    late = Hour("2025-01-02", "08")
    land(tmp_path, "part-0", 1, complete=False)
    land(tmp_path, "part-0", 2, hour=late)
    assert not is_over(tmp_path, SAMPLES, HOUR, None, NOW)
    assert is_over(tmp_path, SAMPLES, late, None, NOW)
    assert is_over(tmp_path, SAMPLES, HOUR, timedelta(hours=1), NOW)
    assert not is_over(tmp_path, SAMPLES, HOUR, timedelta(minutes=61), NOW)


def test_only_a_marker_makes_an_hour_complete(tmp_path: Path) -> None:
    land(tmp_path, "part-0", 1, complete=False)
    compact_hour(tmp_path, SAMPLES, HOUR, NOW)
    assert not compacted(tmp_path, SAMPLES, HOUR).is_complete
    land(tmp_path, "part-1", 2)
    compact_hour(tmp_path, SAMPLES, HOUR, NOW)
    assert compacted(tmp_path, SAMPLES, HOUR).is_complete


def test_landing_folders_are_forgotten_in_the_end(tmp_path: Path) -> None:
    folder = land(tmp_path, "part-0", 1)
    compact_hour(tmp_path, SAMPLES, HOUR, NOW)
    changed = folder.stat().st_mtime
    os.utime(folder, (changed, NOW.timestamp() - compaction.FORGOTTEN.total_seconds() + 1))
    compact_hour(tmp_path, SAMPLES, HOUR, NOW)
    assert landing(tmp_path, SAMPLES, HOUR).is_complete
    os.utime(folder, (changed, NOW.timestamp() - compaction.FORGOTTEN.total_seconds()))
    compact_hour(tmp_path, SAMPLES, HOUR, NOW)
    assert not folder.exists()
    assert published(tmp_path) == once(1)


def test_two_compactions_are_one_too_many(tmp_path: Path) -> None:
    with (
        only_one(tmp_path),
        pytest.raises(LakeError, match="another compaction"),
        only_one(tmp_path),
    ):
        pass


def test_commands(tmp_path: Path) -> None:
    land(tmp_path, "part-0", 1, 2)
    land(tmp_path, "part-0", 3, hour=Hour("2025-01-02", "08"), complete=False)
    run = CliRunner().invoke
    words = ["--path", str(tmp_path), "--json"]
    listed = json.loads(run(commands.app, ["list", *words]).stdout)["hours"]
    assert [(each["hour"], each["rows"], each["complete"]) for each in listed] == [
        ("2025-01-02T07", 2, True),
        ("2025-01-02T08", 1, False),
    ]
    done = json.loads(run(commands.app, ["compact", *words]).stdout)["compacted"]
    assert [each["hour"] for each in done] == ["2025-01-02T07"]
    forced = run(commands.app, ["compact", "--older-than", "2h", *words]).stdout
    assert [each["hour"] for each in json.loads(forced)["compacted"]] == ["2025-01-02T08"]
    assert "2025-01-02T08" in run(commands.app, ["list", "--path", str(tmp_path)]).stdout
    wrong = run(commands.app, ["compact", "--older-than", "soon", *words])
    assert wrong.exit_code == 2
    absent = run(commands.app, ["list", "--path", str(tmp_path / "no")])
    assert absent.exit_code == 1
    assert "no such folder" in absent.stderr


def test_a_damaged_file_is_named_and_nothing_is_deleted(tmp_path: Path) -> None:
    folder = land(tmp_path, "part-0", 1)
    (folder / "part-1").write_bytes(b"PAR1 nonsense")
    with pytest.raises(LakeError, match=r"hour=07: "):
        compact_hour(tmp_path, SAMPLES, HOUR, NOW)
    assert len(landing(tmp_path, SAMPLES, HOUR).files()) == 2
