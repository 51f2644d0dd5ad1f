"""Backtest on Criteo files: train on the first rows, test on the last, frozen or progressively."""

import resource
import time
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score

from bootstrap.backtest import backtest
from bootstrap.encoded_log import EncodedLog, encode_log
from bootstrap.log_sources import criteo_rows
from bootstrap.logged_rows import LoggedRow
from bootstrap.settings import BootstrapSettings
from bootstrap.source import CRITEO_ROW_MS, SourceError
from bootstrap.training import Training
from online_model.delayed_stream import DelayedStream, exponential_clicks
from online_model.learner import OnlineLearner
from online_model.model import Architecture
from online_model.package_scorer import PackageScorer
from online_model.quality import Quality, quality
from online_model.settings import OnlineModelSettings
from schemas.features import FeatureSpec

DAY_MS = 86_400_000
LABEL_WAIT_MS = 900_000


@dataclass(frozen=True, slots=True)
class CriteoFiles:
    """Rows of files, of some blocks (20,000 rows each in the sample file) or of all."""

    paths: Sequence[Path]
    blocks: Container[int] | None

    def encoded(self, spec: FeatureSpec, progress: Callable[[int], None]) -> EncodedLog:
        """All rows, file after file in time, too. Raises SourceError if there are none."""
        rows: list[LoggedRow] = []
        for path in self.paths:
            start_ms = rows[-1].ts_ms + CRITEO_ROW_MS if rows else 0
            rows.extend(criteo_rows(path, CRITEO_ROW_MS, self.blocks, start_ms))
        if not rows:
            raise SourceError("no rows: no such blocks in the files")
        return encode_log(spec, rows, None, progress)


@dataclass(frozen=True, slots=True)
class CriteoBacktest:
    """``lag_rows`` is how many rows pass between a label's time and its being learnt; clicks
    come after a delay that is exponential with a mean of a fifth of the attribution window."""

    spec: FeatureSpec
    architecture: Architecture
    model_settings: OnlineModelSettings
    settings: BootstrapSettings
    progressive: bool
    lag_rows: int

    def run(
        self, train: CriteoFiles, test: CriteoFiles, progress: Callable[[int], None]
    ) -> dict[str, Any]:
        """Metrics over the test rows. Raises SourceError, DatasetError or HistoryError."""
        start = time.monotonic()
        log = train.encoded(self.spec, progress)
        training = Training(self.spec, log, self.model_settings, self.settings, created_ms=0)
        trained = training.run("backtest", self.architecture, None)
        trained_seconds = time.monotonic() - start
        tested = test.encoded(self.spec, progress)
        frozen = PackageScorer(trained.package, self.spec).probabilities(tested.samples)
        report: dict[str, Any] = {"model": self.architecture, "train_rows": len(log)}
        if self.progressive:
            learner = OnlineLearner.from_package(trained.package, self.spec, self.model_settings)
            served = self._progressive(learner, tested, progress)
            report |= {
                f"frozen_{name}": value
                for name, value in _report(quality(tested.labels, frozen)).items()
            }
            report["late_click_share"] = learner.late_click_share
        else:
            served = frozen
        measured = quality(tested.labels, served)
        both = measured.auc is not None
        return report | {
            **_report(measured),
            "pr_auc": float(average_precision_score(tested.labels, served)) if both else None,
            "rows": len(tested),
            "train_seconds": round(trained_seconds, 2),
            "seconds": round(time.monotonic() - start, 2),
            "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }

    def _progressive(
        self, learner: OnlineLearner, log: EncodedLog, progress: Callable[[int], None]
    ) -> np.ndarray[Any, np.dtype[np.float64]]:
        seed = self.model_settings.seed
        ts_ms = np.arange(len(log), dtype=np.int64) * CRITEO_ROW_MS
        clicks = exponential_clicks(ts_ms, log.labels, DAY_MS / 5, seed)
        stream = DelayedStream.of(ts_ms, clicks, LABEL_WAIT_MS, DAY_MS)
        return backtest(learner, log.samples, log.positions, ts_ms, stream, self.lag_rows, progress)


def _report(measured: Quality) -> dict[str, float | None]:
    return {
        "auc": measured.auc,
        "logloss": measured.log_loss,
        "pcoc": measured.pcoc,
        "ece": measured.ece,
    }
