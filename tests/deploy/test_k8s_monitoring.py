"""What watches the engine on a cluster: resources that Prometheus' operator accepts, and which
scrape every port of metrics under the job names of the rules."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from deploy.local.prometheus_server import CONFIGURATION, RULES
from deploy.monitoring.__main__ import FOLDER, RULE_RESOURCE
from deploy.monitoring.rule_resource import prometheus_rule_text
from tests.deploy.prometheus_operator_schema import SCHEMAS

BASE = RULE_RESOURCE.parents[1] / "base"
MONITORING = RULE_RESOURCE.parent


def _resources(file: Path) -> list[dict[str, Any]]:
    return [each for each in yaml.safe_load_all(file.read_text()) if each is not None]


def _pods() -> list[tuple[dict[str, str], dict[str, int]]]:
    """Labels and named ports of all pods; those that Flink's operator makes have its labels."""
    found = []
    for file in sorted(BASE.glob("*.yaml")):
        for resource in _resources(file):
            spec = resource.get("spec", {})
            if resource["kind"] == "FlinkDeployment":
                labels, pod = {"app": resource["metadata"]["name"]}, spec["podTemplate"]["spec"]
            elif resource["kind"] == "Deployment":
                labels, pod = spec["template"]["metadata"]["labels"], spec["template"]["spec"]
            else:
                continue
            (container,) = pod["containers"]
            ports = {each["name"]: each["containerPort"] for each in container["ports"]}
            found.append((labels, ports))
    return found


def _monitors() -> list[dict[str, Any]]:
    return _resources(MONITORING / "scraped.yaml")


@pytest.mark.parametrize("resource", [*_monitors(), *_resources(RULE_RESOURCE)])
def test_the_operator_accepts_a_resource(resource: dict[str, Any]) -> None:
    jsonschema.validate(resource, SCHEMAS[resource["kind"]])


def test_rules_are_generated_from_those_of_everywhere() -> None:
    assert RULE_RESOURCE.read_text() == prometheus_rule_text()
    groups = _resources(RULE_RESOURCE)[0]["spec"]["groups"]
    (file,) = RULES.glob("*.yaml")
    assert groups == yaml.safe_load(file.read_text())["groups"]


def test_every_job_of_the_rules_is_scraped_from_a_port_that_may_be_reached() -> None:
    configured = yaml.safe_load(CONFIGURATION.read_text())["scrape_configs"]
    local = {
        job["job_name"]: int(job["static_configs"][0]["targets"][0].rpartition(":")[2])
        for job in configured
    }
    scraped = {}
    for monitor in _monitors():
        wanted = {k: v for k, v in _matched(monitor).items() if k != "component"}
        (ports,) = (ports for labels, ports in _pods() if wanted.items() <= labels.items())
        for endpoint in monitor["spec"]["podMetricsEndpoints"]:
            (relabeling,) = endpoint["relabelings"]
            assert relabeling["targetLabel"] == "job"
            scraped[relabeling["replacement"]] = ports[endpoint["port"]]
    assert scraped == local
    assert set(scraped.values()) <= _open_to("namespaceSelector", "ctr-engine/monitoring")


def test_the_console_reaches_what_it_asks() -> None:
    (console,) = (each for each in _resources(BASE / "console.yaml") if each["kind"] != "Service")
    environment = console["spec"]["template"]["spec"]["containers"][0]["env"]
    shared = next(e for e in _resources(BASE / "config.yaml") if e["kind"] == "ConfigMap")
    values = {**shared["data"], **{each["name"]: each["value"] for each in environment}}
    asked = {
        value.removeprefix("http://").partition("/")[0]
        for name, value in values.items()
        if name.endswith(("_METRICS", "_SCORER")) or "_REST_URL_" in name
    }
    services = {
        f"{each['metadata']['name']}:{port['port']}"
        for file in BASE.glob("*.yaml")
        for each in _resources(file)
        if each["kind"] == "Service"
        for port in each["spec"]["ports"]
    }
    made_by_flinks_operator = {"ctr-events-rest:8081", "ctr-learning-rest:8081"}
    assert len(asked) == 7
    assert asked <= services | made_by_flinks_operator
    ports = {int(address.rpartition(":")[2]) for address in asked}
    assert ports <= _open_to("podSelector", "app.kubernetes.io/name")


def test_boards_are_a_config_map() -> None:
    (kustomization,) = _resources(FOLDER / "kustomization.yaml")
    (generated,) = kustomization["configMapGenerator"]
    assert sorted(generated["files"]) == sorted(path.name for path in FOLDER.glob("*.json"))
    assert all(json.loads((FOLDER / name).read_text())["panels"] for name in generated["files"])
    for overlay in ("dev", "prod"):
        (built,) = _resources(MONITORING.parent / "overlays" / overlay / "kustomization.yaml")
        assert built["components"] == ["../../monitoring"]


def _matched(monitor: dict[str, Any]) -> dict[str, str]:
    labels: dict[str, str] = monitor["spec"]["selector"]["matchLabels"]
    return labels


def _open_to(kind: str, label: str) -> set[int]:
    """Ports to which a policy lets pods or namespaces that are selected by this label."""
    return {
        port["port"]
        for policy in _resources(BASE / "network.yaml")
        for rule in policy["spec"].get("ingress", ())
        if any(label in peer.get(kind, {}).get("matchLabels", {}) for peer in rule["from"])
        for port in rule["ports"]
    }
