"""The resources of deploy/k8s: the operator's schema, and that they say what the settings say.

`make lint-deploy` validates all of them as kustomize builds them.
"""

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from bootstrap.settings import BootstrapSettings
from deploy.console.settings import ConsoleSettings
from schemas.settings import Settings, SharedSettings
from scorer.settings import ScorerSettings
from streaming.flink_options import reporter_options, run_options
from streaming.flink_rest import FORMAT
from streaming.settings import JobName, StreamingSettings
from tests.deploy.operator_schema import SCHEMAS

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
K8S = DEPLOY / "k8s"
BASE = K8S / "base"
OPERATED = [*(BASE / f"{job}.yaml" for job in JobName), K8S / "savepoints.yaml"]
UNTESTED = "it has never run"
SETTINGS: tuple[type[Settings], ...] = (
    SharedSettings,
    StreamingSettings,
    ScorerSettings,
    ConsoleSettings,
    BootstrapSettings,
)


def _resources(file: Path) -> list[dict[str, Any]]:
    return [each for each in yaml.safe_load_all(file.read_text()) if each is not None]


def _deployment(job: JobName) -> dict[str, Any]:
    (deployment,) = (
        each for each in _resources(BASE / f"{job}.yaml") if each["kind"] == "FlinkDeployment"
    )
    return deployment


def _containers(node: Any) -> list[dict[str, Any]]:
    """All containers that are anywhere in resources."""
    if isinstance(node, list):
        return [found for each in node for found in _containers(each)]
    if not isinstance(node, dict):
        return []
    below = [found for each in node.values() for found in _containers(each)]
    return [*node.get("containers", ()), *below]


CONTAINERS = [
    each for file in sorted(BASE.glob("*.yaml")) for each in _containers(_resources(file))
]
PROCESSES = {str(each["env"]): each for each in CONTAINERS}.values()


@pytest.mark.parametrize("file", OPERATED, ids=lambda file: str(file.name))
def test_resources_are_what_the_operator_accepts(file: Path) -> None:
    assert UNTESTED in " ".join(file.read_text().replace("#", " ").split())
    resources = [each for each in _resources(file) if each["apiVersion"] != "v1"]
    assert resources
    for resource in resources:
        jsonschema.validate(resource, SCHEMAS[resource["kind"]])


@pytest.mark.parametrize("field", ["jobManger", "flinkconfiguration"])
def test_a_misspelt_field_is_found(field: str) -> None:
    deployment = _deployment(JobName.EVENTS)
    deployment["spec"][field] = {}
    with pytest.raises(jsonschema.ValidationError, match=field):
        jsonschema.validate(deployment, SCHEMAS["FlinkDeployment"])


@pytest.mark.parametrize("job", JobName)
def test_a_deployment_runs_the_job_as_the_settings_do(job: JobName) -> None:
    """What the settings would have set; object storage and parallelism are the cluster's."""
    spec = _deployment(job)["spec"]
    assert spec["job"]["args"][-2:] == ["streaming.jobs.application", job]
    assert spec["job"]["upgradeMode"] == "savepoint"
    settings = StreamingSettings()
    of_settings = {
        **run_options(job, settings, None),
        **reporter_options(str(settings.flink_metrics_port(job))),
    }
    configuration = spec["flinkConfiguration"]
    for name, value in of_settings.items():
        if name == "parallelism.default":
            continue
        if value.startswith("file:"):
            assert configuration[name].startswith(f"s3://ctr-engine/flink/{job}/"), name
        else:
            assert configuration[name] == value, name
    assert configuration["kubernetes.operator.savepoint.format.type"] == FORMAT


@pytest.mark.parametrize("container", PROCESSES, ids=lambda each: str(each["name"]))
def test_settings_in_pods_are_settings(
    container: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a pod gets them, with secrets that only the cluster knows."""
    shared, _ = _resources(BASE / "config.yaml")
    values = {**shared["data"], "CTR_REDIS_PASSWORD": "secret"}
    values |= {each["name"]: each["value"] for each in container["env"]}
    if values["CTR_KAFKA_SECURITY"] == "SASL_SSL":
        values["CTR_KAFKA_PASSWORD"] = "secret"
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    for kind in SETTINGS:
        kind.load()
    refs = [next(iter(each.values()))["name"] for each in container["envFrom"]]
    assert refs[0] == shared["metadata"]["name"]
    if "ports" in container and "flink" in container["name"]:
        ports = tuple(port["containerPort"] for port in container["ports"])
        streaming = StreamingSettings.load()
        assert ports in (
            (streaming.metrics_port_events, streaming.flink_metrics_port_events),
            (streaming.metrics_port_learning, streaming.flink_metrics_port_learning),
        )


def test_no_secret_has_a_value() -> None:
    kinds = [each["kind"] for file in K8S.rglob("*.yaml") for each in _resources(file)]
    assert "Secret" not in kinds
    named = [each["name"] for container in CONTAINERS for each in container["env"]]
    assert not [n for n in named if "PASSWORD" in n or "CREDENTIAL" in n or "TOKEN" in n]


def test_all_files_of_the_base_are_built() -> None:
    (kustomization,) = _resources(BASE / "kustomization.yaml")
    files = {file.name for file in BASE.glob("*.yaml")}
    assert set(kustomization["resources"]) == files - {"kustomization.yaml"}


def test_our_containers_may_do_little() -> None:
    own = [each for each in CONTAINERS if each["name"] != "flink-main-container"]
    for container in own:
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert "memory" in container["resources"]["limits"]


def test_savepoints_are_of_the_deployments() -> None:
    names = {_deployment(job)["metadata"]["name"] for job in JobName}
    snapshots = _resources(K8S / "savepoints.yaml")
    assert {each["spec"]["jobReference"]["name"] for each in snapshots} == names


def test_settings_of_compose_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    compose = yaml.safe_load((DEPLOY / "docker" / "compose.yaml").read_text())
    names = {
        name: value
        for service in compose["services"].values()
        for name, value in service.get("environment", {}).items()
        if name.startswith("CTR_") and "${" not in value
    }
    assert len(names) > 5
    for name, value in names.items():
        monkeypatch.setenv(name, value)
    for kind in SETTINGS:
        kind.load()
