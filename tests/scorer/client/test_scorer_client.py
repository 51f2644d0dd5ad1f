"""The client of ad servers against real scorers, some of which are away, slow or refuse."""

import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest

from deploy.local.ports import free_ports
from schemas.proto.ctr.v1 import scorer_pb2
from scorer.client.scorer_client import ScorerClient
from tests.scorer.publisher import Publisher
from tests.scorer.running_scorer import RunningScorer, refusal
from tests.scorer.tiny_model import TinyModel

ROOT = Path(__file__).resolve().parents[3]
GO_PROGRAM = ROOT / ".build" / "go" / "rank"
REQUEST = scorer_pb2.RankRequest(request_id="r", user_id="u", limit=2)
LONG = 20.0


@pytest.fixture
def silent() -> Iterator[str]:
    """An address that takes connections and never says a word, like a process that is stopped."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def away() -> str:
    """An address where nobody listens."""
    (port,) = free_ports(1)
    return f"127.0.0.1:{port}"


def requests(scorer: RunningScorer, code: str, rung: str = "") -> float:
    return scorer.metric("ctr_scorer_requests_total", method="Rank", code=code, rung=rung)


def test_rank_and_score(scorer: RunningScorer, model: TinyModel) -> None:
    with ScorerClient([scorer.address], LONG) as client:
        ranked = client.rank(REQUEST)
        assert (len(ranked.ads), ranked.model_version) == (2, model.version)
        candidates = [scorer_pb2.Candidate(ad_id="ad-3")]
        asked = scorer_pb2.ScoreRequest(request_id="r", user_id="u", candidates=candidates)
        assert [ad.ad_id for ad in client.score(asked).ads] == ["ad-3"]


def test_another_address_is_tried(scorer: RunningScorer, away: str) -> None:
    with ScorerClient([away, scorer.address], LONG) as client:
        for _ in range(6):
            assert len(client.rank(REQUEST).ads) == 2
    with ScorerClient([away], LONG) as client:
        assert refusal(lambda: client.rank(REQUEST))[0] == grpc.StatusCode.UNAVAILABLE


def test_a_worker_that_refuses_is_left_for_another(
    redis_url: str, scorer: RunningScorer, publisher: Publisher
) -> None:
    """One that has no model yet says UNAVAILABLE, at once."""
    publisher.client.delete("ctr:model:{deepfm}:current")
    with (
        RunningScorer(redis_url) as empty,
        ScorerClient([empty.address, scorer.address], LONG) as client,
    ):
        for _ in range(4):
            assert len(client.rank(REQUEST).ads) == 2
        assert requests(empty, "UNAVAILABLE") >= 2


def test_bad_requests_are_not_sent_again(scorer: RunningScorer) -> None:
    with ScorerClient([scorer.address], LONG) as client:
        code, message = refusal(lambda: client.rank(scorer_pb2.RankRequest(request_id="r")))
    assert (code, message) == (grpc.StatusCode.INVALID_ARGUMENT, "user_id: missing")
    assert requests(scorer, "INVALID_ARGUMENT") == 1


def test_the_deadline_holds_for_all_tries(silent: str) -> None:
    for hedge in (None, 0.05):
        with ScorerClient([silent, silent], 0.3, hedge_after_seconds=hedge) as client:
            assert refusal(lambda asked=client: asked.rank(REQUEST))[0] == (  # type: ignore[misc]
                grpc.StatusCode.DEADLINE_EXCEEDED
            )


def test_a_hedge_answers_for_a_worker_that_hangs(scorer: RunningScorer, silent: str) -> None:
    with ScorerClient([silent, scorer.address], LONG, hedge_after_seconds=0.02) as client:
        for _ in range(4):
            assert len(client.rank(REQUEST).ads) == 2


def test_many_threads_share_a_client(redis_url: str, scorer: RunningScorer) -> None:
    answers: list[int] = []
    # Other work on the machine must not look like overload.
    with (
        RunningScorer(redis_url, {"overload_latency_ms": 10_000.0}) as patient,
        ScorerClient([patient.address], LONG, hedge_after_seconds=0.001) as client,
    ):
        patient.wait_for_model(scorer.version)

        def ask() -> None:
            answers.extend(len(client.rank(REQUEST).ads) for _ in range(20))

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert answers == [2] * 80


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: ScorerClient([]), "addresses"),
        (lambda: ScorerClient("a:1"), "addresses"),
        (lambda: ScorerClient(["a:1"], 0), "deadline"),
        (lambda: ScorerClient(["a:1"], hedge_after_seconds=-1), "hedge_after"),
    ],
)
def test_wrong_arguments_are_named(make: Callable[[], ScorerClient], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        make()


@pytest.mark.skipif(not GO_PROGRAM.exists(), reason="not built: make client-go, which needs Go")
def test_the_example_in_go(scorer: RunningScorer, model: TinyModel) -> None:
    run = subprocess.run(
        [GO_PROGRAM, scorer.address, "u-1"], capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 0, run.stderr
    head, *ads = run.stdout.splitlines()
    assert head.split() == ["deepfm", model.version, "FULL"]
    assert len(ads) == 3
    refused = subprocess.run(
        [GO_PROGRAM, scorer.address, ""], capture_output=True, text=True, timeout=60, check=False
    )
    assert refused.returncode == 1
    assert "user_id: missing" in refused.stderr
