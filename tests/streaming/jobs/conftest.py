"""The story of scenario.py, played once to the real job and drained; tests look at the outcome."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from schemas import topics
from schemas.features import FeatureSpec
from schemas.records import Engagement, TrainingSample
from schemas.redis_values import CounterRow, UserRow
from tests.streaming.jobs.event_journal import Entry
from tests.streaming.jobs.expected import Expected, Rules, counter_rows, last_clicks, outcome
from tests.streaming.jobs.running_job import Letter, RunningJob, running_job
from tests.streaming.jobs.scenario import Seen, play

RULES = Rules(negative_keep=0.5)


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that came out, and what should have."""

    job: RunningJob
    seen: Seen
    spec: FeatureSpec
    entries: list[Entry]
    expected: Expected
    counters_expected: dict[str, CounterRow]
    engagements: list[Engagement]
    samples: list[TrainingSample]
    sample_records: list[Letter]
    dead_letters: list[Letter]
    lake: list[dict[str, Any]]
    counters: dict[str, CounterRow]
    users: dict[str, UserRow]
    ads: dict[str, bytes]


@pytest.fixture(scope="session")
def outcome_of_story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    with running_job(tmp_path_factory.mktemp("events"), RULES) as job:
        seen = play(job)
        expected = outcome(job.journal.entries, RULES)
        rows = counter_rows(expected.engagements, job.journal.watermark)
        clicked = last_clicks(expected.engagements, job.journal.watermark)
        job.until(lambda: job.counters() == rows, "counters agree with the oracle")
        job.until(lambda: job.clicked_ads() == clicked, "last clicks agree with the oracle")
        job.drain()
        yield Outcome(
            job=job,
            seen=seen,
            spec=job.spec,
            entries=job.journal.entries,
            expected=expected,
            counters_expected=rows,
            engagements=[Engagement.decode(r.value) for r in job.records(topics.ENGAGEMENTS)],
            samples=job.samples(),
            sample_records=job.records(topics.TRAINING_SAMPLES),
            dead_letters=job.records(topics.DEAD_LETTERS),
            lake=job.lake_rows(),
            counters=job.counters(),
            users=job.users(),
            ads=job.ads(),
        )
