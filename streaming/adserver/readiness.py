"""What the ad server needs before it plays: a broker with our topics, and a scorer that serves."""

import time

import grpc
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from grpc_health.v1 import health_pb2, health_pb2_grpc

from schemas import topics

NEEDED = (topics.IMPRESSIONS, topics.CLICKS, topics.ADS, topics.USERS)
RETRY_SECONDS = 0.25


class NotReady(RuntimeError):
    """Something that is needed is not there; the message names it and the remedy."""


def require_topics(bootstrap: str, timeout_seconds: float) -> None:
    """Raises NotReady if no broker answers or a topic is missing."""
    client = AdminClient({"bootstrap.servers": bootstrap, "log_level": 2})
    try:
        known = client.list_topics(timeout=timeout_seconds).topics
    except KafkaException as error:
        raise NotReady(
            f"no Kafka broker answers at {bootstrap} ({error.args[0].str()}): start one with "
            "`make up`, or set CTR_KAFKA_BOOTSTRAP"
        ) from None
    missing = [topic.name for topic in NEEDED if topic.name not in known]
    if missing:
        raise NotReady(
            f"Kafka at {bootstrap} has no topic {', '.join(missing)}: `make up` creates them"
        )


def require_scorer(channel: grpc.Channel, target: str, timeout_seconds: float) -> None:
    """Raises NotReady if the scorer does not say SERVING in time."""
    health = health_pb2_grpc.HealthStub(channel)
    deadline = time.monotonic() + timeout_seconds
    while True:
        try:
            answer = health.Check(health_pb2.HealthCheckRequest(), timeout=RETRY_SECONDS * 4)
            if answer.status == health_pb2.HealthCheckResponse.SERVING:
                return
            seen = "it is up but has no model: `python -m bootstrap train` publishes one"
        except grpc.RpcError as error:
            seen = f"{error.code().name}: start one with `make up`, or set CTR_ADSERVER_SCORER"
        if time.monotonic() > deadline:
            raise NotReady(f"the scorer at {target} is not ready: {seen}")
        time.sleep(RETRY_SECONDS)
