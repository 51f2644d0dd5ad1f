"""How far topics go, and how far a consumer group has read them."""

from collections.abc import Iterable

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

TIMEOUT_SECONDS = 15.0


def ends(admin: AdminClient, topics: Iterable[str]) -> dict[tuple[str, int], int]:
    """Offset of the next record of each partition. Raises KafkaException."""
    known = admin.list_topics(timeout=TIMEOUT_SECONDS).topics
    places = [TopicPartition(name, number) for name in topics for number in known[name].partitions]
    answers = admin.list_offsets({place: OffsetSpec.latest() for place in places})
    return {
        (place.topic, place.partition): answer.result(TIMEOUT_SECONDS).offset
        for place, answer in answers.items()
    }


def unread(admin: AdminClient, group: str, topics: Iterable[str]) -> int:
    """Records that a group has not committed to have read: a Flink job commits what it had read at
    its last checkpoint. Raises KafkaException."""
    written = ends(admin, topics)
    asked = ConsumerGroupTopicPartitions(group, [TopicPartition(*place) for place in written])
    answer = admin.list_consumer_group_offsets([asked])[group].result(TIMEOUT_SECONDS)
    # Nothing committed is a negative offset.
    read: int = sum(max(0, place.offset) for place in answer.topic_partitions)
    return sum(written.values()) - read
