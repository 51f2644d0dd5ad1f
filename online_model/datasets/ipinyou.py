"""iPinYou real-time bidding as requests, ads and labels: row → context, creative, click.

``null`` and ``Na`` stand for unknown. The log tells weekday and hour, no order of time beyond that
of its lines (Zhang et al., arXiv 1407.7073).
"""

from collections.abc import Iterator
from pathlib import Path

from online_model.datasets.click_row import ClickRow, filled, label_of
from online_model.datasets.text_table import read_table

USER_COLUMNS = ("region", "city")
AD_COLUMNS = ("creative", "advertiser")
CONTEXT_COLUMNS = (
    "weekday",
    "hour",
    "useragent",
    "adexchange",
    "domain",
    "slotid",
    "slotwidth",
    "slotheight",
    "slotvisibility",
    "slotformat",
    "slotprice",
)
COLUMNS = ("click", "IP", *USER_COLUMNS, *CONTEXT_COLUMNS, *AD_COLUMNS)


def read_rows(path: Path) -> Iterator[ClickRow]:
    """Rows in the order of a ``….csv[.gz]``. Raises DatasetError naming the line."""
    for line, cells in read_table(path, COLUMNS, ","):
        context = filled(cells, CONTEXT_COLUMNS, missing="null")
        yield ClickRow(
            page=line,
            user_id=f"ipinyou-{cells['IP']}-{cells['useragent']}",
            ad_id=f"ipinyou-{cells['creative']}",
            label=label_of(path, line, "click", cells["click"]),
            context={name: value for name, value in context.items() if value != "Na"},
            ad_attributes=filled(cells, AD_COLUMNS, missing="null"),
            user_attributes={
                **filled(cells, USER_COLUMNS, missing="null"),
                "network": cells["IP"],
            },
        )
