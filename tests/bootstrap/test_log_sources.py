"""Public logs and the world as logged rows: nothing of a row is lost or made up."""

from pathlib import Path

import pytest

from bootstrap.log_sources import CRITEO_ROW_MS, criteo_rows, open_bandit_rows, world_rows
from bootstrap.logged_rows import NO_CLICK
from online_model.datasets.criteo import read_rows
from online_model.datasets.text_table import DatasetError
from streaming.adserver.settings import AdServerSettings
from tests.bootstrap.small_logs import write_criteo, write_open_bandit


@pytest.mark.parametrize("name", ["train.tsv", "train.tsv.gz"])
def test_criteo_rows_are_those_of_the_file(tmp_path: Path, name: str) -> None:
    path = write_criteo(tmp_path / name, 30)
    rows = list(criteo_rows(path))
    for number, (row, raw) in enumerate(zip(rows, read_rows(path), strict=True)):
        assert row.ts_ms == CRITEO_ROW_MS * number
        assert row.user_id == f"criteo-user-{number}"
        assert (row.context, row.ad_attributes) == (raw.context, raw.ad_attributes)
        assert "I13" not in row.context, "an empty cell is missing"
        assert row.label == raw.label
        assert row.click_ms == (row.ts_ms if raw.label else NO_CLICK)
    assert {row.label for row in rows} == {0, 1}


def test_criteo_blocks_keep_their_times(tmp_path: Path) -> None:
    path = write_criteo(tmp_path / "train.tsv", 30, block_rows=10)
    times = [row.ts_ms for row in criteo_rows(path, {1, 3})]
    assert times == [CRITEO_ROW_MS * number for number in (*range(10), *range(20, 30))]
    assert [row.ts_ms for row in criteo_rows(path, {3})] == times[:10], "the first begins the log"
    assert list(criteo_rows(path, {4})) == []


def test_open_bandit_rows_are_those_of_the_file(tmp_path: Path) -> None:
    rows = list(open_bandit_rows(write_open_bandit(tmp_path, [0, 1, 0])))
    start = 1_574_553_600_500
    assert [row.ts_ms for row in rows] == [start, start + 1000, start + 2000]
    assert [row.ad_id for row in rows] == ["item-0", "item-1", "item-2"]
    assert [row.position for row in rows] == [1, 2, 3]
    assert [row.click_ms for row in rows] == [NO_CLICK, start + 1000, NO_CLICK]
    assert rows[1].context["user_feature_0"] == "p1"
    assert rows[1].ad_attributes["item_feature_0"] == "0.5"


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    path = write_criteo(tmp_path / "train.tsv", 5)
    lines = path.read_text().splitlines()
    lines[3] = lines[3].replace("2\t1\t", "2\tone\t", 1)
    path.write_text("\n".join(lines))
    with pytest.raises(DatasetError, match=r"train\.tsv, line 4: .*'one'"):
        list(criteo_rows(path))
    with pytest.raises(DatasetError, match="expected a header with the column"):
        list(open_bandit_rows(write_open_bandit(tmp_path, [1]).parent / "item_context.csv"))


def test_world_rows_are_clicked_as_the_world_has_it() -> None:
    settings = AdServerSettings(world_users=50, world_ads=40)
    rows = list(world_rows(settings, 2003, 1_700_000_000_000))
    assert len(rows) == 2003
    assert [row.label for row in rows] == [int(row.click_ms != NO_CLICK) for row in rows]
    assert all(row.click_ms == NO_CLICK or row.click_ms >= row.ts_ms for row in rows)
    assert 0.02 < sum(row.label for row in rows) / len(rows) < 0.5
    assert {row.position for row in rows} == {1, 2, 3, 4, 5}
    assert rows == list(world_rows(settings, 2003, 1_700_000_000_000))
