"""Criteo display ads as requests, ads and labels: row → context, ad attributes, click.

The log has neither users nor ads: the 13 integers are taken as the request's context, the 26
categories as the ad's attributes. An ad is its categories; each row is a user of its own.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import xxhash

from online_model.datasets.text_table import DatasetError, read_table

INTEGERS = tuple(f"I{number}" for number in range(1, 14))
CATEGORIES = tuple(f"C{number}" for number in range(1, 27))
COLUMNS = ("row_id", "block", "label", *INTEGERS, *CATEGORIES)


@dataclass(frozen=True, slots=True)
class CriteoRow:
    """One impression and whether it was clicked. Empty cells are left out of both maps."""

    row_id: int
    block: int
    label: int
    context: Mapping[str, str]
    ad_attributes: Mapping[str, str]

    @property
    def request_id(self) -> str:
        """Unique in the file."""
        return f"criteo-{self.row_id}"

    @property
    def user_id(self) -> str:
        """Unique in the file: the log does not tell users."""
        return f"criteo-user-{self.row_id}"

    @property
    def ad_id(self) -> str:
        """The same for the same categories."""
        text = "\t".join(self.ad_attributes.get(name, "") for name in CATEGORIES)
        return f"criteo-ad-{xxhash.xxh3_64_hexdigest(text.encode())}"


def read_rows(path: Path) -> Iterator[CriteoRow]:
    """Rows in the order of a ``train.tsv[.gz]``. Raises DatasetError naming the line."""
    for line, cells in read_table(path, COLUMNS, "\t"):
        try:
            row_id, block, label = (int(cells[name]) for name in ("row_id", "block", "label"))
        except ValueError as error:
            raise DatasetError(f"{path}, line {line}: {error}") from None
        if label not in (0, 1):
            raise DatasetError(f"{path}, line {line}: label is 0 or 1, got {label}")
        yield CriteoRow(
            row_id=row_id,
            block=block,
            label=label,
            context={name: cells[name] for name in INTEGERS if cells[name]},
            ad_attributes={name: cells[name] for name in CATEGORIES if cells[name]},
        )
