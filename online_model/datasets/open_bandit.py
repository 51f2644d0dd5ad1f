"""Open Bandit (ZOZOTOWN) as requests, ads and labels: row → context, item, slot, click.

Each row is one slot of a page, with its time and the exact propensity of the logging policy
(Saito et al., arXiv 2008.07146). The log does not tell users: each row is a user of its own.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from online_model.datasets.click_row import label_of
from online_model.datasets.text_table import DatasetError, read_table

USER_FEATURES = tuple(f"user_feature_{number}" for number in range(4))
ITEM_FEATURES = tuple(f"item_feature_{number}" for number in range(4))
ITEMS_FILE = "item_context.csv"
_COLUMNS = ("", "timestamp", "item_id", "position", "click", "propensity_score", *USER_FEATURES)


@dataclass(frozen=True, slots=True)
class OpenBanditRow:
    """One impression at ``position`` (1 = first) and whether it was clicked."""

    row_id: int
    ts_ms: int
    item_id: int
    position: int
    label: int
    propensity: float
    context: Mapping[str, str]
    ad_attributes: Mapping[str, str]

    @property
    def request_id(self) -> str:
        """Unique in the file."""
        return f"open-bandit-{self.row_id}"

    @property
    def user_id(self) -> str:
        """Unique in the file: the log does not tell users."""
        return f"open-bandit-user-{self.row_id}"

    @property
    def ad_id(self) -> str:
        """The item; ids mean the same within one campaign only."""
        return f"item-{self.item_id}"


def read_items(path: Path) -> dict[int, dict[str, str]]:
    """Attributes of each item of an ``item_context.csv``. Raises DatasetError."""
    return {
        _integer(path, line, cells["item_id"]): {name: cells[name] for name in ITEM_FEATURES}
        for line, cells in read_table(path, ("item_id", *ITEM_FEATURES), ",")
    }


def read_rows(path: Path) -> Iterator[OpenBanditRow]:
    """Rows by time of a campaign's ``….csv[.gz]``; its items are read from the file beside it.

    Raises DatasetError naming the file and the line.
    """
    items = read_items(path.parent / ITEMS_FILE)
    for line, cells in read_table(path, _COLUMNS, ","):
        item_id = _integer(path, line, cells["item_id"])
        if item_id not in items:
            raise DatasetError(f"{path}, line {line}: item {item_id} is not in {ITEMS_FILE}")
        try:
            moment = datetime.fromisoformat(cells["timestamp"])
            propensity = float(cells["propensity_score"])
        except ValueError as error:
            raise DatasetError(f"{path}, line {line}: {error}") from None
        yield OpenBanditRow(
            row_id=_integer(path, line, cells[""]),
            ts_ms=round(moment.timestamp() * 1000),
            item_id=item_id,
            position=_integer(path, line, cells["position"]),
            label=label_of(path, line, "click", cells["click"]),
            propensity=propensity,
            context={name: cells[name] for name in USER_FEATURES},
            ad_attributes=items[item_id],
        )


def _integer(path: Path, line: int, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise DatasetError(f"{path}, line {line}: expected a whole number, got {text!r}") from None
