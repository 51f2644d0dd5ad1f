"""The story's events replayed from the lake: the samples that the live job gave, bit by bit."""

import json
from dataclasses import replace
from typing import Any

import pyarrow.dataset as ds
import pytest

from schemas import topics
from schemas.lake import CLICKS, IMPRESSIONS, SAMPLES, TABLES
from tests.streaming.jobs.conftest import RULES, Outcome
from tests.streaming.jobs.event_journal import BEFORE_TIME
from tests.streaming.jobs.expected import outcome

Rows = dict[tuple[str, str, str], dict[str, Any]]
#: Live, events of these came after event time had passed them.
LATE = {"straggler", "too-late"}


class Replayed:
    """Samples by identity, of the compacted live lake and of the replayed one."""

    live: Rows
    again: Rows
    listed: list[dict[str, Any]]


@pytest.fixture(scope="module")
def replayed(outcome_of_story: Outcome) -> Replayed:
    job, seen = outcome_of_story.job, Replayed()
    compacted = json.loads(job.command("lake", "compact", "--json"))["compacted"]
    assert {each["table"] for each in compacted} == {table.name for table in TABLES}
    assert json.loads(job.command("lake", "compact", "--json")) == {"compacted": []}
    seen.listed = json.loads(job.command("lake", "list", "--json"))["hours"]
    into = job.lake.parent / "replayed"
    answer = json.loads(job.command("replay", "--into", str(into), "--json"))
    seen.live, seen.again = _rows(job.lake), _rows(into)
    assert answer["samples"] == len(seen.again)
    return seen


def _rows(lake: Any) -> Rows:
    """Read as anybody would."""
    rows = ds.dataset(lake / SAMPLES.name, partitioning="hive").to_table().to_pylist()
    by_identity = {(row["request_id"], row["ad_id"], row["kind"]): row for row in rows}
    assert len(by_identity) == len(rows)
    return by_identity


def _without(rows: Rows, requests: set[str]) -> Rows:
    return {key: row for key, row in rows.items() if key[0] not in requests}


def test_samples_are_the_same(replayed: Replayed) -> None:
    assert len(replayed.live) > 1_500
    assert _without(replayed.again, LATE) == _without(replayed.live, LATE)


def test_what_came_too_late_has_the_label_of_one_that_did_not(
    outcome_of_story: Outcome, replayed: Replayed
) -> None:
    in_time = [replace(entry, watermark=BEFORE_TIME) for entry in outcome_of_story.entries]
    expected = outcome(in_time, RULES).samples
    assert {(s.request_id, s.ad_id, s.kind) for s in expected} == replayed.again.keys()
    assert {key[2] for key in replayed.again if key[0] in LATE} == {"POSITIVE"}


def test_the_archive_holds_what_was_accepted(outcome_of_story: Outcome, replayed: Replayed) -> None:
    good = [entry for entry in outcome_of_story.entries if entry.record is not None]
    lake = outcome_of_story.job.lake
    for table, topic in ((IMPRESSIONS, topics.IMPRESSIONS), (CLICKS, topics.CLICKS)):
        rows = ds.dataset(lake / table.name, partitioning="hive").to_table().to_pylist()
        places = {(row["partition"], row["offset"]): row["request_id"] for row in rows}
        assert len(places) == len(rows)
        assert places == {
            (entry.partition, entry.offset): entry.record.request_id
            for entry in good
            if entry.topic == topic.name and entry.record is not None
        }


def test_every_hour_is_one_complete_file(replayed: Replayed) -> None:
    assert {(hour["files"], hour["landed"], hour["complete"]) for hour in replayed.listed} == {
        (1, 0, True)
    }
