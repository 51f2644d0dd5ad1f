"""The shape of the source tree: sizes, names, and what every package has."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LONGEST_MODULE_LINES = 300
SOURCES = (".py", ".java", ".sql", ".sh", ".lua")
PROCESS_PACKAGES = ("online_model", "streaming", "scorer", "bootstrap")
VAGUE_NAMES = {"utils", "util", "common", "helpers", "helper", "misc"}
REGISTRY_HOST = re.compile(
    r"https?://[\w.-]*(pypi\.org|pythonhosted|maven\.org|maven\.apache\.org/maven2|npmjs|debian\.org)"
)


def project_files() -> list[Path]:
    """Files that git tracks or would track: what a clone has."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]


def is_generated(path: Path) -> bool:
    return "_pb2" in path.name


def test_modules_can_be_held_in_the_head() -> None:
    sources = [p for p in project_files() if p.suffix in SOURCES and not is_generated(p)]
    assert sources
    lengths = {p.relative_to(ROOT): len(p.read_text().splitlines()) for p in sources}
    assert {p: n for p, n in lengths.items() if n > LONGEST_MODULE_LINES} == {}


def test_modules_are_named_for_what_they_do() -> None:
    assert [p for p in project_files() if p.stem in VAGUE_NAMES] == []


def test_tests_are_not_packages() -> None:
    """A package under tests/ would shadow the package it tests."""
    assert [p for p in project_files() if "tests" in p.parts and p.name == "__init__.py"] == []


@pytest.mark.parametrize("package", PROCESS_PACKAGES)
@pytest.mark.parametrize("module", ["settings", "metrics", "__main__"])
def test_every_package_has_the_same_doors(package: str, module: str) -> None:
    assert (ROOT / package / f"{module}.py").is_file()


def test_no_package_registry_is_named() -> None:
    """Where packages come from is the machine's business, not the repository's."""
    naming = []
    for path in project_files():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        naming += [
            f"{path.relative_to(ROOT)}: {hit.group()}" for hit in REGISTRY_HOST.finditer(text)
        ]
    assert naming == []
