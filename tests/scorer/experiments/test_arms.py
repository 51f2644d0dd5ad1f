"""Arms: the file and its faults, who gets which, and what each of them answers."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from online_model.training.package_scorer import PackageScorer
from schemas.model_arrays import ModelArrays
from schemas.model_package import CALIBRATION_FILE, Manifest, ModelPackage, file_entries
from schemas.proto.ctr.v1 import scorer_pb2
from schemas.redis_values import CounterRow
from schemas.settings import SharedSettings
from scorer.experiments.arms import Arms, ArmsError
from scorer.metrics import scorer_metrics
from scorer.model.challengers import Challengers
from scorer.process import ScorerProcess
from scorer.ranking.assignment import Assignment
from scorer.requirements import StartError
from scorer.settings import ScorerSettings
from tests.scorer.publisher import Publisher, ad
from tests.scorer.running_scorer import KEYS, RunningScorer, eventually, refusal, served
from tests.scorer.tiny_model import CALIBRATION, ENCODER, LAYOUT, SPEC, SPEC_FILE, TinyModel

THREE = """
salt: s
arms:
  - {name: popular, share: 0.2, model: popularity}
  - {name: regression, share: 0.3, model: lr}
  - {name: main, share: 0.5, model: deepfm, exploration: {policy: thompson, probability: 0.1}}
"""


def regression(version: str, seed: int) -> ModelPackage:
    """A random logistic regression with the crosses of the declaration."""
    random = np.random.default_rng(seed)
    numbers = len(LAYOUT.number_names)
    rows = LAYOUT.rows + SPEC.cross_buckets
    files = ModelArrays(
        table=random.standard_normal((rows, 1)).astype(np.float32),
        w1=np.zeros((numbers, 0), np.float32),
        b1=np.zeros(0, np.float32),
        number_weights=random.standard_normal(numbers).astype(np.float32),
        bias=-1.0,
        mean=random.standard_normal(numbers).astype(np.float32),
        std=np.ones(numbers, np.float32),
    ).to_files()
    files[CALIBRATION_FILE] = CALIBRATION.model_dump_json().encode()
    manifest = Manifest(
        model="lr",
        version=version,
        architecture="lr",
        created_ms=1,
        feature_fingerprint=SPEC.fingerprint,
        files=file_entries(files),
    )
    return ModelPackage(manifest, files)


def publish(publisher: Publisher, package: ModelPackage) -> None:
    publisher.package(package, current=False)
    model = package.manifest.model
    publisher.client.set(f"ctr:model:{{{model}}}:current", package.manifest.version)


@pytest.fixture
def arms_file(tmp_path: Path) -> Path:
    path = tmp_path / "arms.yaml"
    path.write_text(THREE)
    return path


@pytest.fixture
def experiment(
    redis_url: str, publisher: Publisher, model: TinyModel, arms_file: Path
) -> Iterator[RunningScorer]:
    """A scorer of three arms; the regression is not published yet."""
    publisher.package(model.package)
    publisher.ads(*(ad(number) for number in range(20)))
    rows = {f"ad:ad-{n}": CounterRow((0, 0, 1_000, 0), (0, 0, 20 * n, 0)) for n in range(20)}
    publisher.counters(rows, ts=1)
    with RunningScorer(redis_url, {"arms": arms_file}) as running:
        running.wait_for_model(model.version)
        yield running


def test_each_arm_answers_with_its_model(
    experiment: RunningScorer, publisher: Publisher, model: TinyModel
) -> None:
    code, message = refusal(lambda: experiment.rank(variant="regression"))
    assert code == grpc.StatusCode.UNAVAILABLE
    assert "lr" in message
    everybody = [f"u-{n}" for n in range(40)]
    before = Counter(experiment.rank(user_id=user).variant for user in everybody)
    assert set(before) == {"popular", "main"}, "the main arm stands in for one without a package"
    package = regression("lr-1", seed=3)
    publish(publisher, package)
    eventually(lambda: "regression" in {experiment.rank(user_id=u).variant for u in everybody})
    plain = PackageScorer(package, SPEC)
    for method in (experiment.rank, lambda **f: experiment.score("ad-3", "ad-4", "new", **f)):
        answer = method(variant="regression")
        assert (answer.variant, answer.model_version, answer.rung) == (
            "regression", "lr-1", scorer_pb2.FULL,
        )  # fmt: skip
        for shown in answer.ads:
            token = served(shown)
            assert (token.variant, token.model_version) == ("regression", "lr-1")
            (expected,) = plain.probabilities(LAYOUT.unpack(token.inputs))
            assert shown.ctr == pytest.approx(expected, rel=1e-3)
    ctrs = [shown.ctr for shown in experiment.rank(variant="regression").ads]
    assert ctrs == sorted(ctrs, reverse=True)
    popular = experiment.rank(variant="popular", limit=3)
    assert [shown.ad_id for shown in popular.ads] == ["ad-19", "ad-18", "ad-17"]
    assert (popular.model_version, popular.rung) == ("popularity", scorer_pb2.FULL)
    assert served(popular.ads[0]).variant == "popular"
    main = experiment.rank(variant="main")
    assert (main.variant, main.model_version) == ("main", model.version)
    publish(publisher, regression("lr-2", seed=4))
    eventually(lambda: experiment.rank(variant="regression").model_version == "lr-2")


def test_popularity_stands_in_where_no_arm_has_the_main_model(arms_file: Path) -> None:
    arms_file.write_text(THREE.replace("model: deepfm, ", "model: another, "))
    arms = Arms.load(arms_file)
    challengers = Challengers((), ENCODER, scorer_metrics(CollectorRegistry()), 1.0)
    assignment = Assignment(arms, "deepfm", challengers)
    assert {assignment.of(f"u-{n}", "").arm.name for n in range(40)} == {"popular"}


def test_a_regression_is_explained(experiment: RunningScorer, publisher: Publisher) -> None:
    package = regression("lr-1", seed=3)
    publish(publisher, package)
    eventually(lambda: experiment.process.challengers.get("lr") is not None)
    request = scorer_pb2.ScoreRequest(
        request_id="r",
        user_id="u",
        candidates=[scorer_pb2.Candidate(ad_id="ad-3")],
        variant="regression",
    )
    explained = experiment.stub.Explain(request)
    assert explained.variant == "regression"
    (shown,) = explained.ads
    (scored,) = experiment.stub.Score(request).ads
    (logit,) = PackageScorer(package, SPEC).logits(LAYOUT.unpack(served(scored).inputs))
    total = shown.constant + sum(part.total for part in shown.contributions)
    assert total == pytest.approx(float(logit), rel=1e-4)
    assert shown.ctr == pytest.approx(scored.ctr, rel=1e-3)
    assert "segment × category" in {part.field for part in shown.contributions}
    request.variant = "popular"
    code, message = refusal(lambda: experiment.stub.Explain(request))
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert message.startswith("variant: ")


def test_an_unknown_variant_is_refused(experiment: RunningScorer) -> None:
    for call in (experiment.rank, lambda **fields: experiment.score("ad-1", **fields)):
        code, message = refusal(lambda asked=call: asked(variant="x"))  # type: ignore[misc]
        assert code == grpc.StatusCode.INVALID_ARGUMENT
        assert "variant: expected popular, regression, main" in message


def test_users_keep_their_arm_and_shares_hold(arms_file: Path) -> None:
    arms = Arms.load(arms_file)
    users = [f"u-{number}" for number in range(20_000)]
    chosen = [arms.of(user).name for user in users]
    assert chosen == [arms.of(user).name for user in users]
    counted = Counter(chosen)
    for arm in arms.arms:
        assert counted[arm.name] / len(users) == pytest.approx(arm.share, abs=0.015)
    other = arms.model_copy(update={"salt": "t"})
    same = sum(other.of(user).name == name for user, name in zip(users, chosen, strict=True))
    assert same / len(users) == pytest.approx(0.2**2 + 0.3**2 + 0.5**2, abs=0.02)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (("salt: s", "salz: s"), "salz: unknown key, did you mean salt"),
        (("share: 0.2", "shore: 0.2"), "arms.0.shore: unknown key, did you mean share"),
        (("policy: thompson", "policy: greedy"), "arms.2.exploration.policy"),
        (("policy: thompson", "policy: greedy"), "'epsilon_greedy', 'ucb' or 'thompson'"),
        (
            ("probability: 0.1", "propability: 0.1"),
            "known are policy, probability, share, new_until",
        ),
        (("probability: 0.1", "probability: 1.5"), "less than 1"),
        ((", probability: 0.1", ""), "policy, probability: expected both or neither"),
        (("policy: thompson, ", ""), "policy, probability: expected both or neither"),
        (("share: 0.2", "share: 0.3"), "sum to 1, got 1.1"),
        (("model: deepfm", "model: popularity"), "arms.2: exploration: popularity never explores"),
        (("name: popular", "name: main"), "there twice: main"),
        (("name: popular", "name: a b"), "arms.0.name"),
        (("arms:", "arms: ["), "no YAML"),
    ],
)
def test_faults_of_the_file_name_the_key(
    arms_file: Path, change: tuple[str, str], named: str
) -> None:
    arms_file.write_text(THREE.replace(*change))
    with pytest.raises(ArmsError) as caught:
        Arms.load(arms_file)
    assert named in str(caught.value)
    assert "arms.yaml" in str(caught.value)
    assert "at least 1 item" not in str(caught.value)


def test_a_scorer_does_not_start_with_such_a_file(redis_url: str, tmp_path: Path) -> None:
    shared = SharedSettings(redis_url=redis_url, features=str(SPEC_FILE), token_keys=KEYS)
    settings: Any = {"port": 0, "arms": tmp_path / "absent.yaml"}
    with pytest.raises(StartError, match=r"CTR_SCORER_ARMS.*absent"):
        ScorerProcess(shared, ScorerSettings(**settings), CollectorRegistry())
