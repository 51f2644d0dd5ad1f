"""What was refused: by reason, the newest of it, and back to where it came from."""

from typing import Any

from starlette.requests import Request
from starlette.routing import Route

from deploy.console.answers import InputError, Values, done, shown, text
from deploy.console.engine import Engine
from schemas.topics import DEAD_LETTERS
from streaming import dead_letters
from streaming.dead_letter_topic import DeadLetters, Resubmitter
from streaming.dead_letters import SOURCES, Choice, Row
from streaming.readiness import require_topics

NEWEST = 50
SEND_SECONDS = 20.0


def letters(engine: Engine, request: Request) -> Values:
    """Counts of the whole topic, and its newest letters, newest first."""
    reason = request.query_params.get("reason") or None
    topic = _topic(engine)
    counts = dead_letters.count(topic.read())
    rows, _ = dead_letters.newest(topic.read(), Choice(reason), NEWEST)
    return {
        "reason": reason,
        "unreadable": counts.unreadable,
        "counts": [
            {
                "reason": code,
                "topic": name,
                "count": number,
                "resubmitted": counts.resubmitted[code, name],
                "may_be_sent": name in SOURCES,
            }
            for (code, name), number in counts.letters.most_common()
        ],
        "newest": [_row(row) for row in reversed(rows)],
    }


def resubmit(engine: Engine, body: Values) -> Values:
    """Send the bytes of a reason back to a topic, each record once."""
    choice = Choice(text(body, "reason"), text(body, "topic"))
    if choice.topic not in SOURCES:
        raise InputError(f"topic: {choice.topic} is not one of {', '.join(SOURCES)}")
    topic = _topic(engine)
    waiting = dead_letters.waiting(topic.read(), choice, dead_letters.sent_back(topic.read()))
    outcome = Resubmitter(engine.shared.kafka, DEAD_LETTERS.name, SEND_SECONDS).send(waiting)
    sent, unmarked = sum(outcome.sent.values()), outcome.unmarked
    fault = (
        outcome.fault and f"{outcome.fault}; {sent} were sent, {unmarked} of them would be again"
    )
    not_taken = sum(outcome.not_taken.values())
    return {"sent": sent, "not_taken": not_taken, "unmarked": unmarked, "fault": fault}


def _topic(engine: Engine) -> DeadLetters:
    timeout = engine.settings.timeout_seconds
    require_topics(engine.shared.kafka, (DEAD_LETTERS,), timeout)
    return DeadLetters(engine.shared.kafka, DEAD_LETTERS.name, timeout)


def _row(row: Row) -> dict[str, Any]:
    topic, partition, offset = row.place
    return {
        "ts_ms": row.ts_ms,
        "reason": row.reason,
        "topic": topic,
        "partition": partition,
        "offset": offset,
        "bytes": row.size_bytes,
        "key": None if row.key is None else row.key.decode(errors="backslashreplace"),
        "begin": row.begin.hex(" "),
        "resubmitted": row.resubmitted,
    }


routes = [
    Route("/api/dead-letters", shown(letters)),
    Route("/api/dead-letters/resubmit", done("resubmit", resubmit), methods=["POST"]),
]
