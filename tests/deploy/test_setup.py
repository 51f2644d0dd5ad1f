"""``deploy/setup.sh`` on a machine that lacks what it needs and cannot install it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NEEDED = ("bash", "cat", "dirname", "flock", "mkdir", "paste")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A project folder with the script, and ``bin`` with the few programs that it may find."""
    (tmp_path / "deploy").mkdir()
    shutil.copy(ROOT / "deploy" / "setup.sh", tmp_path / "deploy")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in NEEDED:
        found = shutil.which(name)
        assert found is not None
        (programs / name).symlink_to(found)
    return tmp_path


def run(clone: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(clone / "bin" / "bash"), str(clone / "deploy" / "setup.sh")],
        env={"PATH": str(clone / "bin"), **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def fake_program(clone: Path, name: str, output: str) -> None:
    program = clone / "bin" / name
    program.write_text(f"#!{clone}/bin/bash\necho '{output}'\n")
    program.chmod(0o755)


def test_missing_tools_are_named(clone: Path) -> None:
    fake_program(clone, "javac", "javac 17.0.15")
    result = run(clone, PYTHON=sys.executable)
    assert result.returncode == 1
    assert "missing: maven redis-server" in result.stderr
    assert "apt-get install maven redis-server" in result.stderr
    assert not (clone / ".venv").exists()


@pytest.mark.parametrize(
    ("program", "version", "package"),
    [
        ("javac", "javac 11.0.2", "openjdk-17-jdk-headless"),
        ("redis-server", "Redis server v=6.0.16 sha=0 bits=64", "redis-server"),
    ],
)
def test_old_tools_count_as_missing(clone: Path, program: str, version: str, package: str) -> None:
    fake_program(clone, program, version)
    result = run(clone, PYTHON=sys.executable)
    assert result.returncode == 1
    assert package in result.stderr
