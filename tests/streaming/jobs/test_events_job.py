"""The real events job: each case of labels, refusals and rows in Redis."""

from dataclasses import replace

import pytest

from schemas import topics
from schemas.records import Ad, DeadLetter, TrainingSample
from tests.streaming.jobs.conftest import RULES, Outcome
from tests.streaming.jobs.expected import ORPHAN, TOO_LATE
from tests.streaming.jobs.scenario import QUIET_KEY, T0

WAIT = T0 + RULES.label_wait_ms
WINDOW = T0 + RULES.attribution_window_ms


def _labels(outcome: Outcome, request_id: str) -> list[tuple[str, int, int | None]]:
    return [
        (sample.kind, sample.label_ts, sample.click_ts)
        for sample in outcome.samples
        if sample.request_id == request_id and sample.kind != "NEGATIVE"
    ]


def _clicks(outcome: Outcome, request_id: str) -> list[int]:
    return [
        engagement.ts
        for engagement in outcome.engagements
        if engagement.request_id == request_id and engagement.kind == "CLICK"
    ]


def _refused(outcome: Outcome, request_id: str) -> list[tuple[str, str]]:
    """Topic and reason of the dead letters of a request."""
    places = {
        entry.place
        for entry in outcome.entries
        if entry.record is not None and entry.record.request_id == request_id
    }
    letters = [DeadLetter.decode(record.value) for record in outcome.dead_letters]
    return [(x.topic, x.reason) for x in letters if (x.topic, x.partition, x.offset) in places]


@pytest.mark.parametrize(
    ("request_id", "click_ts", "label"),
    [
        ("click-first", T0 + 10, ("POSITIVE", T0 + 10)),
        ("at-wait", WAIT, ("POSITIVE", WAIT)),
        ("after-wait", WAIT + 1, ("CORRECTION", WAIT + 1)),
        ("late-click-first", WAIT + 5, ("CORRECTION", WAIT + 5)),
        ("at-window", WINDOW, ("CORRECTION", WINDOW)),
        ("straggler", T0 + 30_000, ("CORRECTION", WAIT)),
        ("live", WAIT + 120_000, ("CORRECTION", WAIT + 120_000)),
        ("twice", T0 + 3, ("POSITIVE", T0 + 3)),
        ("stale", T0 + 1, ("POSITIVE", T0 + 1)),
        ("by-folder", T0 + 1, ("POSITIVE", T0 + 1)),
        ("by-registry", T0 + 1, ("POSITIVE", T0 + 1)),
        ("early-by-clock", T0 - 1_000, ("POSITIVE", T0)),
    ],
)
def test_one_click_counts_whenever_it_comes(
    outcome_of_story: Outcome, request_id: str, click_ts: int, label: tuple[str, int]
) -> None:
    assert _labels(outcome_of_story, request_id) == [(*label, click_ts)]
    assert _clicks(outcome_of_story, request_id) == [click_ts]


def test_the_earlier_of_two_clicks_decides_the_label(outcome_of_story: Outcome) -> None:
    assert _labels(outcome_of_story, "late-then-early") == [("POSITIVE", WAIT - 5, WAIT - 5)]
    assert _clicks(outcome_of_story, "late-then-early") == [WAIT + 10]


@pytest.mark.parametrize("request_id", ["none", "after-window", "click-first-but-orphan"])
def test_no_click_in_time_means_no_positive(outcome_of_story: Outcome, request_id: str) -> None:
    assert _labels(outcome_of_story, request_id) == []
    assert _clicks(outcome_of_story, request_id) == []


def test_a_click_after_the_window_is_an_orphan(outcome_of_story: Outcome) -> None:
    orphan = (topics.CLICKS.name, ORPHAN)
    for request_id in ("after-window", "click-first-but-orphan", "no-impression", "stale"):
        assert _refused(outcome_of_story, request_id) == [orphan], request_id


def test_an_impression_older_than_the_window_is_refused(outcome_of_story: Outcome) -> None:
    refused = _refused(outcome_of_story, "too-late")
    assert {topic for topic, _ in refused} == {topics.IMPRESSIONS.name, topics.CLICKS.name}
    (reason,) = [reason for topic, reason in refused if topic == topics.IMPRESSIONS.name]
    assert reason.startswith(TOO_LATE)
    assert not [e for e in outcome_of_story.engagements if e.request_id == "too-late"]


def test_ads_of_one_request_are_labelled_apart(outcome_of_story: Outcome) -> None:
    positives = [s for s in outcome_of_story.samples if s.request_id == "two-ads" and s.label]
    assert [sample.ad_id for sample in positives] == ["b"]


def test_labels_come_when_event_time_does(outcome_of_story: Outcome) -> None:
    """What was known in advance, as in a replay, waits for its time; what comes late does not."""
    at_wait = outcome_of_story.seen.kinds_at_wait
    assert [kind for kind in at_wait["after-wait"] if kind != "NEGATIVE"] == ["CORRECTION"]
    assert "CORRECTION" not in at_wait["at-window"]


def test_everything_refused_is_a_dead_letter_with_its_bytes_and_its_place(
    outcome_of_story: Outcome,
) -> None:
    letters = [(DeadLetter.decode(x.value), x.key) for x in outcome_of_story.dead_letters]
    found = {(x.topic, x.partition, x.offset): (x.value, key) for x, key in letters}
    assert len(found) == len(letters)
    expected = outcome_of_story.expected.refused
    sent = {entry.place: entry for entry in outcome_of_story.entries}
    assert found == {at: (sent[at].value or b"", sent[at].key) for at in expected}
    for letter, _ in letters:
        assert letter.reason.startswith(expected[letter.topic, letter.partition, letter.offset]), (
            letter
        )


def test_outputs_have_the_request_as_key(outcome_of_story: Outcome) -> None:
    samples = [(r.key, TrainingSample.decode(r.value)) for r in outcome_of_story.sample_records]
    assert samples
    assert [key for key, _ in samples] == [sample.request_id.encode() for _, sample in samples]


def test_the_catalogue_is_in_redis(outcome_of_story: Outcome) -> None:
    after = outcome_of_story.ads
    assert after.keys() == {"kept", "wire", "paused"}
    kept, paused = Ad.decode(after["kept"]), Ad.decode(after["paused"])
    assert (kept.ts, kept.price, kept.attributes) == (T0, 5, {"category": "é"})
    assert (paused.status, paused.price) == ("PAUSED", 6)
    assert after["wire"] == replace(kept, ad_id="wire").encode(), (
        "as every reader of Redis knows it"
    )
    attributes = {name: row.attributes for name, row in outcome_of_story.users.items()}
    assert attributes["u1"] == {"segment": "s"}
    assert "u2" not in attributes


def test_counters_expire_without_events(outcome_of_story: Outcome) -> None:
    """The windows one by one while the story went on, see scenario.py; then the row."""
    assert outcome_of_story.seen.quiet_windows == [4, 3, 2, 1, 0]
    assert QUIET_KEY not in outcome_of_story.counters


def test_a_user_who_does_not_click_is_forgotten(outcome_of_story: Outcome) -> None:
    assert outcome_of_story.seen.last_clicks_before == ("b",)
    assert "clicker" not in outcome_of_story.users
