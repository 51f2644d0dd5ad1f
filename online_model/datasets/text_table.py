"""Text files, plain or gzip: tables with a header as dictionaries, and lines; faults name them."""

import csv
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


class DatasetError(ValueError):
    """A data set that is missing or malformed; the message names the file and the line."""


GZIP = b"\x1f\x8b"


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    """What a file is, its first bytes tell; a byte order mark is no part of the text."""
    try:
        with path.open("rb") as raw:
            packed = raw.read(len(GZIP)) == GZIP
        opened = gzip.open if packed else open
        with opened(path, "rt", encoding="utf-8-sig", newline="") as file:
            yield file
    except (OSError, EOFError, UnicodeDecodeError, csv.Error, zlib.error) as error:
        raise DatasetError(f"{path}: cannot be read: {error}") from None


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Line number (from 1) and text of each line that is not empty. Raises DatasetError."""
    with _opened(path) as file:
        for line, text in enumerate(file, start=1):
            if text.strip():
                yield line, text.rstrip("\r\n")


def read_table(
    path: Path, columns: tuple[str, ...], delimiter: str
) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number (the header is line 1) and cells by column, of a file with these columns.

    Raises DatasetError if a column is missing or a line has too few or too many cells.
    """
    with _opened(path) as file:
        reader = csv.DictReader(file, delimiter=delimiter)
        missing = [name for name in columns if name not in (reader.fieldnames or ())]
        if not reader.fieldnames:
            raise DatasetError(f"{path}: is empty, expected a header")
        if missing:
            raise DatasetError(f"{path}: expected a header with the column {missing[0]!r}")
        width = len(reader.fieldnames)
        for row in reader:
            line = reader.line_num
            if None in row or None in row.values():
                raise DatasetError(f"{path}, line {line}: expected {width} cells")
            yield line, row
