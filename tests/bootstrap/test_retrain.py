"""Retraining from a small lake: what it learns, that a killed one goes on, two processes."""

import json
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import redis
import yaml
from typer.testing import CliRunner

from bootstrap.__main__ import app
from bootstrap.lake_stream import Block, LakeStream
from bootstrap.package_folder import read_package
from bootstrap.publisher import Publisher
from bootstrap.retrain import Retrain, Retrained, RetrainOptions
from online_model.quality import Quality, quality
from online_model.settings import OnlineModelSettings
from online_model.training.package_scorer import PackageScorer
from online_model.training.peers import Peers
from online_model.training.training_checkpoint import CheckpointError
from stores.lake.folders import LakeError
from tests.bootstrap.synthetic_lake import declared, write_lake

SPEC = declared(fields=6, buckets=60, dim=4)
OPTIONS = ("--validate-hours", "2", "--keep-negatives", "0.5", "--json")
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lake(tmp_path_factory.mktemp("lake"), SPEC, hours=8, rows=1500, rate=0.15)


def retraining(lake: Path, keep: float = 0.5, **options: Any) -> Retrain:
    return Retrain(
        LakeStream(lake, SPEC, keep),
        "deepfm",
        OnlineModelSettings(batch_size=50, calibration_bin_rows=100, passes=2),
        RetrainOptions(validate_hours=3, sync_rows=1000, checkpoint_seconds=0.0, **options),
        Peers(),
    )


def finished(run: Retrain, told: list[int] | None = None) -> Retrained:
    retrained = run.run((told if told is not None else []).append)
    assert retrained is not None
    return retrained


@pytest.fixture(scope="module")
def complete(lake: Path) -> Retrained:
    """What a retrain that nobody kills comes to."""
    return finished(retraining(lake))


def same(first: Retrained, second: Retrained) -> bool:
    dense, others = first.model.dense_parameters(), second.model.dense_parameters()
    return (
        first.model.table.values.numpy().tobytes() == second.model.table.values.numpy().tobytes()
        and all(dense[name].tobytes() == others[name].tobytes() for name in dense)
        and first.calibration == second.calibration
        and list(first.curve) == list(second.curve)
    )


def test_it_learns_and_is_right_about_the_rate_although_negatives_were_dropped(
    complete: Retrained,
) -> None:
    retrained, measured = complete, complete.tested.quality()
    assert (measured.auc or 0) > 0.65
    assert measured.pcoc == pytest.approx(1.0, abs=0.1)
    assert 0.1 < retrained.late_clicks.share.share < 0.3
    later = retrained.tested
    assert later.weights[later.labels < 0.5].tolist() == [2.0] * int((later.labels < 0.5).sum())
    served = retrained.calibration.probabilities(retrained.model.logits(later.samples))
    assert np.average(served, weights=later.weights) == pytest.approx(
        np.average(later.labels, weights=later.weights), rel=0.1
    )


class Killed(Exception):
    """Where a kill would have come."""


@dataclass
class Kill:
    """Progress that ends the retrain after so many blocks."""

    after: int

    def __call__(self, _: int) -> None:
        self.after -= 1
        if self.after < 0:
            raise Killed


@pytest.mark.parametrize("after", [9, 11])
def test_what_was_killed_goes_on_bit_for_bit(
    lake: Path, tmp_path: Path, complete: Retrained, after: int
) -> None:
    """In the second pass, and in the validation."""
    checkpoint = tmp_path / "retrain.checkpoint"
    run = retraining(lake, checkpoint=checkpoint)
    with pytest.raises(Killed):
        run.run(Kill(after))
    assert checkpoint.exists()
    read: list[int] = []
    resumed = finished(retraining(lake, checkpoint=checkpoint), read)
    assert same(resumed, complete)
    assert sum(read) <= run.rows() - 5 * 1500, "the first pass is not learnt again"


def test_what_is_killed_again_before_it_learnt_anything_learns_nothing_twice(
    lake: Path, tmp_path: Path, complete: Retrained
) -> None:
    """At the end of a pass."""
    checkpoint = tmp_path / "retrain.checkpoint"
    for after in (6, 2):
        with pytest.raises(Killed):
            retraining(lake, checkpoint=checkpoint).run(Kill(after))
    assert same(finished(retraining(lake, checkpoint=checkpoint)), complete)


def test_a_checkpoint_of_another_retrain_is_refused(lake: Path, tmp_path: Path) -> None:
    checkpoint = tmp_path / "retrain.checkpoint"
    run = retraining(lake, checkpoint=checkpoint)
    with pytest.raises(Killed):
        run.run(Kill(4))
    other = replace(run, stream=LakeStream(lake, SPEC, keep=1.0))
    with pytest.raises(CheckpointError, match="of another retrain"):
        other.run()
    checkpoint.write_bytes(b"half a file")
    with pytest.raises(CheckpointError, match="no checkpoint"):
        run.run()


class OfTwoHosts(Peers):
    """The other one sees no checkpoint."""

    def gathered(self, value: Any) -> list[Any]:
        return [value, False] if isinstance(value, bool) else super().gathered(value)


def test_a_checkpoint_that_another_host_does_not_see_is_refused(lake: Path, tmp_path: Path) -> None:
    """It would begin anew beside a model that has learnt."""
    checkpoint = tmp_path / "retrain.checkpoint"
    run = replace(retraining(lake, checkpoint=checkpoint), peers=OfTwoHosts())
    with pytest.raises(Killed):
        run.run(Kill(4))
    with pytest.raises(CheckpointError, match="not all processes see it"):
        replace(run).run()


def test_a_lake_that_is_too_short_is_refused(lake: Path) -> None:
    run = retraining(lake)
    long = replace(run, options=replace(run.options, validate_hours=8))
    with pytest.raises(LakeError, match="has 8 hours, and the last 8 are to validate"):
        long.run()


def by_two(lake: Path, output: Path, features: Path) -> dict[str, Any]:
    """The command as an operator calls it; what it says in the end."""
    torchrun = [str(Path(sys.executable).parent / "torchrun"), "--standalone", "--nproc-per-node=2"]
    ended = subprocess.run(
        [*torchrun, "-m", "bootstrap", "retrain", "--lake", lake, "--output", output, *OPTIONS],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "CTR_FEATURES": str(features), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    told: dict[str, Any] = json.loads(ended.stdout)
    return told


@pytest.fixture(scope="module")
def unseen(tmp_path_factory: pytest.TempPathFactory) -> Block:
    """The tenth hour of the same world: the lake of eight hours has nothing of it."""
    longer = write_lake(tmp_path_factory.mktemp("longer"), SPEC, hours=10, rows=1500, rate=0.15)
    stream = LakeStream(longer, SPEC)
    ((_, _, block),) = stream.blocks(stream.hours()[-1:])
    return block


def quality_of(package: str, rows: Block) -> Quality:
    """Of a package, on rows that it has not learnt."""
    scorer = PackageScorer(read_package(Path(package)), SPEC)
    return quality(rows.labels, scorer.probabilities(rows.samples), rows.weights)


@pytest.mark.timeout(600)
def test_two_processes_learn_what_one_learns(
    lake: Path, tmp_path: Path, unseen: Block, monkeypatch: pytest.MonkeyPatch
) -> None:
    features = tmp_path / "synthetic.yaml"
    features.write_text(yaml.safe_dump(json.loads(SPEC.model_dump_json())))
    monkeypatch.setenv("CTR_FEATURES", str(features))
    arguments = ["retrain", "--lake", str(lake), "--output", str(tmp_path / "one"), *OPTIONS]
    alone = json.loads(CliRunner().invoke(app, arguments).stdout)
    both = by_two(lake, tmp_path / "two", features)
    assert both["rows_learnt"] == alone["rows_learnt"]
    assert len(both["cpu_seconds"]) == 2
    assert both["rows"] == alone["rows"]
    assert both["log_loss"] == pytest.approx(alone["log_loss"], rel=0.03)
    assert both["pcoc"] == pytest.approx(1.0, abs=0.15)
    one, two = (quality_of(run["package"], unseen) for run in (alone, both))
    assert two.log_loss == pytest.approx(one.log_loss, rel=0.03)
    assert two.pcoc == pytest.approx(one.pcoc, rel=0.1)
    assert two.auc == pytest.approx(one.auc, abs=0.02)
    package = read_package(Path(both["package"]))
    assert package.manifest.metrics["auc"] == both["auc"] > 0.65
    page = Path(alone["report"]).read_text()
    assert page.count("data:image/png;base64,") == 6
    assert "Importance by permutation" in page
    assert not list((tmp_path / "one").glob("*.checkpoint")), "it is done with"


def test_negatives_wait_for_corrections_as_long_as_the_events_job_does(
    lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    windows: list[int] = []

    def stream(*arguments: Any) -> LakeStream:
        windows.append(arguments[3])
        raise LakeError("that will do")

    monkeypatch.setattr("bootstrap.retrain_command.LakeStream", stream)
    monkeypatch.setenv("CTR_STREAMING_ATTRIBUTION_WINDOW_MS", str(72 * 3_600_000 - 1))
    arguments = ["retrain", "--lake", str(lake), "--output", str(tmp_path)]
    assert "that will do" in CliRunner().invoke(app, arguments).stderr
    assert windows == [72]


def lose_redis(*_: object, **__: object) -> None:
    raise redis.ConnectionError("away")


def test_it_catches_up_passes_the_gate_and_goes_live(
    lake: Path,
    tmp_path: Path,
    client: redis.Redis,
    redis_url: str,
    kafka_bootstrap: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The second, of the same lake, has no row that the live one has not learnt: not compared. The
    third is refused, and leaves nothing that the next one would go on from."""
    features = tmp_path / "synthetic.yaml"
    features.write_text(yaml.safe_dump(json.loads(SPEC.model_dump_json())))
    monkeypatch.setenv("CTR_FEATURES", str(features))
    monkeypatch.setenv("CTR_REDIS_URL", redis_url)
    monkeypatch.setenv("CTR_KAFKA_BOOTSTRAP", kafka_bootstrap)
    monkeypatch.setenv("CTR_ONLINE_MODEL_PASSES", "1")
    arguments = ["retrain", "--lake", str(lake), "--output", str(tmp_path), *OPTIONS, "--publish"]
    told = []
    for _ in range(2):
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, result.output
        told.append(json.loads(result.stdout))
    first, second = told
    assert first["overridden"] == second["overridden"] == []
    assert first["behind_seconds"] < 10
    publisher = Publisher(client, "deepfm", 5)
    package = publisher.fetch(publisher.current() or "")
    assert package == read_package(Path(second["package"]))
    assert package.manifest.parent == Path(first["package"]).name
    assert package.manifest.offsets.keys() == {"training-samples-0", "training-samples-1"}
    assert "live_log_loss" not in second
    assert not second["compared"]
    monkeypatch.setenv("CTR_BOOTSTRAP_GATE_PCOC_FACTOR", "1.0001")
    monkeypatch.setattr("online_model.publish_gate.SIGMAS", 0.0)
    monkeypatch.setattr("bootstrap.publishing.Publisher.publish", lose_redis)
    lost = CliRunner().invoke(app, [*arguments, "--force"])
    assert lost.exit_code == 1
    assert list(tmp_path.glob("*.checkpoint")), "hours of training are not lost with Redis"
    refused = CliRunner().invoke(app, arguments)
    assert refused.exit_code == 3
    assert "is not published (--force would): calibration" in refused.stderr
    assert not list(tmp_path.glob("*.checkpoint"))
    assert len(list(tmp_path.glob("*.html"))) == 4
