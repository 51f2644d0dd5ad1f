"""The process: what it checks at the start, readiness, reflection, overload, a clean end."""

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
import redis
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client import CollectorRegistry

from deploy.local.ports import free_ports
from schemas.proto.ctr.v1 import scorer_pb2
from schemas.settings import SharedSettings
from scorer.process import ScorerProcess
from scorer.requirements import StartError
from scorer.settings import ScorerSettings
from tests.scorer.publisher import Publisher, ad
from tests.scorer.running_scorer import KEYS, RunningScorer, eventually, refusal, served, stub_of
from tests.scorer.tiny_model import SPEC_FILE, TinyModel

ROOT = Path(__file__).resolve().parents[2]
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def health(channel: grpc.Channel, service: str = "") -> int:
    stub = health_pb2_grpc.HealthStub(channel)
    status: int = stub.Check(health_pb2.HealthCheckRequest(service=service)).status
    return status


def environment(redis_url: str, **settings: str) -> dict[str, str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("CTR_")}
    return {
        **plain,
        "CTR_REDIS_URL": redis_url,
        "CTR_FEATURES": str(SPEC_FILE),
        "CTR_TOKEN_KEYS": KEYS,
        "CTR_SCORER_METRICS_PORT": "0",
        **settings,
    }


def start(environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "scorer"], env=environment, cwd=ROOT, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"CTR_REDIS_URL": "redis://127.0.0.1:1/0"}, "CTR_REDIS_URL"),
        ({"CTR_SCORER_THREDS": "4"}, "CTR_SCORER_THREADS"),
        ({"CTR_SCORER_MAX_ADS": str(1 << 40)}, "CTR_SCORER_MEMORY_DIR: /dev/shm has"),
        ({"CTR_SCORER_MEMORY_DIR": "/absent"}, "CTR_SCORER_MEMORY_DIR: /absent"),
    ],
)
def test_it_does_not_start_without_what_it_needs(
    redis_url: str, settings: dict[str, str], named: str
) -> None:
    process = start(environment(redis_url, **settings))
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert named in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"redis_url": "nonsense"}, "CTR_REDIS_URL"),
        ({"token_keys": ""}, "CTR_TOKEN_KEYS"),
        ({"token_keys": "1:ab"}, "CTR_TOKEN_KEYS"),
        ({"features": "wrold"}, "wrold"),
    ],
)
def test_what_is_missing_is_named(redis_url: str, settings: dict[str, str], named: str) -> None:
    good = {"redis_url": redis_url, "features": str(SPEC_FILE), "token_keys": KEYS}
    shared = SharedSettings.load(**{**good, **settings})
    with pytest.raises(StartError, match=named):
        ScorerProcess(shared, ScorerSettings(port=0), CollectorRegistry())


def test_a_taken_port_is_named(scorer: RunningScorer) -> None:
    with pytest.raises(StartError, match="CTR_SCORER_PORT"):
        RunningScorer(scorer.redis_url, {"port": scorer.process.server.port}).__enter__()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        with pytest.raises(StartError, match="CTR_SCORER_METRICS_PORT"):
            RunningScorer(scorer.redis_url, {"metrics_port": taken}).__enter__()


def test_an_address_of_ipv6(redis_url: str) -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    with (
        RunningScorer(redis_url, {"host": "::1"}) as scorer,
        grpc.insecure_channel(f"[::1]:{scorer.process.server.port}") as channel,
    ):
        assert health(channel) == NOT_SERVING


def test_a_whole_life(redis_url: str, publisher: Publisher, model: TinyModel) -> None:
    """Not ready before a model, ready after it, metrics by HTTP, drained and gone by SIGTERM."""
    port, metrics_port = free_ports(2)
    process = start(
        environment(
            redis_url,
            CTR_SCORER_PORT=str(port),
            CTR_SCORER_METRICS_PORT=str(metrics_port),
            CTR_SCORER_DRAIN_SECONDS="1",
        )
    )
    with process, grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=60)
            stub = stub_of(channel)
            request = scorer_pb2.RankRequest(request_id="r", user_id="u")
            assert health(channel) == NOT_SERVING
            code, message = refusal(lambda: stub.Rank(request))
            assert code == grpc.StatusCode.UNAVAILABLE
            assert "no model" in message
            publisher.package(model.package)
            publisher.ads(ad(1))
            eventually(lambda: health(channel, "ctr.v1.Scorer") == SERVING)
            eventually(lambda: len(stub.Rank(request).ads) == 1)
            page = urllib.request.urlopen(f"http://127.0.0.1:{metrics_port}/metrics").read()
            assert b'ctr_scorer_model_info{version="v1"} 1.0' in page
            process.send_signal(signal.SIGTERM)
            eventually(lambda: health(channel) == NOT_SERVING)
            assert len(stub.Rank(request).ads) == 1
            assert process.wait(timeout=30) == 0
        finally:
            process.kill()


@contextmanager
def own_redis(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A Redis that may be killed."""
    command = ["redis-server", "--port", str(port), "--save", "", "--dir", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            client = redis.Redis(port=port)
            eventually(lambda: answers(client))
            client.close()
            yield process
        finally:
            process.kill()


def answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False


def test_redis_dies_and_comes_back_empty(tmp_path: Path, model: TinyModel) -> None:
    """Serving goes on without users, from memory; afterwards users and changes are seen again."""
    (port,) = free_ports(1)
    url = f"redis://127.0.0.1:{port}/0"
    with own_redis(tmp_path, port), redis.Redis.from_url(url) as client:
        Publisher(client).package(model.package)
        Publisher(client).ads(*(ad(number) for number in range(5)))
        scorer = RunningScorer(url)
        scorer.__enter__()
        scorer.wait_for_model("v1")
        eventually(lambda: len(scorer.rank().ads) == 5)
    try:
        for _ in range(5):
            response = scorer.rank()
            assert response.rung == scorer_pb2.NO_USER
            assert len(response.ads) == 5
        assert served(response.ads[0]).model_version == "v1"
        with own_redis(tmp_path, port), redis.Redis.from_url(url) as client:
            eventually(lambda: scorer.rank().rung == scorer_pb2.FULL)
            Publisher(client).ads(ad(77))
            eventually(lambda: len(scorer.rank().ads) == 6)
    finally:
        scorer.__exit__()
