"""``python -m online_model inspect`` on a real Redis."""

import json
from pathlib import Path

import pytest
import redis
from typer.testing import CliRunner

from online_model.__main__ import app
from schemas import redis_keys
from schemas.model_package import CALIBRATION_FILE, ModelPackage

FEATURES = str(Path(__file__).with_name("small.yaml"))


@pytest.fixture
def run(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.setenv("CTR_REDIS_URL", redis_url)
    monkeypatch.setenv("CTR_FEATURES", FEATURES)
    return CliRunner()


def publish(redis_url: str, package: ModelPackage) -> None:
    with redis.Redis.from_url(redis_url) as client:
        for key, value in package.writes():
            client.set(key, value)
        client.set(redis_keys.model_current(package.manifest.model), package.manifest.version)


def test_no_model_is_one_line(run: CliRunner) -> None:
    result = run.invoke(app, ["inspect"])
    assert result.exit_code == 1
    assert result.stderr == "no version of model deepfm is current in Redis\n"
    assert result.stdout == ""


def test_json_is_one_object(run: CliRunner, redis_url: str, package: ModelPackage) -> None:
    publish(redis_url, package)
    result = run.invoke(app, ["inspect", "--json"])
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["version"] == "v1"
    assert report["parent"] == "v0"
    assert report["rows"] == 78
    assert report["rows_learnt"] == 11 + 1 + 47 + 9, "the values that occur, at one position"
    assert report["embedding_dim"] == 4
    assert report["dense_parameters"] == 1 + 4 + 2 * ((24 * 8 + 8) + (8 * 4 + 4) + (4 + 1))
    assert report["calibration"] == json.loads(package.files[CALIBRATION_FILE])
    sizes = {name: entry.size_bytes for name, entry in package.manifest.files.items()}
    assert report["files_bytes"] == sizes


def test_a_table_for_people(
    run: CliRunner, redis_url: str, regression_package: ModelPackage
) -> None:
    publish(redis_url, regression_package)
    result = run.invoke(app, ["inspect", "--model", "lr", "--version", "v1"])
    assert result.exit_code == 0, result.output
    assert "lr v1" in result.stdout
    assert "rows_learnt" in result.stdout


def test_a_version_that_is_not_there_is_named(
    run: CliRunner, redis_url: str, package: ModelPackage
) -> None:
    publish(redis_url, package)
    result = run.invoke(app, ["inspect", "--version", "v7"])
    assert (result.exit_code, result.stderr) == (1, "package v7 of deepfm: no manifest\n")


def test_other_features_are_named(
    run: CliRunner, redis_url: str, package: ModelPackage, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(redis_url, package)
    monkeypatch.setenv("CTR_FEATURES", "world")
    result = run.invoke(app, ["inspect"])
    assert result.exit_code == 1
    assert "made for features" in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("CTR_REDIS_URL", "redis://127.0.0.1:1/0", "Connection refused"),
        ("CTR_REDIS_URL", "nonsense", "CTR_REDIS_URL: Redis URL nonsense: begins with none of"),
        ("CTR_FEATURES", "nowhere.yaml", "CTR_FEATURES: 'nowhere.yaml'"),
        ("CTR_LOG_LEVEL", "LOUD", "CTR_LOG_LEVEL"),
    ],
)
def test_a_wrong_setting_is_one_line(
    run: CliRunner,
    redis_url: str,
    package: ModelPackage,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
    said: str,
) -> None:
    publish(redis_url, package)
    monkeypatch.setenv(variable, value)
    result = run.invoke(app, ["inspect"])
    assert result.exit_code == 1
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1
