"""Dead letters on a real broker: listed, counted, sent back once. Each test has its own topic."""

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from typer.testing import CliRunner, Result

from deploy.local.ports import HOST, free_ports
from schemas.records import DeadLetter
from schemas.topics import DEAD_LETTERS, Topic
from streaming import dead_letter_commands
from streaming.dead_letter_topic import DeadLetters, DeadLettersUnread, Resubmitter
from streaming.dead_letters import Choice, letter_of, newest
from tests.streaming.dead_letter_box import Box

FORGED = "forged-token: no key k2"
UNKNOWN = "unknown-schema: fingerprint 00ff"


@pytest.fixture
def box(kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Box]:
    """An empty topic of two partitions that the commands take for the dead-letters."""
    name = f"dead-letters-{uuid.uuid4().hex}"
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
    for created in admin.create_topics([NewTopic(name, 2, 1)]).values():
        created.result(10)
    monkeypatch.setenv("CTR_KAFKA_BOOTSTRAP", kafka_bootstrap)
    monkeypatch.setattr(dead_letter_commands, "DEAD_LETTERS", Topic(name, "", "DeadLetter"))
    box = Box(kafka_bootstrap, name)
    box.watch()
    yield box
    for deleted in admin.delete_topics([name]).values():
        deleted.result(10)


def _run(*arguments: str, answer: str = "") -> Result:
    return CliRunner().invoke(dead_letter_commands.app, list(arguments), input=answer)


def _object(*arguments: str) -> dict[str, Any]:
    result = _run(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    (line,) = result.stdout.splitlines()
    answer: dict[str, Any] = json.loads(line)
    return answer


def _letter(
    offset: int, reason: str = FORGED, topic: str = "impressions", value: bytes = b"\x00bytes"
) -> bytes:
    return DeadLetter(topic, 1, offset, reason, value).encode()


def _offsets(answer: dict[str, Any]) -> list[int]:
    return [row["offset"] for row in answer["dead_letters"]]


def test_list_shows_the_newest_last(box: Box) -> None:
    box.put(_letter(1), partition=1)
    box.put(_letter(2, UNKNOWN, "clicks"), key=None)
    box.put(_letter(3), key=b"\xff[red]\x1b[2J")
    answer = _object("list")
    first, second, third = answer["dead_letters"]
    assert first.pop("time") <= second.pop("time") <= third.pop("time")
    assert second == {
        "reason": UNKNOWN,
        "topic": "clicks",
        "partition": 1,
        "offset": 2,
        "size_bytes": 6,
        "key": None,
        "resubmitted": False,
    }
    assert (first["offset"], third["offset"]) == (1, 3)
    assert third["key"] == "\\xff[red]\x1b[2J"
    table = _run("list").stdout
    assert "\x1b" not in table
    assert "clicks" in table


def test_list_keeps_what_was_asked_for(box: Box) -> None:
    box.put(*(_letter(offset) for offset in range(1_200)))
    box.put(_letter(5_000, UNKNOWN), _letter(5_001, topic="ads"), partition=1)
    assert _offsets(_object("list", "--limit", "2", "--topic", "impressions")) == [1_199, 5_000]
    assert _offsets(_object("list", "--reason", "forged-token", "--topic", "ads")) == [5_001]
    assert len(_offsets(_object("list"))) == 50
    assert _offsets(_object("list", "--reason", "forged")) == []


def test_an_empty_topic(box: Box) -> None:
    assert _object("list") == {"dead_letters": [], "unreadable": 0}
    assert _object("count") == {"counts": [], "unreadable": 0}
    result = _run("resubmit")
    assert (result.exit_code, result.stdout) == (0, "nothing was sent back\n")


def test_unreadable_records_are_counted(box: Box) -> None:
    box.put(b"junk", b"", None, _letter(1)[:-3], _letter(1))
    assert _object("count")["unreadable"] == 4
    assert _object("list")["unreadable"] == 4
    assert "unreadable: 4" in _run("count").stdout
    assert _object("resubmit", "--yes")["sent"] == {"impressions": 1}


def test_count_is_by_code_and_topic(box: Box) -> None:
    box.put(_letter(1), _letter(2, "forged-token: other"), _letter(3, UNKNOWN))
    box.put(_letter(4, topic="clicks"), partition=1)
    assert _object("resubmit", "--offset", "1:2", "--yes")["sent"] == {"impressions": 1}
    rows = [tuple(row.values()) for row in _object("count")["counts"]]
    assert rows == [
        ("forged-token", "clicks", 1, 0),
        ("forged-token", "impressions", 2, 1),
        ("unknown-schema", "impressions", 1, 0),
    ]
    assert "forged-token" in _run("count").stdout


def test_resubmit_sends_bytes_and_key_to_where_they_came_from(box: Box) -> None:
    box.put(_letter(1, value=b"\x01one"), key=b"\xffkey")
    box.put(_letter(2, topic="clicks", value=b""), key=None, partition=1)
    box.put(_letter(3, UNKNOWN), _letter(4, UNKNOWN, "ads"))
    answer = _object("resubmit", "--reason", "forged-token", "--yes")
    assert answer == {
        "sent": {"impressions": 1, "clicks": 1},
        "not_taken": {},
        "not_sent": {},
        "unmarked": 0,
    }
    assert [(m.topic(), m.partition(), m.key(), m.value()) for m in box.arrived()] == [
        ("impressions", 1, b"\xffkey", b"\x01one"),
        ("clicks", 1, None, b""),
    ]


def test_letters_that_were_deleted_are_passed_over(box: Box) -> None:
    box.put(*(_letter(offset) for offset in range(5)))
    box.put(_letter(9), partition=1)
    admin = AdminClient({"bootstrap.servers": box.bootstrap})
    deleted = admin.delete_records(
        [TopicPartition(box.topic, 0, 3), TopicPartition(box.topic, 1, 1)]
    )
    for answer in deleted.values():
        answer.result(10)
    assert _offsets(_object("list")) == [3, 4]


def test_a_second_run_sends_only_what_is_new(box: Box) -> None:
    box.put(_letter(1), _letter(1), _letter(2, UNKNOWN))
    assert _object("resubmit", "--reason", "forged-token", "--yes")["sent"] == {"impressions": 1}
    assert _object("resubmit", "--reason", "forged-token", "--yes")["sent"] == {}
    box.put(_letter(3, topic="users"), partition=1)
    assert _object("resubmit", "--yes")["sent"] == {"impressions": 1, "users": 1}
    assert _object("resubmit", "--yes")["sent"] == {}
    assert len(box.arrived()) == 3
    rows = _object("list")["dead_letters"]
    assert [(row["offset"], row["resubmitted"]) for row in rows] == [
        (1, True),
        (1, True),
        (2, True),
        (3, True),
    ]


def test_more_than_a_batch(box: Box) -> None:
    box.put(*(_letter(offset) for offset in range(1_100)))
    assert _object("resubmit", "--yes")["sent"] == {"impressions": 1_100}
    assert len(box.arrived()) == 1_100
    assert _object("resubmit", "--yes")["sent"] == {}


def test_it_asks_first(box: Box) -> None:
    box.put(_letter(1), _letter(2, topic="clicks"))
    for answer in ("n\n", ""):
        refused = _run("resubmit", "--json", answer=answer)
        assert refused.exit_code == 1
        assert refused.stdout == ""
        assert "Send back 1 clicks, 1 impressions?" in refused.stderr
    assert box.arrived() == []
    agreed = _run("resubmit", answer="y\n")
    assert (agreed.exit_code, agreed.stdout) == (0, "sent back: 1 clicks, 1 impressions\n")


def test_only_topics_of_events_are_sent_to(box: Box) -> None:
    box.put(_letter(1, topic="training-samples"), _letter(2))
    answer = _object("resubmit", "--yes")
    assert (answer["sent"], answer["not_sent"]) == ({"impressions": 1}, {"training-samples": 1})
    for command in ("list", "resubmit"):
        result = _run(command, "--topic", "engagements")
        assert result.exit_code == 2
        assert "engagements is not one of impressions" in result.stderr
    foreign = letter_of(_letter(1, topic="engagements"), key=b"", partition=0, offset=0, ts_ms=0)
    assert foreign is not None
    with pytest.raises(ValueError, match="engagements 1:1 is in none of impressions"):
        Resubmitter(box.bootstrap, box.topic, 5).send([foreign])


def test_what_kafka_does_not_take_waits_for_the_next_run(box: Box) -> None:
    gone = DeadLetter("impressions", 77, 1, FORGED, b"x").encode()
    keyless = DeadLetter("ads", 0, 1, "no-key: x", b"x").encode()
    box.put(gone, _letter(2))
    box.put(keyless, key=None)
    for sent in ({"impressions": 1}, {}):
        result = _run("resubmit", "--yes", "--json")
        assert result.exit_code == 1
        answer = json.loads(result.stdout)
        assert answer["sent"] == sent
        assert answer["not_taken"] == {"impressions": 1, "ads": 1}
        assert "Kafka did not take 1 ads, 1 impressions" in result.stderr


@pytest.mark.parametrize("place", ["7", "a:1", "1:", "-1:2", ""])
def test_a_place_is_a_partition_and_an_offset(box: Box, place: str) -> None:
    result = _run("resubmit", "--offset", place)
    assert result.exit_code == 2
    assert "is no partition and offset" in " ".join(result.stderr.split())


def test_a_missing_topic_is_one_line(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead_letter_commands, "DEAD_LETTERS", Topic("nowhere", "", "DeadLetter"))
    result = _run("count")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "has no topic nowhere: `make up` creates them" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_no_broker_is_one_line() -> None:
    (port,) = free_ports(1)
    environment = {
        "CTR_KAFKA_BOOTSTRAP": f"{HOST}:{port}",
        "CTR_STREAMING_READY_TIMEOUT_SECONDS": "1",
    }
    done = subprocess.run(
        [sys.executable, "-m", "streaming", "dead-letters", "list", "--json"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"streaming: no Kafka broker answers at {HOST}:{port}")


def test_a_broker_that_answers_no_more(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    box.put(_letter(1))
    letters = DeadLetters(box.bootstrap, box.topic, 1)
    (port,) = free_ports(1)
    monkeypatch.setattr(letters, "_kafka", f"{HOST}:{port}")
    with pytest.raises(DeadLettersUnread, match=f"no answer from Kafka at {HOST}:{port} for 1 s"):
        list(letters.read())


def test_the_commands_read_the_topic_of_the_events_job(
    kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CTR_KAFKA_BOOTSTRAP", kafka_bootstrap)
    reason = f"test-{uuid.uuid4().hex}"
    Box(kafka_bootstrap, DEAD_LETTERS.name).put(_letter(1, f"{reason}: x"))
    assert _offsets(_object("list", "--reason", reason)) == [1]


def test_newest_agrees_with_sorting_everything() -> None:
    letters = [
        letter_of(_letter(n), key=None, partition=n % 3, offset=n, ts_ms=(n * 7_919) % 101)
        for n in range(500)
    ]
    readable = [letter for letter in letters if letter is not None]
    readable.sort(key=lambda letter: (letter.ts_ms, letter.partition, letter.offset))
    rows, unreadable = newest(letters, Choice(), 40)
    assert [row.place for row in rows] == [letter.place for letter in readable[-40:]]
    assert (len(readable), unreadable) == (500, 0)
