"""The delay study on a small log: same rows for all, the oracle is 1, the first model is 0."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from online_model.__main__ import app
from online_model.datasets.criteo import COLUMNS
from online_model.studies.click_delays import DAY_MS, HOUR_MS, DelayLaw
from online_model.studies.delay_study import METHODS, DelayStudy, LabelledRows, Lesson, StudyError
from tests.online_model.small_log import SETTINGS, SPEC, clicks, samples

ROWS = 3000
LAW = DelayLaw(window_ms=DAY_MS, very_late_ms=12 * HOUR_MS)


def rows(number: int) -> LabelledRows:
    given = samples(number, seed=1)
    return LabelledRows(given, clicks(given, seed=2).astype(np.float32))


def test_methods_are_measured_between_the_first_model_and_the_oracle() -> None:
    told: list[int] = []
    study = DelayStudy(SPEC, SETTINGS, LAW, pretrain_share=0.4)
    report = study.run(rows(ROWS), seed=3, progress=told.append)
    assert list(report) == ["pretrained", "oracle", *METHODS]
    assert sum(told) == study.work(ROWS)
    assert (report["pretrained"]["ri_nll"], report["oracle"]["ri_nll"]) == (0.0, 1.0)
    assert all(0.5 < of["auc"] < 1.0 for of in report.values())
    assert report["vanilla"]["pcoc"] < min(report["oracle"]["pcoc"], report["es_dfm"]["pcoc"])


def test_others_may_teach_the_same_lessons() -> None:
    study = DelayStudy(SPEC, SETTINGS, LAW, pretrain_share=0.4)
    taught: list[Lesson] = []

    def teach(lesson: Lesson, progress: Callable[[int], None]) -> NDArray[np.float64]:
        taught.append(lesson)
        return study.teach(lesson, progress)

    def told(rows: int) -> None: ...

    given = rows(ROWS)
    report = study.run(given, 3, told, ("es_dfm", "wait"), teach)
    assert report == study.run(given, 3, told, ("es_dfm", "wait"))
    assert [(of.name, of.method, of.mature) for of in taught] == [
        ("oracle", "vanilla", False),
        ("es_dfm", "es_dfm", False),
        ("wait", "wait", True),
    ]
    at_once = taught[0].click_ms >= 0
    np.testing.assert_array_equal(at_once, given.labels > 0.5)
    assert (taught[0].click_ms[at_once] == taught[0].ts_ms[at_once]).all()
    assert (taught[1].click_ms[at_once] > taught[1].ts_ms[at_once]).mean() > 0.9


def test_too_few_rows_are_refused() -> None:
    study = DelayStudy(SPEC, SETTINGS, LAW, pretrain_share=0.4)
    with pytest.raises(StudyError, match="900 rows leave 0 to be measured"):
        study.run(rows(900), seed=0, progress=lambda rows: None)


def test_the_command_tells_a_fault_in_one_line(tmp_path: Path) -> None:
    missing = str(tmp_path / "none.tsv")
    result = CliRunner().invoke(app, ["delay-study", "--files", missing, "--json"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"{missing}: cannot be read: ")
    short = tmp_path / "short.tsv"
    cells = ["0", "1", "1", *["5"] * (len(COLUMNS) - 3)]
    short.write_text("\t".join(COLUMNS) + "\n" + "\t".join(cells) + "\n")
    result = CliRunner().invoke(app, ["delay-study", "--files", str(short), "--json"])
    assert result.exit_code == 1
    assert result.stderr.startswith("1 rows leave 0 to be measured")
    assert len(result.stderr.splitlines()) == 1
