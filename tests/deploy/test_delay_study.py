"""The delay study's command; what it measures takes minutes and is not for the tests."""

from pathlib import Path

from typer.testing import CliRunner

from deploy.delay_study.__main__ import MethodName, app
from online_model.studies.delay_study import METHODS


def test_each_method_has_a_name() -> None:
    assert set(MethodName) == set(METHODS)


def test_an_unknown_method_is_refused_before_anything_starts(tmp_path: Path) -> None:
    files = ["--files", str(tmp_path / "rows.tsv")]
    result = CliRunner().invoke(app, [*files, "--methods", "es_dfm", "hope"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "'hope' is not one of 'es_dfm'" in result.stderr


def test_files_that_are_not_there_are_told(tmp_path: Path) -> None:
    files = ["--files", *(str(tmp_path / name) for name in ("a.tsv", "b.tsv"))]
    result = CliRunner().invoke(app, [*files, "--methods", "es_dfm", "wait"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert "a.tsv" in result.stderr
