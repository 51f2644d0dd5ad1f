"""The kernels' build, and what it leaves for those that load it."""

import subprocess
from pathlib import Path

import pytest

from scorer.kernels.library import StaleKernelsError, require_current

ROOT = Path(__file__).resolve().parents[2]


def test_the_builds_compile_without_warnings(tmp_path: Path) -> None:
    if subprocess.run(["which", "gcc"], capture_output=True).returncode:
        pytest.skip("no gcc")
    subprocess.run([ROOT / "scorer/kernels/build.sh", tmp_path], check=True)
    assert {path.stem for path in tmp_path.iterdir()} >= {"portable"}
    require_current(tmp_path)
    (tmp_path / "sources").write_text("those of the release before")
    with pytest.raises(StaleKernelsError, match=r"built from other sources: run `make setup`$"):
        require_current(tmp_path)
