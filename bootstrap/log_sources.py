"""Public logs and the simulated world as logged rows."""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bootstrap.logged_rows import NO_CLICK, LoggedRow
from online_model.datasets import avazu, criteo, ipinyou, open_bandit, talkingdata, tiangong
from online_model.datasets.click_row import ClickRow
from streaming.adserver.settings import AdServerSettings
from streaming.adserver.world import World

LogName = Literal["criteo", "avazu", "ipinyou", "talkingdata", "tiangong", "open-bandit"]
#: Pages of logs without times are so far apart: 4,000 a day.
PAGE_MS = 21_600
#: Criteo's log is of seven days, of which its sample has some 80,000 rows.
CRITEO_ROW_MS = 7 * 86_400_000 // 80_000

Blocks = Container[int] | None
Reader = Callable[[Path, Blocks, int], Iterator[LoggedRow]]


@dataclass(frozen=True, slots=True)
class Log:
    """How a public log is read, and what it tells beyond labels."""

    features: str
    read: Reader
    has_blocks: bool = False
    has_click_times: bool = False


def criteo_rows(path: Path, blocks: Blocks = None, start_ms: int = 0) -> Iterator[LoggedRow]:
    """Rows of a Criteo file, of all blocks or some; the first of them is at ``start_ms``.

    Raises online_model.datasets.text_table.DatasetError, as all readers do.
    """
    first = None
    for index, row in enumerate(criteo.read_rows(path)):
        if blocks is not None and row.block not in blocks:
            continue
        first = index if first is None else first
        ts_ms = start_ms + (index - first) * CRITEO_ROW_MS
        yield LoggedRow(
            ts_ms=ts_ms,
            user_id=row.user_id,
            user_attributes={},
            context=row.context,
            ad_id=row.ad_id,
            ad_attributes=row.ad_attributes,
            position=1,
            label=row.label,
            click_ms=ts_ms if row.label else NO_CLICK,
            block=row.block,
        )


def open_bandit_rows(path: Path, _: Blocks = None, start_ms: int = 0) -> Iterator[LoggedRow]:
    """Rows of an Open Bandit file, which does not tell when clicks came."""
    for row in open_bandit.read_rows(path):
        yield LoggedRow(
            ts_ms=row.ts_ms,
            user_id=row.user_id,
            user_attributes={},
            context=row.context,
            ad_id=row.ad_id,
            ad_attributes=row.ad_attributes,
            position=row.position,
            label=row.label,
            click_ms=row.ts_ms if row.label else NO_CLICK,
        )


def _reader(read: Callable[[Path], Iterable[ClickRow]]) -> Reader:
    """Of a log of click rows; where it has no times, pages are PAGE_MS apart."""

    def rows(path: Path, _: Blocks = None, start_ms: int = 0) -> Iterator[LoggedRow]:
        first_page = None
        for row in read(path):
            first_page = row.page if first_page is None else first_page
            own_ms = start_ms + (row.page - first_page) * PAGE_MS
            ts_ms = own_ms if row.ts_ms is None else row.ts_ms
            click_ms = ts_ms if row.click_ms is None else row.click_ms
            yield LoggedRow(
                ts_ms=ts_ms,
                user_id=row.user_id,
                user_attributes=row.user_attributes,
                context=row.context,
                ad_id=row.ad_id,
                ad_attributes=row.ad_attributes,
                position=row.position,
                label=row.label,
                click_ms=click_ms if row.label else NO_CLICK,
            )

    return rows


LOGS: Mapping[LogName, Log] = {
    "criteo": Log("criteo_rates", criteo_rows, has_blocks=True),
    "avazu": Log("avazu", _reader(avazu.read_rows)),
    "ipinyou": Log("ipinyou", _reader(ipinyou.read_rows)),
    "talkingdata": Log("talkingdata", _reader(talkingdata.read_rows), has_click_times=True),
    "tiangong": Log("tiangong", _reader(tiangong.read_rows)),
    "open-bandit": Log("open_bandit", open_bandit_rows),
}


def world_rows(settings: AdServerSettings, rows: int, end_ms: int) -> Iterator[LoggedRow]:
    """That many impressions of the simulated world, just before its stream begins."""
    for row in World(settings.seed, settings).history(rows, end_ms):
        yield LoggedRow(
            ts_ms=row.ts,
            user_id=row.user_id,
            user_attributes=row.user_attributes,
            context=row.context,
            ad_id=row.ad_id,
            ad_attributes=row.ad_attributes,
            position=row.position,
            label=row.label,
            click_ms=NO_CLICK if row.click_ts is None else row.click_ts,
        )
