"""Which rows of a log are meant: from one row, or share of the rows, to another."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from bootstrap.logged_rows import LoggedRow


class RowRangeError(ValueError):
    """A range that cannot be meant; the message names the option."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows [first, end) in the order of a log; ``end`` None: to its end.

    With ``percent`` both are hundredths of the rows there are.
    """

    first: float = 0
    end: float | None = None
    percent: bool = False

    @classmethod
    def parse(cls, text: str, option: str = "--rows") -> "Rows":
        """From ``A:B``, ``A:``, ``:B`` or ``B``, or the same with ``%`` after each number; empty
        means all. Raises RowRangeError."""
        first, colon, end = text.partition(":")
        if not colon:
            first, end = "", first
        percent = "%" in text
        if percent and not all(part.endswith("%") for part in (first, end) if part):
            raise RowRangeError(f"{option} {text}: % after both numbers or none")
        number = float if percent else int
        try:
            low, high = (number(part.removesuffix("%")) if part else None for part in (first, end))
        except ValueError:
            raise RowRangeError(
                f"{option} {text}: expected A:B, two row numbers, or A%:B%"
            ) from None
        rows = cls(low or 0, high, percent)
        if rows.first < 0 or (rows.end is not None and rows.end <= rows.first):
            raise RowRangeError(f"{option} {text}: expected 0 ≤ A < B")
        if percent and max(rows.first, rows.end or 0) > 100:
            raise RowRangeError(f"{option} {text}: expected at most 100%")
        return rows

    @property
    def count(self) -> int | None:
        """How many rows are meant; None: not known before the log is read."""
        return None if self.end is None or self.percent else int(self.end - self.first)

    def of(self, rows: Iterable[LoggedRow]) -> list[LoggedRow]:
        """The rows in memory."""
        if not self.percent:
            return list(islice(rows, int(self.first), None if self.end is None else int(self.end)))
        there = list(rows)
        end = 100.0 if self.end is None else self.end
        return there[round(len(there) * self.first / 100) : round(len(there) * end / 100)]

    def before(self, other: "Rows") -> bool:
        """Whether these rows end before the others begin, in whichever log."""
        return self.percent == other.percent and self.end is not None and self.end <= other.first


ALL_ROWS = Rows()
