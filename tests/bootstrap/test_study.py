"""The study has a row for each variant, whose settings exist."""

import pytest

from bootstrap.encoded_log import EncodedLog, encode_log
from bootstrap.log_sources import LOGS
from bootstrap.log_split import LogFiles
from bootstrap.study import VARIANTS, Study
from online_model.settings import OnlineModelSettings
from schemas.features import FeatureSpec
from tests.bootstrap.small_logs import write_criteo

SPEC = FeatureSpec.load("criteo")


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> EncodedLog:
    path = write_criteo(tmp_path_factory.mktemp("study") / "train.tsv.gz", 600, block_rows=600)
    return encode_log(SPEC, LogFiles([path]).read(LOGS["criteo"], 0), None)


def test_a_row_for_each_variant_and_each_setting_exists(log: EncodedLog) -> None:
    told: list[int] = []
    rows = list(Study(SPEC, OnlineModelSettings(), 0.2, folds=2, seeds=1).run(log, told.append))
    assert [row["variant"] for row in rows] == [variant.name for variant in VARIANTS]
    assert len(told) == 2 * len(VARIANTS)
    assert all(0.5 < row["auc"] < 1.0 and row["logloss"] > 0 for row in rows)
    known = set(OnlineModelSettings.model_fields)
    assert all(known.issuperset(variant.changes) for variant in VARIANTS)
