"""Dead letters as an operator sees them: choose, list and count them, find those to send back.

A letter that was sent back is followed by a mark in the same topic: a letter of the same place,
without bytes, whose reason is ``resubmitted:`` and the first reason.
"""

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from schemas.avro_codec import DecodeError
from schemas.records import DeadLetter
from schemas.topics import ADS, CLICKS, IMPRESSIONS, USERS

SOURCES = (IMPRESSIONS.name, CLICKS.name, ADS.name, USERS.name)
MARK = "resubmitted: "
SHOWN_BYTES = 48

Place = tuple[str, int, int]
"""Topic, partition and offset of a refused record."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter, or with ``is_mark`` the mark that one was sent back.

    ``partition``, ``offset`` and ``ts_ms`` are of the letter; ``place`` is of the refused record.
    """

    partition: int
    offset: int
    ts_ms: int
    key: bytes | None
    place: Place
    reason: str
    is_mark: bool
    value: bytes

    @property
    def code(self) -> str:
        """The part of the reason before the colon."""
        return self.reason.partition(":")[0]

    @property
    def topic(self) -> str:
        """Where the refused record came from."""
        return self.place[0]

    @property
    def came_from_a_source(self) -> bool:
        """Whether it may be sent back."""
        return self.topic in SOURCES

    def mark(self) -> bytes:
        """The record that says that this letter was sent back."""
        return DeadLetter(*self.place, MARK + self.reason, b"").encode()


def letter_of(
    value: bytes | None, *, key: bytes | None, partition: int, offset: int, ts_ms: int
) -> Letter | None:
    """From a record of the topic; None if its value is no dead letter."""
    try:
        record = DeadLetter.decode(value or b"")
    except DecodeError:
        return None
    return Letter(
        partition=partition,
        offset=offset,
        ts_ms=ts_ms,
        key=key,
        place=(record.topic, record.partition, record.offset),
        reason=record.reason.removeprefix(MARK),
        is_mark=record.reason.startswith(MARK),
        value=record.value,
    )


@dataclass(frozen=True, slots=True)
class Choice:
    """Which letters are meant; ``at`` is partition and offset of the refused record."""

    code: str | None = None
    topic: str | None = None
    at: tuple[int, int] | None = None

    def takes(self, letter: Letter) -> bool:
        """Whether a letter, or the letter of a mark, is meant."""
        return (
            self.code in (None, letter.code)
            and self.topic in (None, letter.topic)
            and self.at in (None, letter.place[1:])
        )


@dataclass(frozen=True, slots=True)
class Row:
    """What is shown of a letter; ``begin`` are the first bytes that were refused."""

    ts_ms: int
    reason: str
    place: Place
    size_bytes: int
    key: bytes | None
    resubmitted: bool
    begin: bytes


def newest(letters: Iterable[Letter | None], choice: Choice, limit: int) -> tuple[list[Row], int]:
    """The last ``limit`` chosen letters, newest last, and how many records are unreadable.

    Holds ``limit`` rows, and the places of what was sent back.
    """
    unreadable = 0
    sent_back: set[Place] = set()
    kept: list[tuple[int, int, int, Row]] = []
    for letter in letters:
        if letter is None:
            unreadable += 1
        elif not choice.takes(letter):
            continue
        elif letter.is_mark:
            sent_back.add(letter.place)
        else:
            size, begin = len(letter.value), letter.value[:SHOWN_BYTES]
            row = Row(letter.ts_ms, letter.reason, letter.place, size, letter.key, False, begin)
            entry = (letter.ts_ms, letter.partition, letter.offset, row)
            (heapq.heappush if len(kept) < limit else heapq.heappushpop)(kept, entry)
    rows = [row for *_, row in sorted(kept, key=lambda entry: entry[:3])]
    return [replace(row, resubmitted=row.place in sent_back) for row in rows], unreadable


@dataclass(slots=True)
class Counts:
    """Letters, and those sent back, by reason code and topic."""

    letters: Counter[tuple[str, str]] = field(default_factory=Counter)
    resubmitted: Counter[tuple[str, str]] = field(default_factory=Counter)
    unreadable: int = 0


def count(letters: Iterable[Letter | None]) -> Counts:
    """Count the whole topic."""
    counts = Counts()
    for letter in letters:
        if letter is None:
            counts.unreadable += 1
        else:
            counter = counts.resubmitted if letter.is_mark else counts.letters
            counter[letter.code, letter.topic] += 1
    return counts


def sent_back(letters: Iterable[Letter | None]) -> set[Place]:
    """The places that have a mark."""
    return {letter.place for letter in letters if letter is not None and letter.is_mark}


def waiting(letters: Iterable[Letter | None], choice: Choice, done: set[Place]) -> Iterator[Letter]:
    """The chosen letters whose places are not in ``done``, each place once; adds them to it."""
    for letter in letters:
        if letter is None or letter.is_mark or not choice.takes(letter) or letter.place in done:
            continue
        done.add(letter.place)
        yield letter
