"""Tiangong-ST result pages (Chen et al., CIKM'19): session, query, documents, verticals, clicks.

A line is a page; each of its documents is a row at its rank. Session is the user, query the
context, and documents are what is ranked.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from online_model.datasets.click_row import ClickRow
from online_model.datasets.text_table import DatasetError, read_lines

PAGE = "session, query, [documents], [verticals], [clicks], with tabs between"


def read_rows(path: Path) -> Iterator[ClickRow]:
    """Rows of a ``…_per_query_quid.txt[.gz]``, page after page. Raises DatasetError."""
    for line, text in read_lines(path):
        cells = text.split("\t")
        if len(cells) != 5:
            raise DatasetError(f"{path}, line {line}: expected {PAGE}")
        session, query = cells[:2]
        documents, verticals, clicks = (_integers(path, line, cell) for cell in cells[2:])
        if not len(documents) == len(verticals) == len(clicks):
            raise DatasetError(
                f"{path}, line {line}: {len(documents)} documents, {len(verticals)} verticals "
                f"and {len(clicks)} clicks; expected as many of each"
            )
        if not set(clicks) <= {0, 1}:
            raise DatasetError(f"{path}, line {line}: a click is 0 or 1, got {cells[4]}")
        for rank, document in enumerate(documents, start=1):
            yield ClickRow(
                page=line,
                user_id=f"tiangong-{session}",
                ad_id=f"document-{document}",
                label=clicks[rank - 1],
                context={"query": query},
                ad_attributes={"vertical": str(verticals[rank - 1])},
                position=rank,
            )


def _integers(path: Path, line: int, text: str) -> list[int]:
    try:
        values = json.loads(text)
    except ValueError:
        values = None
    if not isinstance(values, list) or not all(type(value) is int for value in values):
        raise DatasetError(f"{path}, line {line}: expected a list of numbers, got {text!r}")
    return values
