"""Few candidates are scored exactly, and yet the best of all are served."""

import numpy as np
import pytest
from numpy.typing import NDArray

from schemas.proto.ctr.v1 import scorer_pb2
from schemas.redis_values import UserRow
from scorer.kernels import RequestHalf
from scorer.memory.background import Pace
from scorer.model.deepfm import DeepFm
from scorer.model.finalists import SERVED_ADS
from scorer.model.recent_requests import warm_up
from tests.scorer.publisher import Publisher, ad
from tests.scorer.running_scorer import RunningScorer, served
from tests.scorer.tiny_model import ENCODER, TinyModel

ADS = 400


@pytest.mark.parametrize("order_by", [scorer_pb2.CTR, scorer_pb2.EXPECTED_VALUE])
def test_the_best_of_all_are_served(
    redis_url: str, publisher: Publisher, model: TinyModel, order_by: int
) -> None:
    publisher.package(model.package)
    publisher.ads(*(ad(number) for number in range(ADS)))
    with RunningScorer(redis_url, {"candidates": ADS}) as scorer:
        scorer.wait_for_model("v1")
        assert scorer.process.holder.require().shortlist < ADS
        # With so many asked for, each of them is scored by the exact tower.
        everyone = scorer.rank(limit=ADS, order_by=order_by).ads
        few = scorer.rank(limit=5, order_by=order_by).ads
    assert len(everyone) == ADS
    logits = [model.logit(served(shown).inputs) for shown in everyone]
    if order_by == scorer_pb2.CTR:
        assert logits == sorted(logits, reverse=True)
    assert [a.ad_id for a in few] == [a.ad_id for a in everyone[:5]]
    assert [a.ctr for a in few] == pytest.approx([a.ctr for a in everyone[:5]], rel=1e-5)
    assert np.isfinite(logits).all()


def test_a_model_is_warmed_up_by_what_a_request_does(
    scorer: RunningScorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored: list[list[bytes]] = []
    ctrs = DeepFm.ctrs

    def noted(model: DeepFm, half: RequestHalf, parts: NDArray[np.void]) -> NDArray[np.float64]:
        scored.append(sorted(part.tobytes() for part in parts))
        return ctrs(model, half, parts)

    monkeypatch.setattr(DeepFm, "ctrs", noted)
    served, arrays = scorer.process.holder.require(), scorer.process.catalogue.arrays
    warm_up(served, arrays, [ENCODER.request(UserRow("nobody"), {})], ADS, Pace(1.0))
    scorer.rank(user_id="nobody", limit=SERVED_ADS)
    warmed, asked = scored
    assert SERVED_ADS < len(asked) < len(arrays.ids)
    assert warmed == asked
