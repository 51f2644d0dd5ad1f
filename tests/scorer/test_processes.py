"""A feeder and workers under a supervisor: shared ads, one port, restarts, a clean end."""

import signal
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
import redis

from deploy.local.ports import free_ports
from schemas.proto.ctr.v1 import scorer_pb2
from scorer.supervisor import cores_for
from tests.scorer.publisher import Publisher, ad, counter_row, row_delta
from tests.scorer.running_scorer import assert_parity, eventually, stub_of
from tests.scorer.test_process import SERVING, environment, health, own_redis, start
from tests.scorer.tiny_model import TinyModel


@dataclass
class Scorer:
    """A supervisor with two workers."""

    process: psutil.Process
    port: int
    metrics_port: int

    def rank(self, **fields: Any) -> scorer_pb2.RankResponse:
        """By a connection of its own, so that any worker may answer."""
        options = [("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(f"127.0.0.1:{self.port}", options) as channel:
            request = scorer_pb2.RankRequest(request_id="r", user_id="u", **fields)
            answer: scorer_pb2.RankResponse = stub_of(channel).Rank(request, wait_for_ready=True)
            return answer

    def is_healthy(self) -> bool:
        with grpc.insecure_channel(f"127.0.0.1:{self.port}") as channel:
            try:
                return bool(health(channel) == SERVING)
            except grpc.RpcError:
                return False

    def ranked(self) -> set[str]:
        return {ad.ad_id for ad in self.rank(limit=100).ads}

    def child(self, part: str) -> psutil.Process:
        """The feeder, which is niced, or one of the workers."""
        children = self.children()
        niced = [c for c in children if c.nice() > self.process.nice()]
        return niced[0] if part == "feeder" else next(c for c in children if c not in niced)

    def children(self) -> list[psutil.Process]:
        """Feeder and workers that live."""
        living = [c for c in self.process.children() if c.status() != psutil.STATUS_ZOMBIE]
        return [c for c in living if "spawn_main" in " ".join(c.cmdline())]

    def metric(self, line: str) -> float:
        page = urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics").read()
        found = [row for row in page.decode().splitlines() if row.startswith(line + " ")]
        return float(found[0].split()[-1]) if found else 0.0


@pytest.fixture
def scorer(redis_url: str, publisher: Publisher, model: TinyModel) -> Iterator[Scorer]:
    """Healthy, with 40 ads."""
    publisher.package(model.package)
    publisher.ads(*(ad(number) for number in range(40)))
    with supervised(redis_url, workers=2) as running:
        yield running


@contextmanager
def supervised(redis_url: str, workers: int) -> Iterator[Scorer]:
    """Healthy once there is a model; ends cleanly."""
    port, metrics_port = free_ports(2)
    settings = {
        "CTR_SCORER_WORKERS": str(workers),
        "CTR_SCORER_PORT": str(port),
        "CTR_SCORER_METRICS_PORT": str(metrics_port),
        "CTR_SCORER_EPSILON": "0",
        "CTR_SCORER_RANKING_BUDGET_MS": "10000",
        "CTR_SCORER_USER_TIMEOUT_MS": "2000",
    }
    with start(environment(redis_url, **settings)) as process:
        try:
            running = Scorer(psutil.Process(process.pid), port, metrics_port)
            # Each look may find another worker.
            eventually(lambda: all(running.is_healthy() for _ in range(8)), 60)
            yield running
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
            assert not list(Path("/dev/shm").glob(f"ctr-scorer-{process.pid}-*"))
        finally:
            process.kill()


def test_the_feeder_keeps_off_the_workers_cores() -> None:
    assert cores_for("worker-1", 2, [4, 5, 6]) == (5,)
    assert cores_for("feeder", 2, [4, 5, 6]) == [6]
    assert cores_for("worker-2", 3, [4, 5]) == (4,)
    assert cores_for("feeder", 2, [4, 5]) == [4, 5]


def test_who_dies_while_redis_is_away_comes_back_without_it(
    tmp_path: Path, model: TinyModel
) -> None:
    (port,) = free_ports(1)
    url = f"redis://127.0.0.1:{port}/0"
    with own_redis(tmp_path, port) as server:
        with redis.Redis.from_url(url) as client:
            Publisher(client).package(model.package)
            Publisher(client).ads(*(ad(number) for number in range(5)))
        with supervised(url, workers=1) as scorer:
            server.kill()
            server.wait()
            killed = scorer.children()
            for child in killed:
                child.kill()
            psutil.wait_procs(killed, timeout=10)
            answer = scorer.rank()
            assert answer.rung == scorer_pb2.NO_USER
            assert len(answer.ads) == 5
            eventually(lambda: len(scorer.children()) == 2)


def test_a_life_of_processes(scorer: Scorer, publisher: Publisher, model: TinyModel) -> None:
    """Changes reach all workers; the feeder and a worker are killed, and serving goes on."""
    for _ in range(4):
        answer = scorer.rank(limit=100)
        assert len(answer.ads) == 40
        assert_parity(answer, model)
    publisher.ads(ad(900), ad(3, ts=2, status="PAUSED"))
    publisher.counters({"advertiser:v2": counter_row(500, 100)}, ts=1)
    expected = {f"ad-{n}" for n in (*range(40), 900)} - {"ad-3"}
    eventually(lambda: scorer.ranked() == expected)
    assert_parity(scorer.rank(limit=100), model)

    scorer.child("feeder").kill()
    publisher.ads(ad(901), ad(4, ts=2, status="PAUSED"))
    expected = {*expected, "ad-901"} - {"ad-4"}
    eventually(lambda: scorer.ranked() == expected, 60)
    assert_parity(scorer.rank(limit=100), model)

    answered = scorer.metric('ctr_scorer_requests_total{code="OK",method="Rank",rung="FULL"}')
    killed = scorer.child("worker")
    killed.kill()
    killed.wait(10)
    eventually(lambda: len(scorer.children()) == 3, 60)
    for _ in range(4):
        assert scorer.ranked() == expected

    second = TinyModel("v2", seed=2)
    publisher.package(second.package)
    eventually(lambda: all(scorer.rank().model_version == "v2" for _ in range(6)), 60)
    assert_parity(scorer.rank(limit=100), second)
    publisher.delta(row_delta("v2", 0, {}))
    eventually(lambda: scorer.metric("ctr_scorer_ads") == 40)
    assert (
        scorer.metric('ctr_scorer_requests_total{code="OK",method="Rank",rung="FULL"}') > answered
    )
