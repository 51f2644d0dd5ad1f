"""Fixtures for every test: a real Redis, a real Kafka broker and the shared data."""

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis

from deploy.local.kafka_broker import kafka_part
from deploy.local.ports import HOST, free_ports
from deploy.local.redis_server import redis_part
from deploy.local.supervisor import Supervisor
from stores.redis_client import connect, primaries

ROOT = Path(__file__).resolve().parents[1]
KAFKA_JARS = ROOT / ".build" / "kafka"
SHARED_DATA = ROOT.parent / "shared" / "data"
CLUSTER_NODES = 3
SLOTS = 16_384


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


@pytest.fixture(scope="session")
def _redis_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("redis-cluster")
    ports = free_ports(2 * CLUSTER_NODES)
    parts = []
    for number in range(CLUSTER_NODES):
        port, bus_port = ports[2 * number : 2 * number + 2]
        part = redis_part(folder=folder / str(number), port=port, maxmemory_mb=128)
        options = ("--cluster-enabled", "yes", "--cluster-port", str(bus_port))
        parts.append(replace(part, name=f"redis-{number}", command=(*part.command, *options)))
    with Supervisor(folder, environment=os.environ, cwd=ROOT) as supervisor:
        supervisor.start(parts)
        _join(list(zip(ports[::2], ports[1::2], strict=True)))
        yield f"redis+cluster://{HOST}:{ports[0]}"


def _join(ports: list[tuple[int, int]]) -> None:
    """Each node gets its share of the slots; returns when all of them know it."""
    nodes: list[Any] = [redis.Redis(HOST, port) for port, _ in ports]
    share = -(-SLOTS // len(nodes))
    for number, node in enumerate(nodes):
        last = min((number + 1) * share, SLOTS) - 1
        node.execute_command("CLUSTER ADDSLOTSRANGE", number * share, last)
        node.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
    for port, bus_port in ports[1:]:
        nodes[0].execute_command("CLUSTER MEET", HOST, port, bus_port)
    deadline = time.monotonic() + 30
    while not all(node.cluster("info")["cluster_state"] == "ok" for node in nodes):
        assert time.monotonic() < deadline, "the nodes do not become a cluster"
        time.sleep(0.1)
    for node in nodes:
        node.close()


@pytest.fixture
def redis_cluster_url(_redis_cluster: str) -> str:
    """URL of a private Redis Cluster of three nodes, emptied before each test."""
    with connect(_redis_cluster) as client:
        for node in primaries(client):
            node.flushall()
            node.function_flush()
    return _redis_cluster
