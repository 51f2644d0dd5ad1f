"""Health of each box from what was seen, and rates from counters seen again."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.console.broker import BrokerSight
from deploy.console.picture import picture
from deploy.console.rates import Look, Rates
from deploy.console.sight import Sight
from deploy.console.sources import Alert, RedisSight
from deploy.console.watching import Reading
from deploy.scrape import Histogram, Scrape
from schemas.learner_status import LearnerStatus
from schemas.topics import ALL
from stores.model_versions import PublishedVersion

NOW = 1_700_000_000.0
JOB: dict[str, Any] = {
    "state": "RUNNING",
    "tasks": {"running": 3},
    "url": "http://f",
    "healthy": True,
    "failure": None,
    "age_seconds": 900.0,
    "checkpoints": {"newest_ms": int(1000 * NOW) - 4_000, "failed": 0},
}
LEARNER = LearnerStatus("v1", "e", 1, {"POSITIVE": 1}, {}, 1, int(1000 * NOW) - 1_000)
SERVING = Scrape({"ctr_scorer_model_info": [({"version": "v1"}, 1.0)]})


T = TypeVar("T")


def seen(value: T) -> Reading[T]:
    return Reading(value, "", NOW)


def gone(words: str) -> Reading[Any]:
    return Reading(None, words, NOW)


def rates(impressions: float = 100.0, refused: float = 0.0) -> Rates:
    """Of two looks, ten seconds apart."""
    looks = Rates()
    for at in (0.0, 10.0):
        totals = {"impressions": impressions * at, "dead-letters": refused * at}
        looks.add(Look(NOW - 10.0 + at, totals, {}))
    return looks


def well() -> Sight:
    """An engine of which all is well."""
    written = {topic.name: 1_000 for topic in ALL}
    version = PublishedVersion("v1", True, int(1000 * NOW) - 60_000, None)
    return Sight(
        now=NOW,
        broker=seen(BrokerSight(1, written, (), 10, 10)),
        redis=seen(RedisSight(10, 100, 5, True, LEARNER, [version])),
        events=seen(JOB),
        learning=seen(JOB),
        events_metrics=seen(Scrape()),
        learning_metrics=seen(Scrape()),
        scorers=seen({"http://s": SERVING}),
        lake_age=seen(5.0),
        served_quality={},
        alerts=seen(None),
        rates=rates(),
    )


def box(sight: Sight, name: str) -> Mapping[str, Any]:
    boxes: list[Mapping[str, Any]] = picture(sight)["boxes"]
    (found,) = [item for item in boxes if item["id"] == name]
    return found


def test_all_is_well() -> None:
    drawn = picture(well())
    assert drawn["health"] == "good"
    assert [item["reasons"] for item in drawn["boxes"]] == [[]] * 9


@pytest.mark.parametrize(
    ("changes", "name", "health", "words"),
    [
        ({"broker": gone("no Kafka")}, "kafka", "bad", "no Kafka"),
        ({"broker": gone("no Kafka")}, "dead-letters", "unknown", "Kafka"),
        ({"broker": seen(BrokerSight(1, {}, ("ads",), 0, 0))}, "kafka", "bad", "no topic ads"),
        ({"broker": seen(BrokerSight(1, {}, (), 10**6, 0))}, "events", "warn", "1,000,000 records"),
        ({"redis": gone("no Redis")}, "redis", "bad", "no Redis"),
        ({"redis": gone("no Redis")}, "bootstrap", "unknown", "Redis"),
        ({"redis": seen(RedisSight(95, 100, 5, True, LEARNER, []))}, "redis", "bad", "95%"),
        ({"redis": seen(RedisSight(1, 100, 5, False, LEARNER, []))}, "redis", "warn", "complete"),
        ({"redis": seen(RedisSight(1, 0, 5, True, LEARNER, []))}, "bootstrap", "bad", "no model"),
        ({"redis": seen(RedisSight(1, 0, 5, True, None, []))}, "learning", "unknown", "learnt yet"),
        ({"events": gone("no Flink")}, "events", "bad", "no Flink"),
        ({"events": seen({**JOB, "state": "ABSENT"})}, "events", "bad", "runs no job"),
        (
            {"events": seen({**JOB, "tasks": {"failed": 1}, "failure": "no memory"})},
            "events",
            "bad",
            "1 failed; no memory",
        ),
        ({"learning": seen({**JOB, "healthy": False})}, "learning", "warn", "no fresh checkpoint"),
        ({"scorers": seen({"http://s": "gone"})}, "scorer", "bad", "gone"),
        ({"scorers": seen({"a": SERVING, "b": "gone"})}, "scorer", "warn", "gone"),
        ({"scorers": seen({"a": Scrape()})}, "scorer", "bad", "no model is loaded"),
        (
            {"served_quality": {"pcoc": 1.4, "pcoc_low": 1.3, "pcoc_high": 1.5}},
            "scorer",
            "warn",
            "PCOC is 1.400",
        ),
        ({"rates": rates(refused=5.0)}, "dead-letters", "warn", "5.0 records a second"),
        ({"rates": rates(impressions=0.0)}, "adserver", "unknown", "no impressions"),
        ({"lake_age": seen(None)}, "lake", "unknown", "no samples yet"),
        ({"lake_age": gone("no folder")}, "lake", "warn", "no folder"),
    ],
)
def test_what_is_wrong_is_told(changes: dict[str, Any], name: str, health: str, words: str) -> None:
    told = box(replace(well(), **changes), name)
    assert told["health"] == health
    assert words in "; ".join(told["reasons"])


def test_a_wide_interval_is_no_miscalibration() -> None:
    chance = {"pcoc": 1.4, "pcoc_low": 0.9, "pcoc_high": 2.1}
    assert box(replace(well(), served_quality=chance), "scorer")["health"] == "good"


def test_alerts_are_handed_on() -> None:
    alert = Alert("Late", "firing", "page", "too late", {}, "2026-01-31T07:00:00Z")
    assert picture(replace(well(), alerts=seen([alert])))["alerts"][0]["name"] == "Late"
    assert picture(well())["alerts"] is None


@given(rate=st.floats(0, 1e6), seconds=st.floats(0.5, 9))
def test_a_rate_is_that_of_the_counter(rate: float, seconds: float) -> None:
    looks = Rates()
    for number in range(4):
        looks.add(Look(NOW + number * seconds, {"x": rate * number * seconds}, {}))
    assert looks.per_second("x") == pytest.approx(rate, rel=1e-5, abs=1e-3)


def test_a_counter_that_begins_anew_has_no_rate_below_zero() -> None:
    looks = Rates()
    looks.add(Look(NOW, {"x": 100.0}, {}))
    assert looks.per_second("x") is None
    looks.add(Look(NOW + 2, {"x": 3.0}, {}))
    assert looks.per_second("x") == 0.0


def test_quantiles_are_of_the_last_minute() -> None:
    looks = Rates()
    slow = Histogram((1.0, 10.0, float("inf")), (0.0, 100.0, 100.0))
    looks.add(Look(NOW, {}, {"x": slow}))
    assert looks.quantile("x", 0.5) == pytest.approx(5.5)
    later = Histogram(slow.bounds, (100.0, 200.0, 200.0))
    looks.add(Look(NOW + 30, {}, {"x": later}))
    assert looks.quantile("x", 0.5) == pytest.approx(0.5), "only what came since"
    assert looks.quantile("y", 0.5) is None
