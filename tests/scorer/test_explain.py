"""Explain: contributions are those of the plain model, and sum to the logit that was served."""

import grpc
import numpy as np
import pytest
from numpy.typing import NDArray

from schemas.proto.ctr.v1 import scorer_pb2
from schemas.redis_values import CounterRow
from scorer.ranking.tower_gradient import TowerGradient
from tests.scorer.publisher import Publisher
from tests.scorer.running_scorer import RunningScorer, eventually, refusal, served
from tests.scorer.tiny_model import CALIBRATION, ENCODER, LAYOUT, TinyModel

CONTEXT = {"device": "phone", "hour": "13"}


@pytest.fixture
def question(publisher: Publisher) -> scorer_pb2.ScoreRequest:
    publisher.user(
        "u-7",
        {"segment": "s1", "age": "31"},
        clicked=["ad-3", "ad-5"],
        counter=CounterRow((3, 5, 9, 9), (1, 1, 2, 2)),
    )
    return scorer_pb2.ScoreRequest(
        request_id="r-1",
        user_id="u-7",
        context=CONTEXT,
        candidates=[
            scorer_pb2.Candidate(ad_id="ad-1"),
            scorer_pb2.Candidate(ad_id="new", attributes={"category": "c1", "size": "4"}),
        ],
    )


def value_of(ad: scorer_pb2.ExplainedAd, field: str) -> str:
    return next(part.value for part in ad.contributions if part.field == field)


def test_contributions_sum_to_what_is_served(
    scorer: RunningScorer,
    publisher: Publisher,
    model: TinyModel,
    question: scorer_pb2.ScoreRequest,
) -> None:
    publisher.counters({"ad:ad-1": CounterRow((380, 900, 900, 900), (23, 90, 90, 90))}, ts=1)

    def counted() -> list[str]:
        ads = scorer.stub.Explain(question).ads
        return [value_of(ad, "ad_clicks.15m.ctr") for ad in ads]

    # (23 clicks + 0.05 * 20) of (380 + 20) impressions; the other ad was never shown.
    eventually(lambda: counted() == ["0.06", "0.05"])
    explained = scorer.stub.Explain(question)
    scored = scorer.stub.Score(question)
    assert explained.request_id == "r-1"
    assert explained.model_version == "v1"
    assert explained.rung == scorer_pb2.FULL
    for ad, answer in zip(explained.ads, scored.ads, strict=True):
        assert ad.ad_id == answer.ad_id
        assert ad.ctr == pytest.approx(answer.ctr, rel=1e-3)
        assert ad.logit == pytest.approx(model.logit(served(answer).inputs), rel=1e-5)
        total = ad.constant + sum(part.total for part in ad.contributions)
        assert total == pytest.approx(ad.logit, abs=1e-9)
        assert ad.ctr == pytest.approx(CALIBRATION.probabilities(np.array([ad.logit]))[0])
        sizes = [abs(part.total) for part in ad.contributions]
        assert sizes == sorted(sizes, reverse=True)
        for part in ad.contributions:
            parts = part.first_order + part.interaction + part.tower
            assert part.total == pytest.approx(parts, abs=1e-12)
    fields = {part.field: part for part in explained.ads[1].contributions}
    assert len(fields) == LAYOUT.fields + len(LAYOUT.number_names)
    assert fields["segment"].value == "s1"
    assert fields["clicked_ads"].value == "ad-3 ad-5"
    assert fields["position"].value == "1"
    assert fields["category"].value == "c1"
    assert float(fields["user_clicks.1h.volume"].value) == pytest.approx(np.log1p(5), rel=1e-5)


def test_each_part_is_the_plain_models(
    scorer: RunningScorer, model: TinyModel, question: scorer_pb2.ScoreRequest
) -> None:
    """First order and FM by their definition; the tower by moving one field's inputs."""
    explained, scored = scorer.stub.Explain(question), scorer.stub.Score(question)
    for ad, answer in zip(explained.ads, scored.ads, strict=True):
        inputs = served(answer).inputs
        sample = ENCODER.layout.unpack(inputs)[0]
        table = model.arrays.table.astype(np.float64)
        pooled = table[[row for row in sample["sequence"] if row >= 0]].mean(axis=0)
        fields = [*table[sample["request_ids"]], pooled, *table[sample["ad_ids"]]]
        names = ["segment", "user", "device", "position", "clicked_ads", "ad", "category"]
        parts = {part.field: part for part in ad.contributions}
        for i, name in enumerate(names):
            products = [fields[i][1:] @ fields[j][1:] for j in range(len(fields)) if j != i]
            assert parts[name].first_order == pytest.approx(fields[i][0], rel=1e-6)
            assert parts[name].interaction == pytest.approx(sum(products) / 2, rel=1e-6)
        assert tower_share(model, fields, sample) == pytest.approx(
            {name: parts[name].tower for name in names}, abs=1e-4
        )


def tower_share(
    model: TinyModel, fields: list[NDArray[np.float64]], sample: NDArray[np.void]
) -> dict[str, float]:
    """Change of the tower's logit when a field shrinks by a millionth, times a million."""
    arrays = model.arrays
    numbers = np.concatenate((sample["request_numbers"], sample["ad_numbers"]))
    standardised = (numbers.astype(np.float64) - arrays.mean) / arrays.std
    second, last = (weights.astype(np.float64) for weights in model.tower_weights)

    def logit(vectors: list[NDArray[np.float64]]) -> float:
        dense = np.concatenate((*vectors, standardised))
        hidden = np.maximum(dense @ arrays.w1.astype(np.float64) + arrays.b1, 0) @ second
        return float((np.maximum(hidden, 0) @ last)[0])

    vectors = [field[1:] for field in fields]
    names = ["segment", "user", "device", "position", "clicked_ads", "ad", "category"]
    shares = {}
    for i, name in enumerate(names):
        smaller = [v * (1 - 1e-6) if j == i else v for j, v in enumerate(vectors)]
        shares[name] = (logit(vectors) - logit(smaller)) * 1e6
    return shares


def test_the_towers_of_an_export_are_explained() -> None:
    """Several towers with shifts, as online_model exports them."""
    from online_model.network import tower_graph
    from scorer.model.tower import Tower

    random = np.random.default_rng(4)
    weights = {
        f"towers.{kind}.{i}": random.standard_normal((2, rows, columns)).astype(np.float32)
        for i, (of, to) in enumerate([(6, 5), (5, 4), (4, 1)])
        for kind, rows, columns in (("weights", of, to), ("shifts", 1, to))
    }
    graph = tower_graph.write(weights)
    hidden = random.standard_normal((7, 12))
    logits, gradients = TowerGradient(graph).at(hidden)
    assert logits == pytest.approx(Tower(graph, 12).logits(hidden.astype(np.float32)), abs=1e-4)
    for column in range(12):
        step = np.zeros(12)
        step[column] = 1e-7
        moved, _ = TowerGradient(graph).at(hidden + step)
        assert gradients[:, column] == pytest.approx((moved - logits) / 1e-7, abs=1e-5)


def test_bad_questions_are_refused(scorer: RunningScorer) -> None:
    code, message = refusal(lambda: scorer.stub.Explain(scorer_pb2.ScoreRequest(user_id="u")))
    assert (code, message) == (grpc.StatusCode.INVALID_ARGUMENT, "request_id: missing")


def test_no_candidates_have_no_explanation(scorer: RunningScorer) -> None:
    nothing = scorer_pb2.ScoreRequest(request_id="r", user_id="u")
    assert list(scorer.stub.Explain(nothing).ads) == []
    assert list(scorer.stub.Score(nothing).ads) == []
