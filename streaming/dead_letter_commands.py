"""Records that were refused: list and count them, and send them back once they can be accepted."""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from confluent_kafka import KafkaException
from rich.console import Console
from rich.table import Table
from rich.text import Text

from schemas.settings import SettingsError, SharedSettings
from schemas.topics import ADS, CLICKS, DEAD_LETTERS, IMPRESSIONS, USERS
from streaming import dead_letters
from streaming.dead_letter_topic import DeadLetters, DeadLettersUnread, Resubmitter
from streaming.dead_letters import SOURCES, Choice, Row
from streaming.readiness import NotReady, require_topics
from streaming.settings import StreamingSettings

app = typer.Typer(help=__doc__, no_args_is_help=True, pretty_exceptions_enable=False)
SEND_SECONDS = 30.0


def _source(name: str | None) -> str | None:
    if name is not None and name not in SOURCES:
        raise typer.BadParameter(f"{name} is not one of {', '.join(SOURCES)}")
    return name


def _partition_and_offset(text: str) -> tuple[int, int]:
    partition, _, offset = text.partition(":")
    if not (partition.isdecimal() and offset.isdecimal()):
        raise typer.BadParameter(f"{text} is no partition and offset, e.g. 0:17")
    return int(partition), int(offset)


ReasonOption = Annotated[
    str | None, typer.Option("--reason", help="only this code, e.g. forged-token")
]
TopicOption = Annotated[
    str | None, typer.Option("--topic", help="only records of this topic", callback=_source)
]
JsonOption = Annotated[bool, typer.Option("--json", help="one JSON object on stdout")]


@app.command(name="list")
def list_letters(
    reason: ReasonOption = None,
    topic: TopicOption = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="only the newest")] = 50,
    as_json: JsonOption = False,
) -> None:
    """Show what was refused, newest last: where it lies, why, and whether it was sent back."""
    with _errors():
        letters = _letters(SharedSettings.load(), StreamingSettings.load())
        rows, unreadable = dead_letters.newest(letters.read(), Choice(reason, topic), limit)
    if as_json:
        print(
            json.dumps({"dead_letters": [_as_json(row) for row in rows], "unreadable": unreadable})
        )
        return
    table = Table("time", "reason", "topic", "partition", "offset", "bytes", "key", "sent back")
    for row in rows:
        shown = _as_json(row)
        shown["resubmitted"] = "yes" if row.resubmitted else ""
        # Keys and reasons hold what a stranger sent: no markup, no control characters.
        table.add_row(*(Text(_printable(str(value))) for value in shown.values()))
    Console().print(table)
    _tell_unreadable(unreadable)


@app.command()
def count(as_json: JsonOption = False) -> None:
    """Count what was refused, and what of it was sent back, by reason code and topic."""
    with _errors():
        letters = _letters(SharedSettings.load(), StreamingSettings.load())
        counts = dead_letters.count(letters.read())
    rows = [
        {
            "reason": code,
            "topic": topic,
            "count": number,
            "resubmitted": counts.resubmitted[code, topic],
        }
        for (code, topic), number in sorted(counts.letters.items())
    ]
    if as_json:
        print(json.dumps({"counts": rows, "unreadable": counts.unreadable}))
        return
    table = Table("reason", "topic", "count", "sent back")
    for row in rows:
        table.add_row(*(Text(_printable(str(value))) for value in row.values()))
    Console().print(table)
    _tell_unreadable(counts.unreadable)


@app.command()
def resubmit(
    reason: ReasonOption = None,
    topic: TopicOption = None,
    offset: Annotated[
        str | None,
        typer.Option("--offset", metavar="P:O", help="only what was refused at this place"),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
    as_json: JsonOption = False,
) -> None:
    """Send the original bytes back to where they came from, e.g. when a key was added.

    What was sent back before is not sent again; what is refused again is a new
    dead letter. Do not send back an ad or a user of which the topic has got a
    newer record since: compaction keeps the record that came last.
    """
    choice = Choice(reason, topic, None if offset is None else _partition_and_offset(offset))
    with _errors():
        shared, settings = SharedSettings.load(), StreamingSettings.load()
        letters = _letters(shared, settings)
        done = dead_letters.sent_back(letters.read())
        chosen = Counter[str]()
        for letter in dead_letters.waiting(letters.read(), choice, set(done)):
            chosen[letter.topic] += 1
        foreign = {name: chosen.pop(name) for name in [*chosen] if name not in SOURCES}
        for name, number in foreign.items():
            _tell(f"{number} of topic {_printable(name)} are not sent: no topic of events")
        if chosen and not yes and not _agreed(f"Send back {_numbers(chosen)}?"):
            _tell("nothing was sent back")
            raise typer.Exit(1)
        waiting = dead_letters.waiting(letters.read(), choice, done)
        resubmitter = Resubmitter(shared.kafka, DEAD_LETTERS.name, SEND_SECONDS)
        outcome = resubmitter.send(letter for letter in waiting if letter.came_from_a_source)
    if as_json:
        answer: dict[str, Any] = {
            "sent": outcome.sent,
            "not_taken": outcome.not_taken,
            "not_sent": foreign,
            "unmarked": outcome.unmarked,
        }
        print(json.dumps(answer))
    else:
        print(f"sent back: {_numbers(outcome.sent)}" if outcome.sent else "nothing was sent back")
    if outcome.unmarked:
        _tell(f"{outcome.unmarked} of these cannot be marked, and would be sent once more")
    if outcome.not_taken:
        _tell(f"Kafka did not take {_numbers(outcome.not_taken)}")
    if outcome.fault:
        _tell(outcome.fault)
        raise typer.Exit(1)


def _letters(shared: SharedSettings, settings: StreamingSettings) -> DeadLetters:
    needed = (DEAD_LETTERS, IMPRESSIONS, CLICKS, ADS, USERS)
    require_topics(shared.kafka, needed, settings.ready_timeout_seconds)
    return DeadLetters(shared.kafka, DEAD_LETTERS.name, settings.ready_timeout_seconds)


def _as_json(row: Row) -> dict[str, Any]:
    topic, partition, offset = row.place
    return {
        "time": datetime.fromtimestamp(row.ts_ms / 1000, UTC).isoformat(timespec="milliseconds"),
        "reason": row.reason,
        "topic": topic,
        "partition": partition,
        "offset": offset,
        "size_bytes": row.size_bytes,
        "key": None if row.key is None else row.key.decode(errors="backslashreplace"),
        "resubmitted": row.resubmitted,
    }


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _numbers(counter: Counter[str]) -> str:
    return ", ".join(f"{number} {topic}" for topic, number in sorted(counter.items()))


def _agreed(question: str) -> bool:
    # typer.confirm() writes a blank to stdout, which is for the answer alone.
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _tell_unreadable(number: int) -> None:
    if number:
        print(f"unreadable: {number}")


def _tell(text: str) -> None:
    print(f"streaming: {text}", file=sys.stderr)


@contextmanager
def _errors() -> Iterator[None]:
    """What an operator can act on is a message and exit code 1, not a trace."""
    try:
        yield
    except KafkaException as error:
        _tell(f"Kafka: {error.args[0].str()}")
        raise typer.Exit(1) from None
    except (SettingsError, NotReady, DeadLettersUnread) as error:
        _tell(str(error))
        raise typer.Exit(1) from None
