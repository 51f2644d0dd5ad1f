"""Each user of Kafka over TLS: what it needs is allowed, what it does not need is refused."""

from dataclasses import replace

import pytest
from confluent_kafka import KafkaError, Message, Producer
from pydantic import SecretStr

from bootstrap.sample_topic import SampleTopic
from deploy.cluster.kafka_rights import RIGHTS
from schemas import topics
from schemas.records import Click
from stores.kafka_client import client_settings
from streaming.adserver.event_producer import EventProducer
from streaming.adserver.metrics import AdServerMetrics
from streaming.dead_letter_topic import DeadLetters
from streaming.readiness import NotReady, require_topics
from tests.security.secured_servers import SecuredServers


@pytest.mark.parametrize("user", RIGHTS)
def test_a_user_may_write_its_topics_and_no_other(servers: SecuredServers, user: str) -> None:
    producer = Producer({**client_settings(servers.kafka(user)), "log_level": 0})
    outcome: dict[str, KafkaError | None] = {}

    def delivered(error: KafkaError | None, message: Message) -> None:
        outcome[message.topic()] = error

    for topic in topics.ALL:
        producer.produce(topic.name, b"value", key=b"key", on_delivery=delivered)
    assert producer.flush(20) == 0
    allowed = {name for name, error in outcome.items() if error is None}
    assert allowed == {topic.name for topic in RIGHTS[user].writes}
    refused = {error.code() for error in outcome.values() if error is not None}
    assert refused <= {KafkaError.TOPIC_AUTHORIZATION_FAILED}


def test_our_clients_work_as_their_users(servers: SecuredServers) -> None:
    producer = EventProducer(servers.kafka("adserver"), AdServerMetrics())
    producer.send(topics.CLICKS, "r", Click("r", "a", 1))
    producer.flush()
    require_topics(servers.kafka("events"), RIGHTS["events"].reads, 10)
    assert SampleTopic(servers.kafka("bootstrap")).end().keys() == {0}
    letters = DeadLetters(servers.kafka("operator"), topics.DEAD_LETTERS.name, 10)
    assert all(letter is None for letter in letters.read())


def test_what_a_user_may_not_read_it_does_not_see(servers: SecuredServers) -> None:
    with pytest.raises(NotReady, match="has no topic impressions"):
        require_topics(servers.kafka("learning"), (topics.IMPRESSIONS,), 10)


def test_a_wrong_password_is_said_without_telling_it(
    servers: SecuredServers, capfd: pytest.CaptureFixture[str]
) -> None:
    stranger = replace(servers.kafka("events"), password=SecretStr("gu3ssed"))
    with pytest.raises(NotReady, match="CTR_KAFKA_BOOTSTRAP") as refused:
        require_topics(stranger, (topics.CLICKS,), 3)
    assert "gu3ssed" not in str(refused.value) + "".join(capfd.readouterr())
