"""Looks at the running stack from outside, once a second: Kafka, metrics ports, the ad server."""

from dataclasses import dataclass
from typing import cast

import redis

from deploy.demo.topic_reader import TopicReader
from deploy.scrape import Histogram, Scrape
from schemas import metric_names as names
from schemas import redis_keys
from schemas.learner_status import LearnerStatus
from schemas.settings import SharedSettings
from schemas.topics import CLICKS, IMPRESSIONS, TRAINING_SAMPLES
from stores.redis_client import connect
from streaming.adserver.session import Session
from streaming.adserver.validation import Validation

RECENT_ROWS = 2_000
COUNTED = (IMPRESSIONS.name, CLICKS.name, TRAINING_SAMPLES.name)


@dataclass(frozen=True, slots=True)
class MetricPorts:
    """Prometheus ports of the stack's processes."""

    events: int
    scorer: int


@dataclass(frozen=True, slots=True)
class Sight:
    """What was seen at one moment. Freshness and latencies are in seconds, None before any."""

    at: float
    records: dict[str, int]
    kinds: dict[str, int]
    events_per_second: float
    asked: int
    answered: int
    model_version: str
    rows_applied: float
    samples_learnt: int
    click_to_counter: Histogram | None
    click_to_score: Histogram | None
    request_seconds: Histogram | None
    total: Validation | None
    recent: Validation | None


class Watcher:
    """Remembers the last sight for rates. A restarted process keeps its last histogram."""

    def __init__(
        self, session: Session, reader: TopicReader, ports: MetricPorts, shared: SharedSettings
    ) -> None:
        self._session = session
        self._reader = reader
        self._ports = ports
        self._redis = connect(shared.redis)
        self._learner_key = redis_keys.model_learner(shared.model)
        self._last: Sight | None = None

    def look(self, now: float) -> Sight:
        """Look now; ``now`` in monotonic seconds."""
        records, kinds = self._reader.counts()
        events, scorer = Scrape.of(self._ports.events), Scrape.of(self._ports.scorer)
        last, tally = self._last, self._session.tally
        sight = Sight(
            at=now,
            records=records,
            kinds=kinds,
            events_per_second=_rate(last, now, records),
            asked=tally.asked if tally else 0,
            answered=tally.answered if tally else 0,
            model_version=tally.model_version if tally else "",
            rows_applied=scorer.value(names.ROWS_APPLIED) or 0.0,
            samples_learnt=self._samples_learnt(),
            click_to_counter=events.histogram(names.CLICK_TO_COUNTER_SECONDS)
            or (last.click_to_counter if last else None),
            click_to_score=scorer.histogram(names.CLICK_TO_SCORE_SECONDS)
            or (last.click_to_score if last else None),
            request_seconds=scorer.histogram(names.REQUEST_SECONDS)
            or (last.request_seconds if last else None),
            total=self._session.validation.summary(),
            recent=self._session.validation.summary(last=RECENT_ROWS),
        )
        self._last = sight
        return sight

    def _samples_learnt(self) -> int:
        """Each sample once, also across restarts of the learner; as it was before if unreadable."""
        try:
            fields = cast(dict[bytes, bytes], self._redis.hgetall(self._learner_key))
            status = LearnerStatus.from_fields(fields)
        except (redis.RedisError, ValueError):
            return self._last.samples_learnt if self._last else 0
        return sum(status.seen.values()) if status else 0


def _rate(last: Sight | None, now: float, records: dict[str, int]) -> float:
    if last is None or now <= last.at:
        return 0.0
    new = sum(records.get(topic, 0) - last.records.get(topic, 0) for topic in COUNTED)
    return new / (now - last.at)
