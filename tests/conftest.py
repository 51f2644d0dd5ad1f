"""Fixtures for every test: a real Redis, a real Kafka broker and the shared data."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from deploy.local.kafka_broker import kafka_part
from deploy.local.ports import HOST, free_ports
from deploy.local.redis_server import redis_part
from deploy.local.supervisor import Supervisor

ROOT = Path(__file__).resolve().parents[1]
KAFKA_JARS = ROOT / ".build" / "kafka"
SHARED_DATA = ROOT.parent / "shared" / "data"


@pytest.fixture(autouse=True)
def _no_settings_of_the_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a developer exported for the local stack must not change what a test sees."""
    for name in [name for name in os.environ if name.startswith("CTR_")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def _redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("redis-server")
    (port,) = free_ports(1)
    with Supervisor(folder, environment=os.environ, cwd=ROOT) as supervisor:
        supervisor.start([redis_part(folder=folder / "data", port=port, maxmemory_mb=512)])
        yield f"redis://{HOST}:{port}/0"


@pytest.fixture
def redis_url(_redis_server: str) -> str:
    """URL of a private Redis server, emptied (data and functions) before each test."""
    with redis.Redis.from_url(_redis_server) as client:
        client.flushall()
        client.function_flush()
    return _redis_server


@pytest.fixture(scope="session")
def kafka_bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """``host:port`` of a private Kafka broker with our topics, two partitions each.

    It lives as long as the test session: create topics of your own where emptiness matters.
    """
    folder = tmp_path_factory.mktemp("kafka-broker")
    port, controller_port = free_ports(2)
    broker = kafka_part(
        folder=folder / "data",
        jars=KAFKA_JARS,
        port=port,
        controller_port=controller_port,
        heap_mb=384,
        partitions=2,
    )
    with Supervisor(folder, environment=os.environ, cwd=ROOT) as supervisor:
        supervisor.start([broker])
        yield f"{HOST}:{port}"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real click logs beside the repository; skips where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no click logs: {SHARED_DATA} does not exist")
    return SHARED_DATA
