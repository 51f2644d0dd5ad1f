"""What came out of the engine: topics, Redis and the lake, as they are after the run."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import redis
from confluent_kafka import Consumer, TopicPartition

from schemas import redis_keys, topics
from schemas.lake import LANDING, SAMPLES
from schemas.learner_status import LearnerStatus
from schemas.records import DeadLetter, Engagement, Record, TrainingSample
from schemas.redis_values import CounterRow, UserRow, split_version, user_row
from schemas.settings import SharedSettings
from tests.chaos.history import PARTITIONS

Identity = tuple[str, str, str]
Place = tuple[str, int, int]


def digest(record: Record) -> int:
    """Equal for records that say the same; of one process only."""
    values = (getattr(record, item.name) for item in fields(record))  # type: ignore[arg-type]
    return hash(tuple(tuple(each) if isinstance(each, list) else each for each in values))


@dataclass(slots=True)
class Distinct:
    """Records of an output topic by identity. Kafka may hold one again after a crash, but it must
    say the same."""

    digests: dict[Identity, int] = field(default_factory=dict)
    repeated: int = 0
    contradicting: set[Identity] = field(default_factory=set)

    def add(self, record: TrainingSample | Engagement) -> None:
        """One record."""
        identity = record.request_id, record.ad_id, record.kind
        new, old = digest(record), self.digests.get(identity)
        if old is None:
            self.digests[identity] = new
            return
        self.repeated += 1
        if old != new:
            self.contradicting.add(identity)


@dataclass(slots=True)
class Letters:
    """Reasons of dead letters by place of the refused record."""

    reasons: dict[Place, str] = field(default_factory=dict)
    repeated: int = 0


def read_distinct(bootstrap: str, topic: topics.Topic, kind: type[Any]) -> Distinct:
    """All of a topic of samples or engagements."""
    distinct = Distinct()
    for value in _values(bootstrap, topic):
        distinct.add(kind.decode(value))
    return distinct


def read_letters(bootstrap: str) -> Letters:
    """All dead letters."""
    letters = Letters()
    for value in _values(bootstrap, topics.DEAD_LETTERS):
        letter = DeadLetter.decode(value)
        place = letter.topic, letter.partition, letter.offset
        letters.repeated += place in letters.reasons
        letters.reasons[place] = letter.reason
    return letters


def count_records(bootstrap: str, topic: topics.Topic) -> int:
    """Records of a topic, none of which was deleted."""
    consumer = _consumer(bootstrap)
    try:
        return sum(end for _, end in _ends(consumer, topic))
    finally:
        consumer.close()


def unread(bootstrap: str, topic: topics.Topic, group: str) -> int:
    """Records of a topic that a consumer group has not yet committed to have read."""
    consumer = _consumer(bootstrap, group)
    try:
        ends = _ends(consumer, topic)
        places = [TopicPartition(topic.name, partition) for partition, _ in ends]
        # Nothing committed is a negative offset.
        read: int = sum(max(0, each.offset) for each in consumer.committed(places, timeout=30))
        return sum(end for _, end in ends) - read
    finally:
        consumer.close()


def read_counters(client: redis.Redis, users: dict[str, UserRow]) -> dict[str, CounterRow]:
    """Every counter row by its key, those of users, too."""
    found = {
        key.decode(): CounterRow.unpack(split_version(value)[1])
        for shard in range(redis_keys.SHARDS)
        for key, value in _hash(client, redis_keys.counters(shard)).items()
    }
    for user in users.values():
        for name, row in user.counters.items():
            found[f"{name}:{user.user_id}"] = row
    return found


def read_users(client: redis.Redis) -> dict[str, UserRow]:
    """Every user row."""
    pattern = redis_keys.USER_PREFIX % "*" + "*"
    keys = [key.decode() for key in client.scan_iter(pattern, count=1_000)]
    names = {key: key.partition("}:")[2] for key in keys}
    return {name: user_row(name, _hash(client, key)) for key, name in names.items()}


def read_learner(client: redis.Redis) -> LearnerStatus | None:
    """What the learner says that it has learnt."""
    return LearnerStatus.from_fields(
        _hash(client, redis_keys.model_learner(SharedSettings().model))
    )


def read_lake(folder: Path) -> Counter[Identity]:
    """Rows of the lake by identity, none of which is compacted."""
    dataset = ds.dataset(folder / LANDING / SAMPLES.name, format="parquet", partitioning="hive")
    table = dataset.to_table(columns=["request_id", "ad_id", "kind"])
    columns = (table.column(name).to_pylist() for name in table.column_names)
    return Counter(zip(*columns, strict=True))


def _hash(client: redis.Redis, key: str) -> dict[bytes, bytes]:
    found: Any = client.hgetall(key)
    return dict(found)


def _values(bootstrap: str, topic: topics.Topic) -> Iterator[bytes]:
    consumer = _consumer(bootstrap)
    try:
        for partition, end in _ends(consumer, topic):
            consumer.assign([TopicPartition(topic.name, partition, 0)])
            at = 0
            while at < end:
                for message in consumer.consume(min(end - at, 10_000), timeout=10):
                    if message.error() is not None:
                        raise RuntimeError(f"{topic.name}: {message.error()}")
                    yield message.value()
                    at = message.offset() + 1
    finally:
        consumer.close()


def _consumer(bootstrap: str, group: str = "chaos") -> Consumer:
    return Consumer({"bootstrap.servers": bootstrap, "group.id": group, "log_level": 2})


def _ends(consumer: Consumer, topic: topics.Topic) -> list[tuple[int, int]]:
    places = [TopicPartition(topic.name, partition) for partition in range(PARTITIONS)]
    return [
        (place.partition, consumer.get_watermark_offsets(place, timeout=30)[1]) for place in places
    ]
