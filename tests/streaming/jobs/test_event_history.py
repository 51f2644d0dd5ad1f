"""A random history through the real events job: all that comes out is what the oracle says."""

from collections import Counter
from datetime import UTC, datetime
from typing import Any

from schemas.records import Engagement, TrainingSample, as_values
from tests.streaming.jobs.conftest import RULES, Outcome
from tests.streaming.jobs.expected import last_clicks, weight
from tests.streaming.jobs.scenario import END, IMPRESSIONS

FIRST = ("POSITIVE", "NEGATIVE")


def _once(records: list[TrainingSample] | list[Engagement]) -> dict[str, dict[str, Any]]:
    """Values of records by what identifies them, each of which must be there once."""
    identities = Counter((each.request_id, each.ad_id, each.kind) for each in records)
    assert {identity for identity, count in identities.items() if count > 1} == set()
    return {f"{r.request_id} {r.ad_id} {r.kind}": as_values(r) for r in records}


def test_samples_are_the_oracles(outcome_of_story: Outcome) -> None:
    assert _once(outcome_of_story.samples) == _once(outcome_of_story.expected.samples)


def test_engagements_are_the_oracles(outcome_of_story: Outcome) -> None:
    assert _once(outcome_of_story.engagements) == _once(outcome_of_story.expected.engagements)


def test_every_impression_has_one_first_label(outcome_of_story: Outcome) -> None:
    """Or none, if it is a NEGATIVE that down-sampling drops."""
    shown = {(e.request_id, e.ad_id) for e in outcome_of_story.engagements}
    firsts = Counter((s.request_id, s.ad_id) for s in outcome_of_story.samples if s.kind in FIRST)
    assert set(firsts.values()) == {1}
    dropped = shown - firsts.keys()
    assert all(weight(*identity, RULES.negative_keep) == 0 for identity in dropped)
    assert len(shown) >= IMPRESSIONS
    assert 0 < len(dropped) < len(shown) / 2


def test_the_history_is_rich_enough(outcome_of_story: Outcome) -> None:
    kinds = Counter(s.kind for s in outcome_of_story.samples if s.request_id.startswith("random"))
    assert min(kinds[kind] for kind in ("POSITIVE", "NEGATIVE", "CORRECTION")) > 100
    windows = outcome_of_story.counters_expected["advertiser:1"]
    for sums in (windows.impressions, windows.clicks):
        assert 0 < sums[1] < sums[2] < sums[3]


def test_counters_are_the_oracles(outcome_of_story: Outcome) -> None:
    assert outcome_of_story.counters == outcome_of_story.counters_expected


def test_last_clicks_are_the_oracles(outcome_of_story: Outcome) -> None:
    expected = last_clicks(outcome_of_story.expected.engagements, END)
    users = outcome_of_story.users.items()
    assert {name: tuple(row.clicked_ads) for name, row in users if row.clicked_ads} == expected


def test_the_lake_holds_the_samples(outcome_of_story: Outcome) -> None:
    rows = [f"{r['request_id']} {r['ad_id']} {r['kind']}" for r in outcome_of_story.lake]
    assert Counter(rows) == Counter(_once(outcome_of_story.samples).keys())
    samples = _once(outcome_of_story.samples)
    for row in outcome_of_story.lake:
        sample = samples[f"{row['request_id']} {row['ad_id']} {row['kind']}"]
        assert (row.pop("day"), int(row.pop("hour"))) == _day_and_hour(sample["label_ts"])
        for name in ("ts", "label_ts", "click_ts"):
            moment = row[name]
            row[name] = None if moment is None else round(moment.timestamp() * 1_000)
        assert row == {name: sample[name] for name in row}


def _day_and_hour(ts: int) -> tuple[str, int]:
    moment = datetime.fromtimestamp(ts / 1_000, UTC)
    return f"{moment:%Y-%m-%d}", moment.hour
