"""Avazu mobile ads as requests, ads and labels: row → context, ad attributes, click.

``banner_pos`` is the slot that the page asked for, known before anything is ranked, so it is
context and no rank. C14 is the finest attribute of an ad and taken as its id. The log tells the
hour of the day, no order of time beyond that of its lines.
"""

from collections.abc import Iterator
from pathlib import Path

from online_model.datasets.click_row import ClickRow, filled, label_of
from online_model.datasets.text_table import DatasetError, read_table

AD_COLUMNS = ("C14", "C17", "C18", "C19", "C20", "C21")
CONTEXT_COLUMNS = (
    "hour",
    "C1",
    "banner_pos",
    "site_id",
    "site_domain",
    "site_category",
    "app_id",
    "app_domain",
    "app_category",
    "device_id",
    "device_model",
    "device_type",
    "device_conn_type",
    "C15",
    "C16",
)
COLUMNS = ("click", *CONTEXT_COLUMNS, *AD_COLUMNS)
UNKNOWN_DEVICE = "a99f214a"


def read_rows(path: Path) -> Iterator[ClickRow]:
    """Rows in the order of a ``….csv[.gz]``. Raises DatasetError naming the line."""
    for line, cells in read_table(path, COLUMNS, ","):
        hour = cells["hour"][-2:]  # 02, or YYMMDDHH in the full log
        if not hour.isdigit() or int(hour) > 23:
            raise DatasetError(f"{path}, line {line}: hour is HH or YYMMDDHH, got {cells['hour']}")
        device = cells["device_id"]
        known = device != UNKNOWN_DEVICE
        yield ClickRow(
            page=line,
            user_id=f"avazu-{device}" if known else f"avazu-row-{line}",
            ad_id=f"avazu-{cells['C14']}",
            label=label_of(path, line, "click", cells["click"]),
            context={
                **filled(cells, CONTEXT_COLUMNS),
                "hour": str(int(hour)),
                "device_id": device if known else "",
            },
            ad_attributes=filled(cells, AD_COLUMNS, missing="-1"),
        )
