"""Kafka as the console sees it: how many records each topic got, how far its readers are."""

from collections.abc import Mapping
from dataclasses import dataclass

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from deploy.console.watching import SourceFault
from schemas import topics
from schemas.settings import SharedSettings
from stores.kafka_client import client_settings
from streaming.settings import EVENTS_GROUP, learner_group

Ends = Mapping[tuple[str, int], int]


@dataclass(frozen=True, slots=True)
class BrokerSight:
    """``written`` are records by topic since it began; lags are records not yet committed, None
    before the first commit: with a checkpoint, so they lie behind by up to one interval."""

    brokers: int
    written: Mapping[str, int]
    missing: tuple[str, ...]
    events_lag: int | None
    learning_lag: int | None


class BrokerSource:
    """One client for the life of the console; it connects again by itself."""

    def __init__(self, shared: SharedSettings, timeout_seconds: float) -> None:
        self._at = shared.kafka
        self._timeout = timeout_seconds
        self._learner_group = learner_group(shared.model)
        self._admin = AdminClient({**client_settings(shared.kafka), "log_level": 0})

    def look(self) -> BrokerSight:
        """Ask for the ends of our topics and what was committed. Raises SourceFault."""
        try:
            found = self._admin.list_topics(timeout=self._timeout)
            known = {t.name: found.topics[t.name] for t in topics.ALL if t.name in found.topics}
            ends = self._ends([(n, p) for n, topic in known.items() for p in topic.partitions])
            return BrokerSight(
                brokers=len(found.brokers),
                written={name: _sum(ends, name) for name in known},
                missing=tuple(t.name for t in topics.ALL if t.name not in known),
                events_lag=self._lag(EVENTS_GROUP, ends, ("impressions", "clicks")),
                learning_lag=self._lag(self._learner_group, ends, ("training-samples",)),
            )
        except KafkaException as error:
            raise SourceFault(
                f"no Kafka broker answers at {self._at}: {error.args[0].str()}"
            ) from None

    def _ends(self, places: list[tuple[str, int]]) -> Ends:
        asked = {TopicPartition(topic, number): OffsetSpec.latest() for topic, number in places}
        if not asked:
            return {}
        answers = self._admin.list_offsets(asked, request_timeout=self._timeout)
        return {(at.topic, at.partition): got.result().offset for at, got in answers.items()}

    def _lag(self, group: str, ends: Ends, names: tuple[str, ...]) -> int | None:
        places = [TopicPartition(*place) for place in ends if place[0] in names]
        if not places:
            return None
        asked = [ConsumerGroupTopicPartitions(group, places)]
        answer = self._admin.list_consumer_group_offsets(asked, request_timeout=self._timeout)
        read: dict[tuple[str, int], int] = {
            (part.topic, part.partition): part.offset
            for part in answer[group].result().topic_partitions
            if part.offset >= 0
        }
        if not read:
            return None
        return sum(max(0, ends[place] - read.get(place, 0)) for place in ends if place[0] in names)


def _sum(ends: Ends, topic: str) -> int:
    return sum(end for (name, _), end in ends.items() if name == topic)
