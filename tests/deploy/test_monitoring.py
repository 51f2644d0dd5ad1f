"""Rules, boards and runbook agree with the list of metrics and with each other."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.drill.rules import scaled_rules, seconds_of
from deploy.local.prometheus_server import CONFIGURATION, RULES, local_configuration
from deploy.local.settings import LocalSettings
from deploy.local.stack import scraped_ports
from deploy.monitoring.__main__ import FOLDER
from deploy.monitoring.boards import boards
from schemas.metric_names import all_metrics

ROOT = Path(__file__).resolve().parents[2]
RUNBOOK = (ROOT / "deploy" / "runbook.md").read_text()
SUFFIXES = ("_total", "_bucket", "_sum", "_count", "")
KNOWN = {metric.name + suffix for metric in all_metrics() for suffix in SUFFIXES}

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="no promtool: deploy/setup.sh --test-tools"
)


def alerts() -> Iterator[dict[str, Any]]:
    for path in sorted(RULES.glob("*.yaml")):
        for group in yaml.safe_load(path.read_text())["groups"]:
            yield from group["rules"]


def unknown_metrics(query: str) -> set[str]:
    return set(re.findall(r"\b(?:ctr|flink)_\w+", query)) - KNOWN


def promtool(*arguments: str) -> None:
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_promtool_accepts_rules_and_configuration(tmp_path: Path) -> None:
    promtool("check", "rules", *map(str, RULES.glob("*.yaml")))
    promtool("check", "config", str(CONFIGURATION))
    local = tmp_path / "prometheus.yml"
    local.write_text(yaml.safe_dump(local_configuration(scraped_ports(LocalSettings()), RULES)))
    promtool("check", "config", str(local))


@needs_promtool
def test_alerts_fire_when_they_must_and_only_then() -> None:
    promtool("test", "rules", str(CONFIGURATION.parent / "rules_test.yaml"))


@pytest.mark.parametrize("alert", list(alerts()), ids=lambda alert: str(alert["alert"]))
def test_an_alert_is_complete(alert: dict[str, Any]) -> None:
    name = alert["alert"]
    assert unknown_metrics(alert["expr"]) == set()
    assert alert["labels"]["severity"] in ("info", "warning", "critical")
    assert alert["annotations"]["summary"]
    assert alert["annotations"]["description"]
    assert alert["annotations"]["runbook_url"] == f"deploy/runbook.md#{name.lower()}"
    assert f"\n## {name}\n" in RUNBOOK
    assert name in (CONFIGURATION.parent / "rules_test.yaml").read_text()


def test_boards_are_generated_and_ask_for_known_metrics() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == {board.uid for board in boards()}
    for board in boards():
        assert json.loads((FOLDER / f"{board.uid}.json").read_text()) == board.to_json()
        for panel in board.panels:
            for query in panel.queries.values():
                assert unknown_metrics(query) == set(), panel.title
                assert re.search(r"\b(ctr|flink)_", query), panel.title


@needs_promtool
def test_queries_of_boards_parse(tmp_path: Path) -> None:
    rules = [
        {"record": "a:b", "expr": query}
        for board in boards()
        for panel in board.panels
        for query in panel.queries.values()
    ]
    path = tmp_path / "queries.yaml"
    groups = [{"name": f"q{n}", "rules": [rule]} for n, rule in enumerate(rules)]
    path.write_text(yaml.safe_dump({"groups": groups}))
    promtool("check", "rules", "--lint=none", str(path))


def test_the_drills_rules_are_the_real_ones_but_for_their_patience(tmp_path: Path) -> None:
    scaled_rules(RULES, tmp_path, 10.0)
    found = [
        rule
        for path in sorted(tmp_path.glob("*.yaml"))
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
    ]
    for real, scaled in zip(list(alerts()), found, strict=True):
        assert {**real, "for": ""} == {**scaled, "for": ""}
        assert seconds_of(scaled["for"]) == max(1, round(seconds_of(real["for"]) / 10))
