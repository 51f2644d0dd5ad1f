"""One row of a public log: what was asked, what was shown, and what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from online_model.datasets.text_table import DatasetError


@dataclass(frozen=True, slots=True)
class ClickRow:
    """An impression at ``position`` (1 = top) of page ``page`` and whether it was clicked.

    Empty cells are left out of the maps. ``ts_ms`` and ``click_ms`` are None where the log does
    not tell; rows of one page were shown together.
    """

    page: int
    user_id: str
    ad_id: str
    label: int
    context: Mapping[str, str]
    ad_attributes: Mapping[str, str]
    user_attributes: Mapping[str, str] = field(default_factory=dict)
    position: int = 1
    ts_ms: int | None = None
    click_ms: int | None = None


def label_of(path: Path, line: int, column: str, text: str) -> int:
    """0 or 1. Raises DatasetError naming the line and the column."""
    if text not in ("0", "1"):
        raise DatasetError(f"{path}, line {line}: {column} is 0 or 1, got {text!r}")
    return int(text)


def filled(cells: Mapping[str, str], columns: tuple[str, ...], missing: str = "") -> dict[str, str]:
    """The cells of some columns, without those that are empty or ``missing``."""
    return {name: cells[name] for name in columns if cells[name] not in ("", missing)}
