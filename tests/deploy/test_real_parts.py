"""The real Kafka broker and the real Redis server, as the local stack and the fixtures run them."""

import redis
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from schemas import topics


def test_redis_takes_functions(redis_url: str) -> None:
    """Versioned writes are a Redis function, which needs Redis 7."""
    code = "#!lua name=probe\nredis.register_function('probe', function() return 'yes' end)"
    with redis.Redis.from_url(redis_url) as client:
        client.function_load(code)
        assert client.fcall("probe", 0) == b"yes"


def test_redis_is_empty_for_each_test(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
        assert client.function_list() == []


def test_kafka_has_every_topic_with_its_retention(kafka_bootstrap: str) -> None:
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
    existing = admin.list_topics(timeout=10).topics
    assert {topic.name for topic in topics.ALL} <= existing.keys()
    for topic in topics.ALL:
        resource = ConfigResource(ResourceType.TOPIC, topic.name)
        config = admin.describe_configs([resource])[resource].result(10)
        for key, value in topic.config.items():
            assert config[key].value == value
