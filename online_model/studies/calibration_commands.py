"""Commands: ``calibrate`` predictions in files, and ``calibration-study`` of the methods."""

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table
from scipy.special import expit

from online_model.calibration.calibration_arrays import ArrayError, ArrayOption
from online_model.calibration.methods import to_logits, undo_down_sampling
from online_model.progress import rows_progress
from online_model.studies.calibration_study import CalibrationRows, calibrated, fits, study

TEXT = "SU"  # numpy kinds
AsJson = Annotated[bool, typer.Option("--json", help="one JSON object on stdout")]


class MethodName(StrEnum):
    """What ``--method`` may be."""

    PLATT = "platt"
    ISOTONIC = "isotonic"
    FIELD = "field"


def calibrate(
    method: Annotated[MethodName, typer.Option(help="how")],
    fit_predictions: Annotated[Path, typer.Option(help=".npy, probabilities [n]")],
    fit_labels: Annotated[Path, typer.Option(help=".npy, 0 or 1 [n]")],
    test_predictions: Annotated[Path, typer.Option(help=".npy, probabilities [m]")],
    out: Annotated[Path, typer.Option(help=".npy to write, float64 [m]")],
    fit_features: Annotated[
        Path | None, typer.Option(help="field: .npy, field values [n, fields]")
    ] = None,
    test_features: Annotated[
        Path | None, typer.Option(help="field: .npy, field values [m, fields]")
    ] = None,
    negatives_kept: Annotated[
        float, typer.Option(help="the model saw this share of the negatives; undone first")
    ] = 1.0,
    as_json: AsJson = False,
) -> None:
    """Fit a calibration on some rows and apply it to others."""
    try:
        fit_p = ArrayOption("--fit-predictions", fit_predictions)
        test_p = ArrayOption("--test-predictions", test_predictions)
        fit_rows, test_rows = fit_p.probabilities(), test_p.probabilities()
        labels = ArrayOption("--fit-labels", fit_labels).labels(len(fit_rows), fit_p)
        fit_fields, test_fields = np.zeros((len(fit_rows), 1)), np.zeros((len(test_rows), 1))
        if method is MethodName.FIELD:
            fit_f = _given("--fit-features", fit_features)
            test_f = _given("--test-features", test_features)
            fit_fields = fit_f.fields(len(fit_rows), fit_p)
            test_fields = test_f.fields(len(test_rows), test_p)
            if fit_fields.shape[1] != test_fields.shape[1]:
                raise ArrayError(
                    f"{test_f.option} {test_f.path}: has {test_fields.shape[1]} fields, "
                    f"{fit_f.option} has {fit_fields.shape[1]}"
                )
            if (fit_fields.dtype.kind in TEXT) != (test_fields.dtype.kind in TEXT):
                raise ArrayError(
                    f"{test_f.option} {test_f.path}: values are {test_fields.dtype}, those of "
                    f"{fit_f.option} are {fit_fields.dtype}: none would be found again"
                )
        if not 0.0 < negatives_kept <= 1.0:
            raise ArrayError(f"--negatives-kept {negatives_kept}: expected 0 < share ≤ 1")
        fit = CalibrationRows(_whole(fit_rows, negatives_kept), labels, fit_fields)
        test = CalibrationRows(
            _whole(test_rows, negatives_kept), np.zeros(len(test_rows)), test_fields
        )
        probabilities = calibrated(method.value, fit, test)
        _write(out, probabilities)
    except ArrayError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(1) from None
    one_class = not 0 < labels.sum() < len(labels)
    if one_class:
        print("--fit-labels: one class only, predictions stay as they are", file=sys.stderr)
    report = {
        "method": "identity" if one_class else method.value,
        "fit_rows": len(labels),
        "fit_clicks": int(labels.sum()),
        "test_rows": len(probabilities),
        "mean_before": float(test_rows.mean()),
        "mean_after": float(probabilities.mean()),
        "out": str(out),
    }
    if as_json:
        print(json.dumps(report))
    else:
        Console().print(_table("calibrated", report))


def calibration_study(
    predictions: Annotated[Path, typer.Option(help=".npy, probabilities [n]")],
    labels: Annotated[Path, typer.Option(help=".npy, 0 or 1 [n]")],
    features: Annotated[Path, typer.Option(help=".npy, field values [n, fields]")],
    random_splits: Annotated[
        int, typer.Option(min=0, help="halves drawn at random, beside those by order")
    ] = 5,
    as_json: AsJson = False,
) -> None:
    """Compare the methods: fit on a half, test on the other; ECE (20 bins) and Field-ECE."""
    try:
        given = ArrayOption("--predictions", predictions)
        p = given.probabilities()
        rows = CalibrationRows(
            p,
            ArrayOption("--labels", labels).labels(len(p), given),
            ArrayOption("--features", features).fields(len(p), given),
        )
        half = len(p) // 2
        if not all(0 < part.sum() < len(part) for part in (rows.labels[:half], rows.labels[half:])):
            raise ArrayError(f"--labels {labels}: each half needs both classes")
    except ArrayError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(1) from None
    with rows_progress("calibration study", fits(random_splits)) as progress:
        report = study(rows, random_splits, progress)
    if as_json:
        print(json.dumps(report))
        return
    for split in (name for name, found in report.items() if isinstance(found, dict)):
        columns = list(report[split]["raw"])
        table = Table("method", *columns, title=split)
        for method, values in report[split].items():
            table.add_row(method, *(_cell(values.get(name)) for name in columns))
        Console().print(table)


def _given(option: str, path: Path | None) -> ArrayOption:
    if path is None:
        raise ArrayError(f"--method field needs {option}")
    return ArrayOption(option, path)


def _whole(predictions: np.ndarray[Any, Any], negatives_kept: float) -> np.ndarray[Any, Any]:
    if negatives_kept == 1.0:
        return predictions
    whole: np.ndarray[Any, Any] = expit(undo_down_sampling(to_logits(predictions), negatives_kept))
    return whole


def _write(out: Path, probabilities: np.ndarray[Any, Any]) -> None:
    try:
        with out.open("wb") as file:
            np.save(file, probabilities)
    except OSError as error:
        raise ArrayError(f"--out {out}: cannot be written: {error.strerror}") from None


def _table(title: str, report: dict[str, Any]) -> Table:
    table = Table("what", "value", title=title)
    for name, value in report.items():
        table.add_row(name, f"{value:.5f}" if isinstance(value, float) else str(value))
    return table


def _cell(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"
