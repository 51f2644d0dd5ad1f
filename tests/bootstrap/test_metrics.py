"""What a training leaves for Prometheus."""

import dataclasses
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bootstrap.metrics import write_metrics
from bootstrap.training import TrainedPackage
from schemas.settings import SettingsError


def samples(path: Path) -> dict[str, float]:
    families = text_string_to_metric_families(path.read_text())
    found = [sample for family in families for sample in family.samples]
    assert {sample.labels["model"] for sample in found} == {"deepfm"}
    return {sample.name: sample.value for sample in found}


def test_metrics_are_written_for_each_model(trained: TrainedPackage, tmp_path: Path) -> None:
    path = tmp_path / "bootstrap.prom"
    path.write_text("what was there before")
    write_metrics(path, [trained])
    assert samples(path) == {
        "ctr_bootstrap_rows": 2000,
        "ctr_bootstrap_seconds": trained.seconds,
        "ctr_bootstrap_log_loss": trained.validation.log_loss,
        "ctr_bootstrap_auc": trained.validation.auc,
        "ctr_bootstrap_pcoc": trained.validation.pcoc,
    }


def test_metrics_that_are_not_defined_are_left_out(trained: TrainedPackage, tmp_path: Path) -> None:
    none = dataclasses.replace(trained.validation, auc=None, pcoc=None)
    write_metrics(tmp_path / "m.prom", [dataclasses.replace(trained, validation=none)])
    assert not samples(tmp_path / "m.prom").keys() & {"ctr_bootstrap_auc", "ctr_bootstrap_pcoc"}


def test_a_file_that_cannot_be_written_is_named(trained: TrainedPackage, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"CTR_BOOTSTRAP_METRICS_FILE: .*nowhere"):
        write_metrics(tmp_path / "nowhere" / "m.prom", [trained])
