"""TalkingData as requests, ads and labels: an ad click is the row, an install is what follows.

The log tells both times (UTC, seconds), so its delays are real ones.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from online_model.datasets.click_row import ClickRow, filled, label_of
from online_model.datasets.text_table import DatasetError, read_table

CONTEXT_COLUMNS = ("device", "os", "channel")
COLUMNS = ("ip", "app", *CONTEXT_COLUMNS, "click_time", "attributed_time", "is_attributed")


def read_rows(path: Path) -> Iterator[ClickRow]:
    """Rows in the order of a ``….csv[.gz]``. Raises DatasetError naming the line."""
    for line, cells in read_table(path, COLUMNS, ","):
        ts_ms = _milliseconds(path, line, cells["click_time"])
        label = label_of(path, line, "is_attributed", cells["is_attributed"])
        if bool(label) != bool(cells["attributed_time"]):
            raise DatasetError(
                f"{path}, line {line}: attributed_time {cells['attributed_time']!r} and "
                f"is_attributed {label} do not fit"
            )
        click_ms = _milliseconds(path, line, cells["attributed_time"]) if label else None
        if click_ms is not None and click_ms < ts_ms:
            raise DatasetError(f"{path}, line {line}: attributed_time is before click_time")
        yield ClickRow(
            page=line,
            user_id=f"talkingdata-{cells['ip']}",
            ad_id=f"talkingdata-{cells['app']}",
            label=label,
            context={**filled(cells, CONTEXT_COLUMNS), "hour": str(ts_ms // 3_600_000 % 24)},
            ad_attributes={},
            ts_ms=ts_ms,
            click_ms=click_ms,
        )


def _milliseconds(path: Path, line: int, text: str) -> int:
    try:
        return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000
    except ValueError:
        raise DatasetError(
            f"{path}, line {line}: expected YYYY-MM-DD HH:MM:SS, got {text!r}"
        ) from None
