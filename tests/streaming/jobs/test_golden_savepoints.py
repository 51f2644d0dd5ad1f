"""Savepoints of the release before are restored with all that they remember, on a session cluster
whose JobManager is then killed, and whose jobs are rescaled.

Kafka holds the same records at the same offsets as when they were taken, see golden_story.py; what
a topic holds after them came out of the restored jobs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from schemas import topics
from schemas.records import Engagement
from schemas.redis_values import CounterRow
from streaming import uid_lock
from streaming.settings import JobName
from tests.streaming.jobs import golden_story as story
from tests.streaming.jobs.running_job import PARTITIONS
from tests.streaming.jobs.session_run import GOLDEN, RULES, SessionRun, refusal, result, session_run

#: Two jobs are started four times in all; pytest's own limit is meant for less.
pytestmark = pytest.mark.timeout(1800)
LIMIT_BYTES = 300_000
LATER = story.T0 + 2 * RULES.label_wait_ms
LATEST = LATER + 2 * RULES.label_wait_ms


@dataclass(frozen=True, slots=True)
class Afterwards:
    """What was seen of the restored jobs; Kafka may hold a record again after the kill."""

    restored: dict[JobName, dict[str, Any]]
    labels: set[tuple[str, str]]
    engagements: set[tuple[str, str]]
    counted: CounterRow
    clicked_ads: tuple[str, ...]
    learnt: tuple[int, int]
    learnt_when_drained: tuple[int, int]
    after_kill: dict[str, Any]
    rescaled: dict[str, Any]
    refusals: dict[str, str]


@pytest.fixture(scope="module")
def afterwards(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Afterwards]:
    with session_run(tmp_path_factory.mktemp("session")) as run:
        story.before(run)
        restored = _restore(run)
        _go_on(run)
        learnt = _learnt(run)
        _drain_learning(run)
        foreign = run.begin("check", JobName.LEARNING, "--savepoint", str(GOLDEN / "events"))
        second = run.begin("start", JobName.EVENTS)
        wide = run.begin("rescale", JobName.EVENTS, "--parallelism", "9")
        refusals = {
            "foreign": refusal(foreign),
            "second": refusal(second),
            "wide": refusal(wide),
        }
        run.kill_jobmanager()
        after_kill = result(run.begin("start", JobName.EVENTS, "--json"))
        rescaled = result(run.begin("rescale", JobName.EVENTS, "--parallelism", "2", "--json"))
        story.move_time(run, LATEST)
        run.until(lambda: ("over-the-kill", "NEGATIVE") in _labels(run), "the last label")
        yield Afterwards(
            restored=restored,
            labels=_labels(run),
            engagements=_engagements(run),
            counted=run.counters()["ad:a"],
            clicked_ads=run.clicked_ads()["u"],
            learnt=learnt,
            learnt_when_drained=_learnt(run),
            after_kill=after_kill,
            rescaled=rescaled,
            refusals=refusals,
        )


def _restore(run: SessionRun) -> dict[JobName, dict[str, Any]]:
    """Both at the same time."""
    commands = {
        job: run.begin("restore", job, "--from", str(GOLDEN / job), "--json") for job in JobName
    }
    return {job: result(command) for job, command in commands.items()}


def _go_on(run: SessionRun) -> None:
    """What the savepoints wait for."""
    run.journal.click("pending", story.PENDING_CLICK_TS, ad_id="b", partition=0)
    run.journal.click("negative", story.OLD_TS + RULES.label_wait_ms + 1, ad_id="d", partition=0)
    run.journal.impression("click-first", story.T0 + 50, ad_id="c", partition=0)
    run.journal.impression("new", story.T0 + 60, counter_keys=["ad:a"], partition=0)
    run.journal.impression("over-the-kill", LATER, partition=0)
    for partition in range(PARTITIONS):
        story.send_sample(run, f"late-{partition}", "NEGATIVE", story.T0, partition)
    story.move_time(run, LATER)
    due = {("silent", "NEGATIVE"), ("negative", "CORRECTION"), ("click-first", "POSITIVE")}
    run.until(lambda: due <= _labels(run), "labels that were owed")
    run.until(lambda: story.seen(run, "POSITIVE") >= story.POSITIVES, "held samples are learnt")
    run.until(lambda: "ad:a" in run.counters(), "counters are written")


def _drain_learning(run: SessionRun) -> None:
    """While positives wait, which only the end of event time releases."""
    read = story.seen(run, "NEGATIVE") + PARTITIONS
    for partition in range(PARTITIONS):
        story.send_sample(run, f"held-at-the-end-{partition}", "POSITIVE", LATER, partition)
        story.send_sample(run, f"late-at-the-end-{partition}", "NEGATIVE", LATER, partition)
    run.until(lambda: story.seen(run, "NEGATIVE") == read, "the last samples are read")
    result(run.begin("stop", JobName.LEARNING, "--drain", "--json"))


def _learnt(run: SessionRun) -> tuple[int, int]:
    return story.seen(run, "NEGATIVE"), story.seen(run, "POSITIVE")


def _labels(run: SessionRun) -> set[tuple[str, str]]:
    own = ("learnt-", "held-", "late-")
    samples = [sample for sample in run.samples() if not sample.request_id.startswith(own)]
    return {(sample.request_id, sample.kind) for sample in samples}


def _engagements(run: SessionRun) -> set[tuple[str, str]]:
    records = [Engagement.decode(letter.value) for letter in run.records(topics.ENGAGEMENTS)]
    return {(record.request_id, record.kind) for record in records}


@pytest.mark.parametrize("job", JobName)
def test_golden_savepoints_are_small(job: JobName) -> None:
    sizes = {file.name: file.stat().st_size for file in (GOLDEN / job).iterdir()}
    assert "_metadata" in sizes
    assert max(sizes.values()) < LIMIT_BYTES


@pytest.mark.parametrize("job", JobName)
def test_all_states_are_as_this_release_writes_them(afterwards: Afterwards, job: JobName) -> None:
    """If the change is meant: python -m tests.golden.make_savepoints."""
    assert afterwards.restored[job]["restored"] == str(GOLDEN / job)
    assert afterwards.restored[job]["unknown"] == []
    assert uid_lock.read(job)


def test_a_pending_impression_gets_its_label(afterwards: Afterwards) -> None:
    assert ("pending", "POSITIVE") in afterwards.labels
    assert ("silent", "NEGATIVE") in afterwards.labels


def test_a_negative_that_was_out_is_corrected_not_repeated(afterwards: Afterwards) -> None:
    assert ("negative", "CORRECTION") in afterwards.labels
    assert ("negative", "NEGATIVE") not in afterwards.labels


def test_a_waiting_click_finds_its_impression(afterwards: Afterwards) -> None:
    assert ("click-first", "POSITIVE") in afterwards.labels


def test_nothing_is_read_again(afterwards: Afterwards) -> None:
    before = {f"counted-{number}" for number in range(story.COUNTED)} | {"pending", "silent"}
    again = {name for name, kind in afterwards.engagements if kind == "IMPRESSION"}
    assert again & before == set()
    assert ("counted-0", "POSITIVE") not in afterwards.labels


def test_counters_go_on(afterwards: Afterwards) -> None:
    counted = afterwards.counted
    assert (counted.impressions[-1], counted.clicks[-1]) == (story.COUNTED + 1, 1)


def test_last_clicks_go_on(afterwards: Afterwards) -> None:
    assert afterwards.clicked_ads == ("b", "a", "c", "d")


def test_the_learner_goes_on_and_held_positives_are_learnt(afterwards: Afterwards) -> None:
    negatives, positives = afterwards.learnt
    assert negatives == story.NEGATIVES + PARTITIONS
    assert positives == story.POSITIVES


def test_a_drain_lets_the_learner_have_what_waits(afterwards: Afterwards) -> None:
    negatives, positives = afterwards.learnt
    assert afterwards.learnt_when_drained == (negatives + PARTITIONS, positives + PARTITIONS)


def test_after_a_killed_jobmanager_start_goes_on_from_a_checkpoint(afterwards: Afterwards) -> None:
    assert "/checkpoints/" in afterwards.after_kill["restored"]
    assert ("over-the-kill", "NEGATIVE") in afterwards.labels


def test_rescaling_goes_through_a_savepoint(afterwards: Afterwards) -> None:
    assert afterwards.rescaled["parallelism"] == 2
    assert "/savepoints/" in afterwards.rescaled["restored"]


def test_state_of_another_job_is_refused(afterwards: Afterwards) -> None:
    said = afterwards.refusals["foreign"]
    assert "state would be dropped" in said
    assert "label-join" in said
    assert "--allow-dropped-state" in said


def test_a_job_is_not_started_twice(afterwards: Afterwards) -> None:
    assert "events is there already" in afterwards.refusals["second"]


def test_rescaling_beyond_the_slots_is_refused_before_the_job_is_stopped(
    afterwards: Afterwards,
) -> None:
    assert "needs 9 slots and could have 3" in afterwards.refusals["wide"]
    # From a checkpoint: it was not stopped with a savepoint.
    assert "/checkpoints/" in afterwards.after_kill["restored"]
