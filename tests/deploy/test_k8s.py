"""The resources of deploy/k8s: the operator's schema, and that they say what the settings say."""

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from streaming.flink_options import run_options
from streaming.flink_rest import FORMAT
from streaming.settings import JobName, StreamingSettings
from tests.deploy.operator_schema import SCHEMAS

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "k8s"
FILES = sorted(FOLDER.glob("*.yaml"))
UNTESTED = "it has never run"


def _resources(file: Path) -> list[dict[str, Any]]:
    return [each for each in yaml.safe_load_all(file.read_text()) if each is not None]


def _deployment(job: JobName) -> dict[str, Any]:
    (deployment,) = _resources(FOLDER / f"{job}.yaml")
    return deployment


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.name))
def test_resources_are_what_the_operator_accepts(file: Path) -> None:
    assert UNTESTED in " ".join(file.read_text().replace("#", " ").split())
    for resource in _resources(file):
        jsonschema.validate(resource, SCHEMAS[resource["kind"]])


@pytest.mark.parametrize("field", ["jobManger", "flinkconfiguration"])
def test_a_misspelt_field_is_found(field: str) -> None:
    deployment = _deployment(JobName.EVENTS)
    deployment["spec"][field] = {}
    with pytest.raises(jsonschema.ValidationError, match=field):
        jsonschema.validate(deployment, SCHEMAS["FlinkDeployment"])


@pytest.mark.parametrize("job", JobName)
def test_a_deployment_runs_the_job_as_the_settings_do(job: JobName) -> None:
    """What run_options would have set; object storage and parallelism are the cluster's."""
    spec = _deployment(job)["spec"]
    assert spec["job"]["args"][-2:] == ["streaming.jobs.application", job]
    assert spec["job"]["upgradeMode"] == "savepoint"
    of_settings = run_options(job, StreamingSettings(), None)
    configuration = spec["flinkConfiguration"]
    for name, value in of_settings.items():
        if name == "parallelism.default":
            continue
        if value.startswith("file:"):
            assert configuration[name].startswith(f"s3://ctr-engine/flink/{job}/"), name
        else:
            assert configuration[name] == value, name
    assert configuration["kubernetes.operator.savepoint.format.type"] == FORMAT


@pytest.mark.parametrize("job", JobName)
def test_settings_in_pods_are_settings(job: JobName, monkeypatch: pytest.MonkeyPatch) -> None:
    (container,) = _deployment(job)["spec"]["podTemplate"]["spec"]["containers"]
    for variable in container["env"]:
        monkeypatch.setenv(variable["name"], variable["value"])
    settings = StreamingSettings.load()
    (port,) = (port["containerPort"] for port in container["ports"])
    assert port in (settings.metrics_port_events, settings.metrics_port_learning)


def test_savepoints_are_of_the_deployments() -> None:
    names = {_deployment(job)["metadata"]["name"] for job in JobName}
    snapshots = _resources(FOLDER / "savepoints.yaml")
    assert {each["spec"]["jobReference"]["name"] for each in snapshots} == names
