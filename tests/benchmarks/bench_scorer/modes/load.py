"""The main run: the most requests a second on one core, latency at half of it, recall, memory."""

from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray

from schemas import redis_keys
from schemas.encoding import Encoder
from schemas.proto.ctr.v1 import scorer_pb2
from schemas.redis_values import user_row
from schemas.served_token import TokenKeys
from scorer.ads.ad_arrays import AdArrays
from scorer.kernels import best_kernels
from scorer.memory import shared_arrays
from scorer.memory.background import Pace
from scorer.model.finalists import SERVED_ADS
from scorer.model.model_file import ModelFile, published_popular
from scorer.model.retrieval_index import RetrievalIndex
from scorer.settings import ScorerSettings
from tests.benchmarks.bench_scorer import ghz
from tests.benchmarks.bench_scorer.gauges import Reading, rungs_between, stages_between
from tests.benchmarks.bench_scorer.ghz import Outcome
from tests.benchmarks.bench_scorer.ranking_race import CANDIDATES, RankingRace
from tests.benchmarks.bench_scorer.report import Bar, Report
from tests.benchmarks.bench_scorer.rig import Rig
from tests.benchmarks.bench_scorer.truth import Truth, recall
from tests.benchmarks.bench_scorer.world import rank_requests
from tests.scorer.running_scorer import KEYS, stub_of

REQUESTS = rank_requests(20_000, seed=1)
RUNGS = ("FULL", "NO_USER", "RETRIEVAL_ONLY", "POPULAR")
_RACE_REQUESTS = 1_000


def run(rig: Rig, seconds: float, recall_requests: int, ranker_requests: int) -> Report:
    """All figures of the main table."""
    report = Report("load", rig.world.ads)
    grown = rig.gauges.memory_bytes() - rig.base_bytes
    warm_up(rig)
    most, used = measured(rig, seconds)
    half, half_used = measured(rig, seconds, rate=most.per_second / 2)
    answers = wide_answers(rig, recall_requests)
    products, full = recalls(rig, answers, ranker_requests)
    ranking = ranking_race(rig)
    report.bars = [
        Bar.at_least("requests/s on one core", most.per_second, 1_000),
        Bar.at_least(f"recall of the true top {CANDIDATES}", products, 0.93),
        Bar.at_least(f"recall of the ranker's true top {SERVED_ADS}", full, 0.97),
        Bar.at_most("p99 at half load, ms", half.percentile(99), 10),
        Bar.at_least("ranking: torch eager / ours", ranking["torch_eager_ratio"]["cold"], 20),
        Bar.at_least("ranking: numpy + ONNX fp32 / ours", ranking["numpy_onnx_ratio"]["cold"], 20),
        Bar.at_most("served / offline probability, worst", parity(rig, answers), 1e-3),
    ]
    report.figures = {
        "most": {**most.percentiles(), **used, "codes": most.codes},
        "half": {**half.percentiles(), **half_used, "codes": half.codes},
        "ranking": ranking,
        "bytes_per_ad": round(grown / rig.world.ads, 1),
    }
    return report


def warm_up(rig: Rig) -> None:
    """Connections, caches and pages."""
    ghz.load(rig.port, REQUESTS, 3, rig.load_core)


def maximum(rig: Rig, seconds: float) -> float:
    """Requests a second, as fast as a few clients go."""
    warm_up(rig)
    return ghz.load(rig.port, REQUESTS, seconds, rig.load_core).per_second


def measured(rig: Rig, seconds: float, rate: float = 0) -> tuple[Outcome, dict[str, Any]]:
    """A run with what the scorer used for each answer."""
    before = rig.gauges.read()
    outcome = ghz.load(rig.port, REQUESTS, seconds, rig.load_core, rate=rate)
    return outcome, usage(before, rig.gauges.read(), outcome)


def usage(before: Reading, after: Reading, outcome: Outcome) -> dict[str, Any]:
    """CPU and stages for each answer, and the rungs."""
    count = max(1, len(outcome.ms))
    return {
        "per_second": outcome.per_second,
        "cpu_us": round((after.cpu_seconds - before.cpu_seconds) / count * 1e6),
        "stages_us": stages_between(before, after, count),
        "rungs": rungs_between(before, after),
    }


def wide_answers(rig: Rig, count: int) -> list[scorer_pb2.RankResponse]:
    """Answers that hold all candidates of their request."""
    with grpc.insecure_channel(f"127.0.0.1:{rig.port}") as channel:
        stub = stub_of(channel)
        return [
            stub.Rank(scorer_pb2.RankRequest(**request), timeout=10)
            for request in rank_requests(count, seed=2, limit=CANDIDATES)
        ]


def samples(rig: Rig, answer: scorer_pb2.RankResponse) -> NDArray[np.void]:
    """Encoded inputs [n] of the ads of an answer, from their tokens."""
    keys = TokenKeys.parse(KEYS)
    return rig.model.layout.unpack(b"".join(keys.verify(ad.token).inputs for ad in answer.ads))


def recalls(
    rig: Rig, answers: list[scorer_pb2.RankResponse], ranker_requests: int
) -> tuple[float, float]:
    """Shares of the true best by the inner product, and of those by the whole model."""
    found = [[int(ad.ad_id[1:]) for ad in answer.ads] for answer in answers]
    parts = np.concatenate([samples(rig, answer)[:1] for answer in answers])
    truth = Truth(rig.world, rig.model)
    by_product, by_model = truth.best(
        parts, CANDIDATES, SERVED_ADS, min(ranker_requests, len(parts))
    )
    first = [set(ads[:SERVED_ADS]) for ads in found[: len(by_model)]]
    return recall([set(ads) for ads in found], by_product), recall(first, by_model)


def parity(rig: Rig, answers: list[scorer_pb2.RankResponse]) -> float:
    """Largest relative difference between a served and an offline probability."""
    truth = Truth(rig.world, rig.model)
    worst = 0.0
    for answer in answers:
        if answer.rung == scorer_pb2.FULL:
            served = np.array([ad.ctr for ad in answer.ads])
            expected = truth.ctrs(samples(rig, answer))
            worst = max(worst, float((np.abs(served - expected) / expected).max()))
    return round(worst, 6)


def ranking_race(rig: Rig) -> dict[str, Any]:
    """The scorer's ranking beside the plain ways, over the very memory that it serves from."""
    encoder, memory = Encoder(rig.world.spec), rig.memory()
    published = memory.published()
    if published is None:
        raise RuntimeError("the scorer has published no model")
    model_path, index_path = published
    probes = ScorerSettings().index_probes
    # Mapped as by a worker, ahead of what is on the clock.
    index, model = (shared_arrays.attach(path, pace=Pace(1.0)) for path in (index_path, model_path))
    file = ModelFile(model_path, model)
    arrays = AdArrays.attach(memory.ads)
    retrieval = RetrievalIndex(index, probes, best_kernels())
    served = file.attached(encoder, retrieval, published_popular(arrays))
    parts = []
    for request in rank_requests(_RACE_REQUESTS, seed=3):
        user_id = request["user_id"]
        user = user_row(user_id, rig.client.hgetall(redis_keys.user(user_id)))
        parts.append(encoder.request(user, request["context"]))
    return RankingRace(served, arrays, rig.model, parts).run()
