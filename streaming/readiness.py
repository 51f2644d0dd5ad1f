"""What a process of ours needs before it starts; what is missing is named with its remedy."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import redis
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from redis.exceptions import RedisClusterException

from schemas.addresses import KafkaAddress, RedisAddress
from schemas.topics import Topic
from stores.kafka_client import client_settings
from stores.redis_client import connect, primaries


class NotReady(RuntimeError):
    """Something that is needed is not there; the message names it and the remedy."""


def require_topics(
    kafka: KafkaAddress | str, needed: Sequence[Topic], timeout_seconds: float
) -> None:
    """Raises NotReady if no broker answers or a topic is missing."""
    client = AdminClient({**client_settings(kafka), "log_level": 2})
    try:
        known = client.list_topics(timeout=timeout_seconds).topics
    except KafkaException as error:
        raise NotReady(
            f"no Kafka broker answers at {kafka} ({error.args[0].str()}): start one with "
            "`make up`, or set CTR_KAFKA_BOOTSTRAP"
        ) from None
    missing = [topic.name for topic in needed if topic.name not in known]
    if missing:
        raise NotReady(
            f"Kafka at {kafka} has no topic {', '.join(missing)}: `make up` creates them, on a "
            "cluster `python -m deploy.cluster kafka`; or our user may not see them"
        )


def require_redis(address: RedisAddress | str, timeout_seconds: float) -> None:
    """Raises NotReady if no Redis 7 or newer answers (functions came with 7)."""
    try:
        with connect(address, socket_timeout=timeout_seconds) as client:
            servers: list[Any] = [server.info("server") for server in primaries(client)]
    except (redis.RedisError, RedisClusterException, ValueError) as error:
        raise NotReady(
            f"no Redis answers ({error}): start one with `make up`, or set CTR_REDIS_URL"
        ) from None
    version = min((str(server["redis_version"]) for server in servers), key=_major)
    if _major(version) < 7:
        raise NotReady(f"Redis is version {version}: 7 or newer is needed for its functions")


def require_registry(url: str, timeout_seconds: float) -> None:
    """Raises NotReady if nothing answers there; what it answers does not matter here."""
    try:
        with urlopen(url, timeout=timeout_seconds):
            pass
    except HTTPError:
        pass
    except OSError as error:
        raise NotReady(
            f"no schema registry answers at {url} ({error}): set CTR_SCHEMA_REGISTRY_URL, or unset "
            "it if producers use Avro's single-object encoding"
        ) from None


def _major(version: str) -> int:
    return int(version.partition(".")[0])


def require_jars(folder: Path) -> list[Path]:
    """The jars that a job needs, absolute. Raises NotReady if there are none of ours."""
    jars = sorted(path.absolute() for path in folder.glob("*.jar"))
    if not any(path.name == "ctr-flink.jar" for path in jars):
        raise NotReady(f"no ctr-flink.jar in {folder.absolute()}: run `make setup`")
    return jars
