"""The delay study's command; what it measures takes minutes and is not for the tests."""

from pathlib import Path

from typer.testing import CliRunner

from deploy.delay_study.__main__ import app


def test_an_unknown_method_is_refused_before_anything_starts(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [str(tmp_path / "rows.tsv"), "--methods", "es_dfm,hope"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("methods es_dfm, hope: expected some of es_dfm, defer, fnw")
