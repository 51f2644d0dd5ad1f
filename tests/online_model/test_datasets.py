"""Readers of public logs: what a line becomes, and which fault of which line is named."""

import gzip
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from online_model.datasets import avazu, ipinyou, talkingdata, tiangong
from online_model.datasets.click_row import ClickRow
from online_model.datasets.text_table import DatasetError
from schemas.features import Categorical, FeatureSpec, Numeric

Read = Callable[[Path], Iterable[ClickRow]]

AVAZU = (
    f"{','.join(avazu.COLUMNS)}\n"
    "1,14102107,1005,1,s,sd,sc,a,ad,ac,a99f214a,m,1,0,320,50,23173,2668,0,35,-1,221\n"
)
IPINYOU = (
    f"{','.join(ipinyou.COLUMNS)}\n"
    "0,60.22.69.*,40,null,2,18,android_safari,null,d,1,320,50,FirstView,Na,1-10,11908,2997\n"
)
TALKINGDATA = (
    f"{','.join(talkingdata.COLUMNS)}\n"
    "9,19,0,24,347,2017-11-06 17:00:27,2017-11-06 23:58:31,1\n"
    "9,12,1,19,178,2017-11-06 17:00:28,,0\n"
)
TIANGONG = "460\t798\t[7, 8]\t[1, 3]\t[0, 1]\n\n461\t8\t[9]\t[1]\t[0]\n"


def rows(read: Read, folder: Path, text: str) -> list[ClickRow]:
    path = folder / "log.txt"
    path.write_text(text)
    return list(read(path))


def test_avazu(tmp_path: Path) -> None:
    (row,) = rows(avazu.read_rows, tmp_path, AVAZU)
    assert (row.label, row.ad_id, row.user_id) == (1, "avazu-23173", "avazu-row-2")
    assert row.context["hour"] == "7"
    assert row.context["banner_pos"] == "1"
    assert row.context["device_id"] == "", "the device that stands for unknown"
    assert row.ad_attributes == {
        "C14": "23173",
        "C17": "2668",
        "C18": "0",
        "C19": "35",
        "C21": "221",
    }


@pytest.mark.parametrize("name", ["log.csv", "log.csv.gz"])
def test_a_file_is_what_its_bytes_say(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"\xef\xbb\xbf" + AVAZU.replace("\n", "\r\n").encode())
    plain = list(avazu.read_rows(path))
    assert len(plain) == 1
    path.write_bytes(gzip.compress(AVAZU.encode()))
    assert list(avazu.read_rows(path)) == plain
    damaged = bytearray(gzip.compress(AVAZU.encode()))
    damaged[20:40] = bytes(20)
    path.write_bytes(damaged)
    with pytest.raises(DatasetError, match="cannot be read"):
        list(avazu.read_rows(path))


def test_ipinyou(tmp_path: Path) -> None:
    (row,) = rows(ipinyou.read_rows, tmp_path, IPINYOU)
    assert row.user_attributes == {"region": "40", "network": "60.22.69.*"}
    assert row.context.keys().isdisjoint({"adexchange", "slotformat"}), "unknown is left out"
    assert row.context["slotprice"] == "1-10"
    assert row.ad_attributes == {"creative": "11908", "advertiser": "2997"}


def test_talkingdata(tmp_path: Path) -> None:
    installed, not_installed = rows(talkingdata.read_rows, tmp_path, TALKINGDATA)
    assert installed.ts_ms == 1_509_987_627_000
    assert installed.click_ms == 1_510_012_711_000
    assert (installed.label, not_installed.label, not_installed.click_ms) == (1, 0, None)
    assert installed.context["hour"] == "17"
    assert installed.user_id == not_installed.user_id == "talkingdata-9"


def test_tiangong(tmp_path: Path) -> None:
    first, second, third = rows(tiangong.read_rows, tmp_path, TIANGONG)
    assert (first.position, second.position, third.position) == (1, 2, 1)
    assert first.page == second.page != third.page
    assert (second.ad_id, second.label) == ("document-8", 1)
    assert second.ad_attributes == {"vertical": "3"}
    assert (second.user_id, second.context) == ("tiangong-460", {"query": "798"})


@pytest.mark.parametrize(
    ("read", "text", "said"),
    [
        (avazu.read_rows, AVAZU.replace("\n1,", "\n2,"), "line 2: click is 0 or 1, got '2'"),
        (avazu.read_rows, AVAZU.replace("14102107", "25"), "line 2: hour is HH or YYMMDDHH"),
        (avazu.read_rows, AVAZU.replace("click", "clicked"), "a header with the column 'click'"),
        (avazu.read_rows, "", "is empty, expected a header"),
        (avazu.read_rows, AVAZU + "\n\n1\n", "line 5: expected 22 cells"),
        (avazu.read_rows, AVAZU + "x" * 200_000, "cannot be read: field larger than"),
        (ipinyou.read_rows, IPINYOU.replace("0,60", ",60"), "line 2: click is 0 or 1, got ''"),
        (ipinyou.read_rows, IPINYOU.replace(",Na", ""), "line 2: expected 17 cells"),
        (
            talkingdata.read_rows,
            TALKINGDATA.replace("2017-11-06 17:00:28", "soon"),
            "line 3: expected YYYY-MM-DD HH:MM:SS, got 'soon'",
        ),
        (talkingdata.read_rows, TALKINGDATA.replace(",,0", ",,1"), "line 3: attributed_time ''"),
        (
            talkingdata.read_rows,
            TALKINGDATA.replace("2017-11-06 23", "2017-11-05 23"),
            "line 2: attributed_time is before click_time",
        ),
        (tiangong.read_rows, TIANGONG.replace("[0, 1]", "[0, 2]"), "line 1: a click is 0 or 1"),
        (tiangong.read_rows, TIANGONG.replace("[1, 3]", "[1]"), "line 1: 2 documents, 1 vert"),
        (tiangong.read_rows, TIANGONG.replace("[9]", "9"), "line 3: expected a list of numbers"),
        (tiangong.read_rows, "460 798\n", "line 1: expected session, query"),
    ],
)
def test_a_fault_names_its_line(tmp_path: Path, read: Read, text: str, said: str) -> None:
    with pytest.raises(DatasetError) as caught:
        rows(read, tmp_path, text)
    assert said in str(caught.value)
    assert "log.txt" in str(caught.value)


@pytest.mark.parametrize(
    ("read", "text", "name"),
    [
        (avazu.read_rows, AVAZU, "avazu"),
        (ipinyou.read_rows, IPINYOU, "ipinyou"),
        (talkingdata.read_rows, TALKINGDATA, "talkingdata"),
        (tiangong.read_rows, TIANGONG, "tiangong"),
    ],
)
def test_what_is_read_is_what_is_declared(tmp_path: Path, read: Read, text: str, name: str) -> None:
    """No key of a row is forgotten by the declaration; the position is the log's own."""
    spec = FeatureSpec.load(name)
    sources = {f.source for f in spec.features if isinstance(f, Categorical | Numeric)}
    for row in rows(read, tmp_path, text):
        assert {*row.context, *row.user_attributes, *row.ad_attributes} <= sources
