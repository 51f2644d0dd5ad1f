"""A package scores as the model in torch does, comes back as it was, or is refused."""

from typing import cast

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper

from online_model.network import tower_graph
from online_model.network.deepfm import DeepFM
from online_model.network.model import Architecture
from online_model.training import export as exporting
from online_model.training.delayed_feedback import LateShare
from online_model.training.export import CURVATURE_FILE, ExportError, Origin, export, load
from online_model.training.late_clicks import LateClicks
from online_model.training.package_scorer import BATCH, PackageScorer
from schemas.calibration import Calibration
from schemas.features import FeatureSpec
from schemas.model_package import (
    CALIBRATION_FILE,
    DELAYED_FEEDBACK_FILE,
    TOWER_FILE,
    ModelPackage,
    PackageError,
)
from tests.online_model.plain_score import plain_logit
from tests.online_model.small_log import SPEC, random_model, samples

LAST_WEIGHT, LAST_SHIFT = "towers.weights.1", "towers.shifts.1"
BOTH = pytest.mark.parametrize("architecture", ["deepfm", "lr"])
CALIBRATION = Calibration(method="platt", logits=(-3.0, 3.0), outputs=(-4.0, 1.0))
ORIGIN = Origin("m", "v2", created_ms=1, parent="v1", offsets={"t-0": 7}, metrics={"auc": 0.6})


def exported(architecture: Architecture = "deepfm") -> ModelPackage:
    model = random_model(architecture)
    return export(model, CALIBRATION, LateClicks.assumed(0.3, 10), ORIGIN, samples(100))


def with_file(package: ModelPackage, name: str, data: bytes | None) -> ModelPackage:
    files = {key: value for key, value in package.files.items() if key != name}
    return ModelPackage(package.manifest, files if data is None else {**files, name: data})


@BOTH
def test_the_package_scores_like_torch_and_like_the_plain_form(architecture: Architecture) -> None:
    model, given = random_model(architecture), samples(50, seed=4)
    scorer = PackageScorer(exported(architecture), SPEC)
    np.testing.assert_allclose(scorer.logits(given), model.logits(given), atol=1e-5)
    plain = [plain_logit(model, given, at) for at in range(len(given))]
    np.testing.assert_allclose(scorer.logits(given), plain, rtol=1e-4, atol=1e-4)
    expected = CALIBRATION.probabilities(np.array(plain))
    np.testing.assert_allclose(scorer.probabilities(given), expected, rtol=1e-4)


def test_the_tower_in_onnx_is_the_one_in_torch() -> None:
    hidden = np.random.default_rng(0).normal(size=(20, 16)).astype(np.float32)
    session = onnxruntime.InferenceSession(exported().files[TOWER_FILE])
    (logit,) = session.run(None, {"hidden": hidden})
    towers = cast(DeepFM, random_model().network).towers
    expected = towers.after_first(torch.from_numpy(hidden.copy()))[0].numpy()
    np.testing.assert_allclose(logit, expected, atol=1e-5)
    assert expected.std() > 0.05


def test_many_samples_are_scored_like_few() -> None:
    scorer, given = PackageScorer(exported(), SPEC), samples(BATCH + 3)
    np.testing.assert_allclose(scorer.logits(given)[-5:], scorer.logits(given[-5:]), atol=1e-5)
    assert len(scorer.logits(given[:0])) == 0


def test_a_manifest_says_where_it_comes_from() -> None:
    manifest = exported().manifest
    assert (manifest.model, manifest.version, manifest.parent) == ("m", "v2", "v1")
    assert (manifest.offsets, manifest.metrics) == ({"t-0": 7}, {"auc": 0.6})
    assert manifest.feature_fingerprint == SPEC.fingerprint


@BOTH
def test_a_model_comes_back_as_it_was(architecture: Architecture) -> None:
    model = random_model(architecture)
    model.table.curvature[3:9] = torch.rand(6, 2)
    package = export(model, CALIBRATION, LateClicks.assumed(0.3, 10), ORIGIN, samples(10))
    back = load(package, SPEC)
    given = samples(40, seed=6)
    assert np.array_equal(back.logits(given), model.logits(given))
    assert back.table.values.equal(model.table.values)
    assert back.table.curvature.equal(model.table.curvature)
    again = export(back, CALIBRATION, LateClicks.assumed(0.3, 10), ORIGIN, samples(10))
    assert again == package


def test_a_package_that_scores_otherwise_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """An export with a fault in the tower: one weight that differs from torch."""
    right = tower_graph.write

    def wrong(dense: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]) -> bytes:
        return right({**dense, LAST_SHIFT: dense[LAST_SHIFT] + np.float32(1e-4)})

    monkeypatch.setattr(tower_graph, "write", wrong)
    with pytest.raises(ExportError, match=r"v2: scores differ by 0\.0001 from torch"):
        exported()


def test_a_model_that_scores_nonsense_is_refused() -> None:
    model = random_model()
    model.network.bias.fill_(float("nan"))  # type: ignore[operator]
    with pytest.raises(ExportError, match="bias has a number that is not finite"):
        export(model, CALIBRATION, LateClicks.assumed(0.3, 10), ORIGIN, samples(10))


@BOTH
def test_other_features_are_refused(architecture: Architecture) -> None:
    other = FeatureSpec.model_validate({**SPEC.model_dump(), "name": "other"})
    package = exported(architecture)
    for read in (load, PackageScorer):
        with pytest.raises(PackageError, match=f"made for features {SPEC.fingerprint}"):
            read(package, other)


@pytest.mark.parametrize("data", [None, b"", b"PK", b"PK\x03\x04 cut", b"nonsense"])
def test_damaged_curvature_is_refused(data: bytes | None) -> None:
    with pytest.raises(PackageError, match=CURVATURE_FILE):
        load(with_file(exported(), CURVATURE_FILE, data), SPEC)


def test_rows_beyond_the_table_are_refused() -> None:
    beyond = exporting.curvature_file(np.ones((100_000, 2), np.float32))
    with pytest.raises(PackageError, match=CURVATURE_FILE):
        load(with_file(exported(), CURVATURE_FILE, beyond), SPEC)


@pytest.mark.parametrize("data", [None, b"", b"nonsense"])
def test_a_damaged_tower_is_refused(data: bytes | None) -> None:
    package = with_file(exported(), TOWER_FILE, data)
    for read in (load, PackageScorer):
        with pytest.raises(PackageError, match=r"tower\.onnx"):
            read(package, SPEC)


def test_a_tower_of_another_width_is_refused() -> None:
    package = exported()
    graph = onnx.load_model_from_string(package.files[TOWER_FILE])
    for constant in graph.graph.initializer:
        if constant.name == LAST_WEIGHT:
            narrow = numpy_helper.from_array(np.zeros((2, 3, 1), np.float32), LAST_WEIGHT)
            constant.CopyFrom(narrow)
    with pytest.raises(PackageError, match=r"package v2: .*weights"):
        load(with_file(package, TOWER_FILE, graph.SerializeToString()), SPEC)


@pytest.mark.parametrize("data", [None, b"", b"{", b'{"method": "magic"}'])
def test_a_damaged_calibration_is_refused(data: bytes | None) -> None:
    with pytest.raises(PackageError, match="package v2"):
        PackageScorer(with_file(exported(), CALIBRATION_FILE, data), SPEC)


def test_the_late_share_travels_along() -> None:
    files = dict(exported().files)
    assert LateShare.from_files(files).share == pytest.approx(0.3)
    assert DELAYED_FEEDBACK_FILE in exported("lr").manifest.files


def test_rows_that_never_learnt_take_no_room() -> None:
    model = random_model()
    model.table.curvature[5] = 1.0
    package = export(model, CALIBRATION, LateClicks.assumed(0.3, 10), ORIGIN, samples(10))
    assert load(package, SPEC).table.curvature.any(dim=1).nonzero().flatten().tolist() == [5]
    assert len(package.files[CURVATURE_FILE]) < 1000
