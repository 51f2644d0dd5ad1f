"""The events job killed in the middle of its work, then stopped by SIGTERM: nothing lost or twice.

One history in three parts: kill -9 after the first, a stop with a savepoint after the second.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from schemas import lake, topics
from schemas.records import Engagement, Impression, TrainingSample, as_values
from schemas.redis_values import CounterRow
from streaming.recovery import newest
from streaming.settings import JobName, StreamingSettings
from tests.streaming.jobs.expected import (
    TOO_LATE,
    Expected,
    Rules,
    counter_rows,
    last_clicks,
    outcome,
)
from tests.streaming.jobs.random_history import DAY_MS, Happening, history
from tests.streaming.jobs.running_job import RunningJob, read_landed, running_job

#: Dozens of labels wait at any moment.
RULES = Rules(label_wait_ms=600_000, mature=True)
FIRST = ("POSITIVE", "NEGATIVE")
SPAN_MS = DAY_MS // 2
END = 1_702_000_000_000 + 30_000
IMPRESSIONS = 2_100
REPEATED = 5
Identity = tuple[str, str, str]


class Survived:
    """What came out of all three lives of the job."""

    expected: Expected
    counters_expected: dict[str, CounterRow]
    restored: list[str]
    samples: list[TrainingSample]
    engagements: list[Engagement]
    refused: set[tuple[str, int, int]]
    lake: Counter[Identity]
    archived: Counter[tuple[int, int]]
    accepted: set[tuple[int, int]]
    counters: dict[str, CounterRow]
    clicked_ads: dict[str, tuple[str, ...]]


@pytest.fixture(scope="module")
def survived(tmp_path_factory: pytest.TempPathFactory) -> Survived:
    seen = Survived()
    folder = tmp_path_factory.mktemp("restarts")
    events = history(5, "restart", END, IMPRESSIONS, RULES, SPAN_MS)
    third = len(events) // 3
    with running_job(folder, RULES) as job:
        for event in events[:third]:
            event.send(job.journal)
        job.catch_up()
        job.until(lambda: _has_checkpoint(folder), "a checkpoint")
        for event in events[third : third + third // 2]:
            event.send(job.journal)
        job.journal.flush()
        seen.restored = [job.kill()]
        for event in events[third + third // 2 : 2 * third]:
            event.send(job.journal)
        job.reach(events[2 * third - 1].sent_at)
        seen.restored.append(job.restart())
        # Before anything moves event time again, impressions that are forgotten come once more.
        forgotten = _forgotten(events[: 2 * third], job.journal.watermark)
        for event in forgotten:
            event.send(job.journal)
        job.catch_up()
        for event in events[2 * third :]:
            event.send(job.journal)
        job.reach(END)
        job.catch_up()
        seen.expected = outcome(job.journal.entries, RULES)
        seen.counters_expected = counter_rows(seen.expected.engagements, job.journal.watermark)
        job.until(lambda: job.counters() == seen.counters_expected, "counters agree")
        job.drain()
        _read(job, seen)
    return seen


def _forgotten(events: Sequence[Happening], watermark: int) -> list[Happening]:
    window_ms = RULES.attribution_window_ms
    old = [e for e in events if not e.is_click and e.ts + window_ms <= watermark]
    assert len(old) >= REPEATED
    return old[:REPEATED]


def _has_checkpoint(folder: Path) -> bool:
    settings = StreamingSettings(data=folder / "flink")
    events = JobName.EVENTS
    folders = (settings.checkpoints(events), settings.savepoints(events), settings.drained(events))
    return newest(*folders) is not None


def _read(job: RunningJob, seen: Survived) -> None:
    seen.samples = job.samples()
    seen.engagements = [Engagement.decode(r.value) for r in job.records(topics.ENGAGEMENTS)]
    seen.refused = job.refused_places()
    seen.lake = Counter((r["request_id"], r["ad_id"], r["kind"]) for r in job.lake_rows())
    impressions = read_landed(job.lake, lake.IMPRESSIONS)
    seen.archived = Counter((row["partition"], row["offset"]) for row in impressions)
    seen.accepted = {
        (entry.partition, entry.offset)
        for entry in job.journal.entries
        if isinstance(entry.record, Impression)
    }
    seen.counters = job.counters()
    seen.clicked_ads = job.clicked_ads()


def _distinct(records: Sequence[TrainingSample | Engagement]) -> dict[Identity, dict[str, Any]]:
    """By identity; repetitions must say the same."""
    found: dict[Identity, dict[str, Any]] = {}
    for record in records:
        values = as_values(record)
        assert found.setdefault((record.request_id, record.ad_id, record.kind), values) == values
    return found


def test_it_went_on_from_a_checkpoint_and_from_a_savepoint(survived: Survived) -> None:
    killed, stopped = survived.restored
    assert "/checkpoints/" in killed
    assert "/savepoints/" in stopped


def test_samples_are_the_oracles(survived: Survived) -> None:
    assert _distinct(survived.samples) == _distinct(survived.expected.samples)


def test_every_impression_has_exactly_one_first_label(survived: Survived) -> None:
    shown = [key[:2] for key in _distinct(survived.engagements) if key[2] == "IMPRESSION"]
    firsts = [key[:2] for key in _distinct(survived.samples) if key[2] in FIRST]
    assert Counter(firsts) == Counter(shown)
    assert len(shown) >= IMPRESSIONS


def test_engagements_are_the_oracles(survived: Survived) -> None:
    assert _distinct(survived.engagements) == _distinct(survived.expected.engagements)


def test_refusals_are_the_oracles(survived: Survived) -> None:
    assert survived.refused == survived.expected.refused.keys()


def test_a_restart_does_not_make_forgotten_impressions_new(survived: Survived) -> None:
    reasons = survived.expected.refused.values()
    assert sum(reason == TOO_LATE for reason in reasons) == REPEATED


def test_the_lake_holds_each_sample_once(survived: Survived) -> None:
    assert survived.lake == Counter(_distinct(survived.expected.samples).keys())


def test_the_archive_holds_each_impression_once(survived: Survived) -> None:
    assert survived.archived == Counter(survived.accepted)


def test_counters_and_last_clicks_are_the_oracles(survived: Survived) -> None:
    assert survived.counters == survived.counters_expected
    expected = last_clicks(survived.expected.engagements, END - DAY_MS)
    assert survived.clicked_ads == expected
