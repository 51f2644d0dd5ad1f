"""What a consumer group has not read yet, by a real broker."""

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from deploy import kafka_offsets


def test_what_a_group_has_committed_is_read(kafka_bootstrap: str) -> None:
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
    for made in admin.create_topics([NewTopic("read", 2), NewTopic("empty", 1)]).values():
        made.result(10)
    producer = Producer({"bootstrap.servers": kafka_bootstrap})
    for number in range(5):
        producer.produce("read", b"", partition=number % 2)
    producer.flush(10)
    topics = ["read", "empty"]
    ends = {("read", 0): 3, ("read", 1): 2, ("empty", 0): 0}
    assert kafka_offsets.ends(admin, topics) == ends
    assert kafka_offsets.unread(admin, "nobody", topics) == 5
    consumer = Consumer({"bootstrap.servers": kafka_bootstrap, "group.id": "somebody"})
    consumer.commit(offsets=[TopicPartition("read", 0, 2)], asynchronous=False)
    assert kafka_offsets.unread(admin, "somebody", topics) == 3
    consumer.commit(
        offsets=[TopicPartition("read", 0, 3), TopicPartition("read", 1, 2)], asynchronous=False
    )
    consumer.close()
    assert kafka_offsets.unread(admin, "somebody", topics) == 0
