"""Every command that the documents and the Kubernetes resources name exists with those options."""

import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [
    ROOT / "README.md",
    *sorted((ROOT / "deploy").glob("*.md")),
    ROOT / "deploy" / "console" / "README.md",
]
MODULES = ("bootstrap", "streaming", "online_model", "schemas", "deploy.cluster", "deploy.local")
COMMAND = re.compile(r"(?:python -m |(?<=\n)ctr )([^`#|\n]*)")


def documented() -> Iterator[tuple[str, list[str]]]:
    for path in DOCUMENTS:
        for match in COMMAND.finditer(path.read_text().replace("\\\n", " ")):
            line = match[1] if match[0].startswith("python") else f"streaming {match[1]}"
            yield path.name, re.split(r"\s+", re.sub(r"[\"'(),;:]+", " ", line).strip())


def scheduled() -> Iterator[tuple[str, list[str]]]:
    for path in sorted((ROOT / "deploy" / "k8s").rglob("*.yaml")):
        for resource in yaml.safe_load_all(path.read_text()):
            for found in _commands(resource):
                words = shlex.split(" ".join(map(str, found)))
                if words[:2] == ["python", "-m"]:
                    yield path.name, words[2:]


def _commands(node: Any) -> Iterator[list[Any]]:
    children = node if isinstance(node, list) else []
    if isinstance(node, dict):
        children = list(node.values())
        if isinstance(node.get("command"), list):
            yield [*node["command"], *node.get("args", [])]
    for child in children:
        yield from _commands(child)


def told(words: list[str]) -> str | None:
    """What is wrong with a command of one of our modules."""
    command: Any = typer.main.get_command(importlib.import_module(f"{words[0]}.__main__").app)
    rest = words[1:]
    while hasattr(command, "commands"):
        if not rest or not re.fullmatch(r"[a-z][a-z-]+", rest[0]):
            return None  # the module alone, or a choice between commands
        if rest[0] not in command.commands:
            return f"no command {rest[0]}"
        command, rest = command.commands[rest[0]], rest[1:]
    options = {name for each in command.params for name in each.opts if name.startswith("--")}
    options |= {name for each in command.params for name in each.secondary_opts} | {"--help"}
    unknown = [word for word in rest if word.startswith("--") and word not in options]
    return f"no option {unknown[0]}" if unknown else None


def required(words: list[str]) -> list[str]:
    """Options that a whole command line lacks."""
    command: Any = typer.main.get_command(importlib.import_module(f"{words[0]}.__main__").app)
    rest = words[1:]
    while hasattr(command, "commands") and rest and rest[0] in command.commands:
        command, rest = command.commands[rest[0]], rest[1:]
    needed = [each for each in getattr(command, "params", []) if each.required and rest]
    return [each.name for each in needed if each.opts[0][:2] == "--" and not {*each.opts} & {*rest}]


@pytest.mark.parametrize("found", [*documented(), *scheduled()], ids=lambda found: found[0])
def test_a_command_exists(found: tuple[str, list[str]]) -> None:
    _, words = found
    if words[0] in MODULES:
        assert told(words) is None, " ".join(words)


def test_commands_were_found() -> None:
    assert sum(words[0] in MODULES for _, words in documented()) > 60
    assert len([*scheduled()]) >= 3


@pytest.mark.parametrize("name", ["runbook.md", "retrain.yaml"])
def test_what_is_typed_at_night_is_whole(name: str) -> None:
    lines = [words for at, words in [*documented(), *scheduled()] if at == name]
    assert any(words[0] in MODULES for words in lines)
    for words in lines:
        if words[0] in MODULES and any(word.startswith("--") for word in words):
            assert required(words) == [], " ".join(words)


def test_a_wrong_command_is_told() -> None:
    assert told(["streaming", "lake", "compact", "--lake", "/lake"]) == "no option --lake"
    assert told(["streaming", "savepont", "events"]) == "no command savepont"
    assert required(["bootstrap", "retrain", "--lake", "/lake"]) == ["output"]


def test_targets_of_make_are_no_files_and_those_that_documents_name_exist() -> None:
    text = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    targets = set(re.findall(r"^([a-z][a-z-]*):", text, re.MULTILINE))
    assert set(re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE)[0].split()) == targets
    named = {
        target for path in DOCUMENTS for target in re.findall(r"`make ([a-z-]+)", path.read_text())
    }
    assert len(named) > 8
    assert named <= targets
