"""``python -m bootstrap``: train, list and backtest as a person or a script calls them."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis
from typer.testing import CliRunner, Result

from bootstrap.__main__ import app
from bootstrap.package_folder import write_package
from bootstrap.publisher import Publisher
from bootstrap.training import TrainedPackage
from schemas import redis_keys
from schemas.learner_status import LearnerStatus
from schemas.model_package import fetch
from tests.bootstrap.small_logs import write_criteo, write_open_bandit

WORLD = ("train", "--dataset", "world", "--rows", "2000")


@pytest.fixture(autouse=True)
def _this_redis(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CTR_REDIS_URL", redis_url)


@pytest.fixture(scope="module")
def criteo_log(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("criteo")
    return str(write_criteo(folder / "train.tsv", 600, block_rows=200))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def json_of(result: Result) -> Any:
    """Standard output has one JSON object and nothing else."""
    assert result.exit_code == 0, result.output
    assert result.stdout.count("\n") == 1
    return json.loads(result.stdout)


def test_training_publishes_both_models(client: Any, tmp_path: Path) -> None:
    report = json_of(run(*WORLD, "--json"))
    assert report.keys() == {"deepfm", "lr"}
    for model, told in report.items():
        version = client.get(redis_keys.model_current(model)).decode()
        assert told["version"] == version
        assert told["rows"] == 2000
        assert told["validation"]["rows"] == 200
        package = fetch(model, version, client.mget)
        assert package.manifest.metrics == told["validation"]
        assert package.manifest.parent is None


def test_training_again_goes_on_from_what_is_current(
    client: redis.Redis, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With a name of its own, fewer versions kept, and metrics left for Prometheus."""
    metrics = tmp_path / "bootstrap.prom"
    monkeypatch.setenv("CTR_MODEL", "mine")
    monkeypatch.setenv("CTR_BOOTSTRAP_KEEP_VERSIONS", "2")
    monkeypatch.setenv("CTR_BOOTSTRAP_METRICS_FILE", str(metrics))
    monkeypatch.setenv("CTR_BOOTSTRAP_GATE_LOG_LOSS_RISE", "1")
    monkeypatch.setenv("CTR_BOOTSTRAP_GATE_AUC_DROP", "1")
    small = (*WORLD[:-1], "300")
    versions = [json_of(run(*small, "--json"))["mine"]["version"] for _ in range(3)]
    kept = Publisher(client, "mine", 2).versions()
    assert [item.version for item in kept] == versions[1:]
    assert kept[1].manifest is not None
    assert kept[1].manifest.parent == versions[1]
    assert 'ctr_bootstrap_rows{model="mine"} 300.0' in metrics.read_text()


def test_tables_for_people() -> None:
    nothing = run("list")
    assert nothing.exit_code == 0
    result = run(*WORLD[:-1], "300")
    assert result.exit_code == 0, result.output
    assert "deepfm" in result.stdout
    listed = run("list")
    assert "current" in listed.stdout
    assert "PCOC" in listed.stdout


def test_versions_are_listed_as_one_object() -> None:
    assert json_of(run("list", "--json")) == {
        "model": "deepfm",
        "versions": [],
        "learner": None,
    }
    trained = json_of(run(*WORLD[:-1], "300", "--json"))["lr"]
    listed = json_of(run("list", "--model", "lr", "--json"))
    (version,) = listed["versions"]
    assert (version["version"], version["current"]) == (trained["version"], True)
    assert version["metrics"] == trained["validation"]


def test_a_learner_that_is_contradicted_is_listed(client: redis.Redis) -> None:
    now_ms = 1_700_000_000_000
    status = LearnerStatus("v1", "e", 0, {}, {}, now_ms, now_ms, now_ms, {"log-loss": now_ms})
    client.hset(redis_keys.model_learner("deepfm"), mapping=dict(status.to_fields()))
    listed = run("list").stdout
    assert "labels since 2023-11-14 22:13:20 contradict v1" in listed
    assert "log-loss changed at 2023-11-14 22:13:20" in listed
    assert json_of(run("list", "--json"))["learner"]["withheld_since_ms"] == now_ms


def test_a_worse_candidate_is_not_published_unless_forced(
    trained: TrainedPackage, tmp_path: Path
) -> None:
    first = json_of(run("publish", str(write_package(trained.package, tmp_path)), "--json"))
    manifest, metrics = trained.package.manifest, trained.package.manifest.metrics
    worse = {**metrics, "log_loss": 1.1 * metrics["log_loss"]}
    second = manifest.model_copy(update={"version": "worse", "metrics": worse})
    folder = str(write_package(replace(trained.package, manifest=second), tmp_path))
    assert_one_line(
        run("publish", folder), "worse is not published (--force would): log loss", code=3
    )
    assert json_of(run("list", "--json"))["versions"][-1]["version"] == first["version"]
    forced = json_of(run("publish", folder, "--force", "--json"))
    assert forced["overridden"][0].startswith("log loss")
    compared = json_of(run("compare", "worse", first["version"], "--json"))
    assert (compared["candidate"], compared["live"]) == ("worse", first["version"])
    assert {"metric", "candidate", "live"} == compared["metrics"][0].keys()
    assert compared["refusal_reasons"] == forced["overridden"]
    back = json_of(run("rollback", "--reason", "looks odd", "--json"))
    assert (back["version"], back["withdrawn"]) == (first["version"], "worse")
    listed = json_of(run("list", "--json"))["versions"]
    assert [(item["current"], item["withdrawn"]) for item in listed] == [
        (True, None),
        (False, "looks odd"),
    ]
    assert "looks odd" in run("list").stdout
    assert_one_line(run("rollback"), "cannot be rolled back: no other good version is kept")


def test_a_folder_is_published(trained: TrainedPackage, tmp_path: Path) -> None:
    folder = write_package(trained.package, tmp_path)
    report = json_of(run("publish", str(folder), "--json"))
    assert report == {"model": "deepfm", "version": folder.name, "overridden": []}
    assert_one_line(run("publish", str(folder), "--force"), "is published already")
    assert_one_line(run("publish", str(tmp_path)), "no package")
    assert "candidate" in run("compare", str(folder)).stdout
    assert_one_line(run("compare", str(folder), "--model", "other"), "no version of other is")


def test_an_announcement_is_sent_where_it_is_wanted(
    kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CTR_KAFKA_BOOTSTRAP", kafka_bootstrap)
    assert json_of(run(*WORLD[:-1], "300", "--announce", "--json")).keys() == {"deepfm", "lr"}


def test_a_backtest_prints_one_object(criteo_log: str) -> None:
    blocks = ("--train-blocks", "1,2", "--test-blocks", "3")
    result = run(
        "backtest", "--train", criteo_log, "--test", criteo_log, *blocks, "--model", "lr", "--json"
    )
    report = json_of(result)
    assert (report["model"], report["train_rows"], report["rows"]) == ("lr", 400, 200)
    assert report["auc"] > 0.6
    assert (report["train_rows_after_test"], "are later" in result.stderr) == (0, False)


def test_a_test_that_begins_before_training_ends_is_told(tmp_path: Path) -> None:
    early = write_open_bandit(tmp_path, [0, 1] * 60)
    later = early.with_name("later.csv")
    header, *lines = early.read_text().splitlines()
    later.write_text("\n".join([header, *lines[20:]]))
    backtest = ("backtest", "--dataset", "open-bandit", "--train", str(early), "--test", str(later))
    result = run(*backtest, "--model", "lr", "--json")
    assert json_of(result)["train_rows_after_test"] == 99
    assert "99 rows of --train are later than the first of --test" in result.stderr


def test_a_backtest_shows_a_table(criteo_log: str) -> None:
    files = ("--train", criteo_log, "--test", criteo_log, "--model", "lr")
    rows = ("--train-rows", ":70%", "--test-rows", "70%:")
    result = run("backtest", *files, *rows, "--progressive", "--delays", "--lag-rows", "10")
    assert result.exit_code == 0, result.output
    assert "frozen_auc" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("train", "--dataset", "criteo"), "--dataset criteo needs --file"),
        (("train", "--dataset", "lake", "--path", "/no/lake"), "--path /no/lake: no such"),
        (("train", "--dataset", "world", "--rows", "x"), "--rows x: expected A:B"),
        (("train", "--dataset", "world", "--rows", "5"), "history has 5 rows"),
        (("backtest", "--train", "/no/a", "--test", "/no/b"), "/no/a: no such file"),
        (("backtest", "--train", __file__, "/no/a", "--test", __file__), "/no/a: no such file"),
        (("backtest", f"--train={__file__}", "/no/a", "--test", __file__), "/no/a: no such file"),
    ],
)
def test_wrong_arguments_are_one_line(arguments: tuple[str, ...], said: str) -> None:
    assert_one_line(run(*arguments), said)


def test_wrong_blocks_are_one_line(criteo_log: str) -> None:
    files = ("backtest", "--train", criteo_log, "--test", criteo_log)
    assert_one_line(run(*files, "--test-blocks", "a"), "blocks a: expected numbers with commas")
    assert_one_line(run(*files, "--train-blocks", "7"), "train.tsv is trained and tested")
    apart = ("--train-blocks", "7", "--test-blocks", "1")
    assert_one_line(run(*files, *apart), "train.tsv: no such rows of block 7")
    some = ("--train-blocks", "1,7", "--test-blocks", "2")
    assert_one_line(run(*files, *some), "train.tsv: no such rows of block 7")
    assert_one_line(run(*files, "--test-rows", "5%"), "train.tsv is trained and tested")
    assert_one_line(run(*files, "--test-rows", "5-6"), "--test-rows 5-6: expected A:B")
    assert_one_line(run(*files, "--delays"), "--delays and --lag-rows say how labels come")
    assert_one_line(run(*files, "--seed", str(2**70)), "CTR_ONLINE_MODEL_SEED: ")


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("CTR_REDIS_URL", "redis://127.0.0.1:1/0", "Redis (CTR_REDIS_URL): "),
        ("CTR_REDIS_URL", "nonsense", "CTR_REDIS_URL: Redis URL nonsense: begins with none of"),
        ("CTR_FEATURES", "nowhere", "CTR_FEATURES: 'nowhere'"),
        ("CTR_BOOTSTRAP_LATER_SHARE", "2", "CTR_BOOTSTRAP_LATER_SHARE: "),
        ("CTR_BOOTSTRAP_LATTER_SHARE", "1", "did you mean CTR_BOOTSTRAP_LATER_SHARE?"),
        ("CTR_ONLINE_MODEL_PASSES", "0", "CTR_ONLINE_MODEL_PASSES: "),
        ("CTR_ADSERVER_SEED", "x", "CTR_ADSERVER_SEED: "),
    ],
)
def test_wrong_settings_are_one_line(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    monkeypatch.setenv(variable, value)
    assert_one_line(run(*WORLD), said)


def assert_one_line(result: Result, said: str, code: int = 1) -> None:
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1, result.stderr


def test_the_module_is_a_command() -> None:
    """The same through a process: what is wrong is one line on standard error, and 1."""
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-m", "bootstrap", "train", "--dataset", "open-bandit"]
    ended = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert ended.returncode == 1
    assert (ended.stdout, ended.stderr) == ("", "--dataset open-bandit needs --file\n")
