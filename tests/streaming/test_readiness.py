"""What is missing before a start is named with its remedy."""

from pathlib import Path

import pytest

from deploy.local.ports import HOST, free_ports
from schemas import topics
from schemas.topics import Topic
from streaming.readiness import (
    NotReady,
    require_jars,
    require_redis,
    require_registry,
    require_topics,
)
from tests.streaming.jobs.producers_ahead import AD_ID, registry


def _nobody() -> str:
    return f"{HOST}:{free_ports(1)[0]}"


def test_topics_that_are_there(kafka_bootstrap: str) -> None:
    require_topics(kafka_bootstrap, topics.ALL, 10)


def test_a_missing_topic_is_named(kafka_bootstrap: str) -> None:
    needed = (topics.CLICKS, Topic("no-such-topic", "key", "Click"), Topic("nor-this", "k", "Ad"))
    with pytest.raises(NotReady, match=r"has no topic no-such-topic, nor-this: `make up`"):
        require_topics(kafka_bootstrap, needed, 10)


def test_no_broker() -> None:
    address = _nobody()
    with pytest.raises(NotReady, match=rf"no Kafka broker answers at {address}.*KAFKA_BOOTSTRAP"):
        require_topics(address, topics.ALL, 0.5)


def test_redis_that_is_there(redis_url: str) -> None:
    require_redis(redis_url, 10)


@pytest.mark.parametrize("url", [f"redis://{HOST}:1/0", "not a url"])
def test_no_redis(url: str) -> None:
    with pytest.raises(NotReady, match=r"no Redis answers .*set CTR_REDIS_URL"):
        require_redis(url, 0.5)


def test_jars_are_absolute_and_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ctr-flink.jar", "connector.jar", "notes.txt"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    assert require_jars(Path()) == [tmp_path / "connector.jar", tmp_path / "ctr-flink.jar"]


def test_no_jars_of_ours(tmp_path: Path) -> None:
    (tmp_path / "connector.jar").touch()
    with pytest.raises(NotReady, match=rf"no ctr-flink.jar in {tmp_path}: run `make setup`"):
        require_jars(tmp_path)


def test_a_schema_registry_that_is_not_there_is_named() -> None:
    url = f"http://{_nobody()}"
    with pytest.raises(NotReady, match=f"^no schema registry answers at {url} .*SCHEMA_REGISTRY"):
        require_registry(url, 1)


def test_a_schema_registry_may_answer_what_it_likes() -> None:
    with registry() as url:
        require_registry(url, 5)
        require_registry(f"{url}/schemas/ids/{AD_ID}", 5)
