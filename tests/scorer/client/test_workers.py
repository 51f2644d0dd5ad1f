"""A scorer of several processes as ad servers and operators see it, while a worker is killed."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest

from deploy.local.ports import free_ports
from schemas.proto.ctr.v1 import scorer_pb2, scorer_pb2_grpc
from scorer.client.scorer_client import ScorerClient
from tests.scorer.publisher import Publisher, ad
from tests.scorer.running_scorer import eventually, stub_of
from tests.scorer.test_process import SERVING, environment, health, start
from tests.scorer.tiny_model import TinyModel

ARMS = """
salt: s
arms:
  - {name: popular, share: 0.5, model: popularity}
  - name: main
    share: 0.5
    model: deepfm
    exploration: {policy: thompson, probability: 0.5}
"""


@pytest.fixture
def workers(
    redis_url: str, publisher: Publisher, model: TinyModel, tmp_path: Path
) -> Iterator[tuple[psutil.Process, str]]:
    """Two workers with two arms and an operator's token; the parent process and its address."""
    publisher.package(model.package)
    publisher.client.zadd("ctr:model:{deepfm}:versions", {model.version: 1})
    publisher.ads(*(ad(number) for number in range(40)))
    arms = tmp_path / "arms.yaml"
    arms.write_text(ARMS)
    (port,) = free_ports(1)
    settings = {
        "CTR_SCORER_WORKERS": "2",
        "CTR_SCORER_PORT": str(port),
        "CTR_SCORER_ARMS": str(arms),
        "CTR_SCORER_OPERATOR_TOKEN": "secret",
        "CTR_SCORER_RANKING_BUDGET_MS": "10000",
        "CTR_SCORER_OVERLOAD_LATENCY_MS": "10000",
    }
    with start(environment(redis_url, **settings)) as process:
        try:
            eventually(lambda: is_healthy(port), 60)
            yield psutil.Process(process.pid), f"127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(30)


def is_healthy(port: int) -> bool:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        try:
            return bool(health(channel) == SERVING)
        except grpc.RpcError:
            return False


def test_a_killed_worker_costs_no_answer(
    workers: tuple[psutil.Process, str], model: TinyModel
) -> None:
    """The client asks again at the other worker; arms, exploration and Explain work on both."""
    parent, address = workers
    variants: Counter[str] = Counter()
    sources: Counter[str] = Counter()
    with ScorerClient([address], 20.0) as client:
        for number in range(300):
            if number == 100:
                children = [c for c in parent.children() if c.nice() == parent.nice()]
                of_workers = [c for c in children if "spawn_main" in " ".join(c.cmdline())]
                of_workers[0].kill()
            request = scorer_pb2.RankRequest(request_id=f"r-{number}", user_id=f"u-{number}")
            answer = client.rank(request)
            assert len(answer.ads) == 10
            variants[answer.variant] += 1
            sources[answer.ads[-1].source] += 1
    assert min(variants["popular"], variants["main"]) > 100
    assert sources["exploration"] > 20
    question = scorer_pb2.ScoreRequest(
        request_id="r", user_id="u", variant="main", candidates=[scorer_pb2.Candidate(ad_id="ad-1")]
    )
    with grpc.insecure_channel(address) as channel:
        (scored,) = stub_of(channel).Score(question, wait_for_ready=True).ads
        (explained,) = stub_of(channel).Explain(question, wait_for_ready=True).ads
        assert explained.ctr == pytest.approx(scored.ctr, rel=1e-3)
        make: Any = scorer_pb2_grpc.ModelAdminStub
        metadata = [("authorization", "Bearer secret")]
        (version,) = make(channel).ListModels(
            scorer_pb2.ListModelsRequest(), metadata=metadata, wait_for_ready=True
        ).versions  # fmt: skip
        assert (version.version, version.serving) == (model.version, True)
