"""``calibrate`` and ``calibration-study``: files in, files out, faults that name their option."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit, logit
from typer.testing import CliRunner

from online_model.__main__ import app

ROWS = 2000
Arrays = dict[str, NDArray[Any]]


@pytest.fixture
def arrays() -> Arrays:
    random = np.random.default_rng(0)
    p = random.uniform(0.05, 0.6, 2 * ROWS)
    fields = random.integers(0, 4, (2 * ROWS, 3))
    y = (random.random(2 * ROWS) < expit(logit(p) - 0.5 + 0.4 * fields[:, 0])).astype(np.int64)
    return {
        "fit-predictions": p[:ROWS],
        "fit-labels": y[:ROWS],
        "fit-features": fields[:ROWS],
        "test-predictions": p[ROWS:],
        "test-features": fields[ROWS:],
        "test-labels": y[ROWS:],
    }


def calibrate(folder: Path, arrays: Arrays, method: str, *more: str) -> Any:
    arguments = ["calibrate", "--method", method, "--out", str(folder / "out.npy"), "--json", *more]
    for name, array in arrays.items():
        if name != "test-labels":
            np.save(folder / f"{name}.npy", array)
            arguments += [f"--{name}", str(folder / f"{name}.npy")]
    return CliRunner().invoke(app, arguments)


@pytest.mark.parametrize("method", ["platt", "isotonic", "field"])
def test_probabilities_are_written_for_each_test_row(
    tmp_path: Path, arrays: Arrays, method: str
) -> None:
    arrays["fit-predictions"][:2] = arrays["test-predictions"][:2] = [0.0, 1.0]
    arrays["test-features"][5] = 99
    arrays["test-predictions"] = arrays["test-predictions"][:, np.newaxis]
    result = calibrate(tmp_path, arrays, method)
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["method"] == method
    p = np.load(tmp_path / "out.npy")
    assert p.shape == (ROWS,)
    assert np.all((p > 0) & (p < 1))
    assert p.mean() == pytest.approx(arrays["test-labels"].mean(), abs=0.03)


def test_labels_of_one_class_leave_predictions_as_they_are(tmp_path: Path, arrays: Arrays) -> None:
    arrays["fit-labels"][:] = 0
    result = calibrate(tmp_path, arrays, "field")
    assert result.exit_code == 0
    assert result.stderr == "--fit-labels: one class only, predictions stay as they are\n"
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), arrays["test-predictions"])


def test_down_sampling_is_undone(tmp_path: Path, arrays: Arrays) -> None:
    arrays["fit-labels"][:] = 0  # no map is fitted
    calibrate(tmp_path, arrays, "platt", "--negatives-kept", "0.1")
    p = arrays["test-predictions"]
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), p / (p + (1 - p) / 0.1))


@pytest.mark.parametrize(
    ("name", "array", "fault"),
    [
        ("fit-predictions", np.full(ROWS, np.nan), "row 0 is nan, expected 0 ≤ p ≤ 1"),
        ("test-predictions", np.full(ROWS, 1.5), "row 0 is 1.5, expected 0 ≤ p ≤ 1"),
        ("test-predictions", np.zeros(0), "there are no rows"),
        ("fit-predictions", np.full((ROWS, 2), 0.5), "expected one number a row"),
        ("fit-labels", np.zeros(ROWS - 1), f"has {ROWS - 1} rows, --fit-predictions has {ROWS}"),
        ("fit-labels", np.full(ROWS, 2), "row 0 is 2.0, expected 0 or 1"),
        ("fit-features", np.full((ROWS, 3), np.nan), "row 0, field 0 is NaN"),
        ("test-features", np.zeros((7, 3)), f"has 7 rows, --test-predictions has {ROWS}"),
        ("test-features", np.zeros((ROWS, 2)), "has 2 fields, --fit-features has 3"),
        ("test-features", np.full((ROWS, 3), "1"), "values are <U1, those of --fit-features are"),
        ("fit-features", np.full((ROWS, 3), None), "Object arrays cannot be loaded"),
    ],
)
def test_a_fault_names_its_option(
    tmp_path: Path, arrays: Arrays, name: str, array: NDArray[Any], fault: str
) -> None:
    arrays[name] = array
    result = calibrate(tmp_path, arrays, "field")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"--{name} ")
    assert fault in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "out.npy").exists()


def test_the_field_method_needs_fields(tmp_path: Path, arrays: Arrays) -> None:
    del arrays["fit-features"]
    result = calibrate(tmp_path, arrays, "field")
    assert (result.exit_code, result.stderr) == (1, "--method field needs --fit-features\n")


def test_a_file_that_is_no_array_is_one_line(tmp_path: Path, arrays: Arrays) -> None:
    (tmp_path / "text.npy").write_text("0.5\n")
    result = calibrate(tmp_path, arrays, "platt", "--fit-features", str(tmp_path / "none"))
    assert result.exit_code == 0, "features are the field method's only"
    text = str(tmp_path / "text.npy")
    study = ["calibration-study", "--predictions", text, "--labels", text, "--features", text]
    result = CliRunner().invoke(app, study)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"--predictions {text}: cannot be read as .npy: ")


def test_on_real_predictions_fields_are_calibrated_best(shared_data: Path) -> None:
    folder = shared_data / "calibration"
    arguments = ["calibration-study", "--random-splits", "0", "--json"]
    for option, name in [("predictions", "prediction"), ("labels", "label")]:
        arguments += [f"--{option}", str(folder / f"train_{name}.npy")]
    arguments += ["--features", str(folder / "train_feature.npy")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.stderr
    halves = json.loads(result.stdout)["halves"]
    field = halves["field"]
    assert field["ece"] < 0.0157
    assert field["field_ece_mean"] < 0.0127 < halves["isotonic"]["field_ece_mean"]
    assert field["auc"] >= halves["raw"]["auc"]
    assert field["logloss"] < min(halves[name]["logloss"] for name in ("raw", "platt", "isotonic"))
