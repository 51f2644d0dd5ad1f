"""What bad requests get: INVALID_ARGUMENT that names the field, never INTERNAL."""

from typing import Any

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.proto.ctr.v1 import scorer_pb2
from scorer.api.validation import Validator
from scorer.questions import InvalidRequestError
from scorer.settings import ScorerSettings
from tests.scorer.running_scorer import RunningScorer, refusal, served
from tests.scorer.tiny_model import SPEC

Candidate = scorer_pb2.Candidate
LONG = "x" * 5_000
INVALID = grpc.StatusCode.INVALID_ARGUMENT


VALIDATOR = Validator(SPEC, "deepfm", ScorerSettings())
ASKER = {"request_id": "r", "user_id": "u"}


@pytest.mark.parametrize(
    ("field", "request_fields"),
    [
        ("request_id", {"request_id": ""}),
        ("request_id", {"request_id": LONG}),
        ("user_id", {"user_id": ""}),
        ("context", {"context": {"colour": "red"}}),
        ("context", {"context": {"position": "3"}}),
        ("context[device]", {"context": {"device": LONG}}),
        ("context", {"context": {str(i): "" for i in range(65)}}),
        ("limit", {"limit": -1}),
        ("limit", {"limit": 1_001}),
        ("limit", {"limit": 100_000}),
        ("order_by", {"order_by": 9}),
        ("variant", {"variant": "lr"}),
        ("blocked_ad_ids", {"blocked_ad_ids": ["a"] * 10_001}),
        ("blocked_ad_ids[1]", {"blocked_ad_ids": ["a", ""]}),
        ("required_attributes", {"required_attributes": {"": "x"}}),
        ("required_attributes", {"required_attributes": {str(i): "" for i in range(129)}}),
    ],
)
def test_rank_names_the_field(field: str, request_fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        VALIDATOR.rank(scorer_pb2.RankRequest(**{**ASKER, **request_fields}))
    assert str(refused.value).startswith(f"{field}: ")


@pytest.mark.parametrize(
    ("field", "request_fields"),
    [
        ("request_id", {"request_id": ""}),
        ("user_id", {"user_id": ""}),
        ("context", {"context": {"colour": "red"}}),
        ("candidates[1].ad_id", {"candidates": [Candidate(ad_id="a"), Candidate()]}),
        ("candidates[1].ad_id", {"candidates": [Candidate(ad_id="a")] * 2}),
        ("candidates", {"candidates": [Candidate(ad_id=str(i)) for i in range(1_001)]}),
        (
            "candidates[0].attributes",
            {"candidates": [Candidate(ad_id="a", attributes={"": "x"})]},
        ),
        (
            "candidates[0].attributes['size']",
            {"candidates": [Candidate(ad_id="a", attributes={"size": LONG})]},
        ),
    ],
)
def test_score_names_the_field(field: str, request_fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        VALIDATOR.score(scorer_pb2.ScoreRequest(**{**ASKER, **request_fields}))
    assert str(refused.value).startswith(f"{field}: ")


def test_a_refusal_is_invalid_argument_with_the_message(scorer: RunningScorer) -> None:
    refused = refusal(lambda: scorer.rank(limit=100_000))
    assert refused == (INVALID, "limit: expected 1 to 1000, or 0 for 10, got 100000")
    code, message = refusal(lambda: scorer.score(user_id=""))
    assert code == INVALID
    assert message.startswith("user_id: missing")


def test_documented_defaults(scorer: RunningScorer) -> None:
    assert len(scorer.rank(limit=0).ads) == 10
    assert len(scorer.rank().ads) == 10
    assert len(scorer.rank(limit=1_000).ads) == 40
    assert scorer.rank(variant="deepfm").variant == "deepfm"
    assert ScorerSettings().max_limit == 1_000


def test_refusals_are_counted(scorer: RunningScorer) -> None:
    refusal(lambda: scorer.rank(limit=-1))
    scorer.rank()
    counted = {"method": "Rank", "code": "INVALID_ARGUMENT", "rung": ""}
    assert scorer.metric("ctr_scorer_requests_total", **counted) == 1
    answered = {"method": "Rank", "code": "OK", "rung": "FULL"}
    assert scorer.metric("ctr_scorer_requests_total", **answered) == 1
    assert scorer.metric("ctr_scorer_stage_seconds_count", stage="tower") == 1


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
IDS = st.one_of(st.sampled_from(["", "ad-1", "ad-2", "u-1"]), TEXT)
VALUES = st.one_of(st.sampled_from(["", "nan", "-inf", "1e308", "-1e39", "7"]), TEXT)
CONTEXT = st.dictionaries(
    st.one_of(st.sampled_from(sorted(SPEC.context_keys)), TEXT), VALUES, max_size=3
)
ATTRIBUTES = st.dictionaries(
    st.one_of(st.sampled_from(["category", "advertiser", "size"]), TEXT), VALUES, max_size=3
)
RANK = st.builds(
    scorer_pb2.RankRequest,
    request_id=IDS,
    user_id=IDS,
    context=CONTEXT,
    limit=st.one_of(st.integers(-2, 50), st.sampled_from([-(2**31), 2**31 - 1])),
    order_by=st.integers(0, 3),
    blocked_ad_ids=st.lists(IDS, max_size=3),
    required_attributes=ATTRIBUTES,
    variant=st.sampled_from(["", "deepfm", "x"]),
)
SCORE = st.builds(
    scorer_pb2.ScoreRequest,
    request_id=IDS,
    user_id=IDS,
    context=CONTEXT,
    candidates=st.lists(st.builds(Candidate, ad_id=IDS, attributes=ATTRIBUTES), max_size=3),
)
RAW = st.tuples(st.sampled_from(["Rank", "Score"]), st.binary(max_size=60))
FUZZ = settings(
    max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@FUZZ
@given(
    call=st.one_of(
        RANK.map(lambda request: ("Rank", request.SerializeToString())),
        SCORE.map(lambda request: ("Score", request.SerializeToString())),
        RAW,
    )
)
def test_any_bytes_are_answered_or_refused(scorer: RunningScorer, call: tuple[str, bytes]) -> None:
    """Requests of the right form and bytes of none: an answer with valid tokens, or a refusal."""
    name, data = call
    method = scorer.channel.unary_unary(
        f"/ctr.v1.Scorer/{name}",
        request_serializer=bytes,
        response_deserializer=scorer_pb2.RankResponse.FromString,
    )
    try:
        response = method(data)
    except grpc.RpcError as error:
        failed: Any = error
        assert failed.code() == INVALID, failed.details()
        return
    assert response.rung == scorer_pb2.FULL
    for ad in response.ads:
        assert 0 < ad.ctr < 1
        assert served(ad).ad_id == ad.ad_id
