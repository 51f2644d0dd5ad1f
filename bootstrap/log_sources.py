"""Public logs and the simulated world as logged rows, one function each."""

from collections.abc import Container, Iterator
from pathlib import Path

from bootstrap.logged_rows import NO_CLICK, LoggedRow
from online_model.datasets import criteo, open_bandit
from streaming.adserver.settings import AdServerSettings
from streaming.adserver.world import World


def criteo_rows(
    path: Path, row_ms: int, blocks: Container[int] | None = None, start_ms: int = 0
) -> Iterator[LoggedRow]:
    """Rows of a Criteo file, of all blocks or some; the log has no times, so ``row_ms`` apart.

    The first row of the file is at ``start_ms``.

    Raises online_model.datasets.text_table.DatasetError.
    """
    for index, row in enumerate(criteo.read_rows(path)):
        if blocks is not None and row.block not in blocks:
            continue
        ts_ms = start_ms + index * row_ms
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
        )


def open_bandit_rows(path: Path) -> Iterator[LoggedRow]:
    """Rows of an Open Bandit file, which does not tell when clicks came.

    Raises online_model.datasets.text_table.DatasetError.
    """
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
