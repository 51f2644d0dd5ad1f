"""Backtest on a public log: train on rows that come first, test on later ones, frozen or
progressively."""

import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from bootstrap.encoded_log import EncodedLog, encode_log
from bootstrap.log_sources import PAGE_MS, Log
from bootstrap.log_split import LogFiles, delayed, require_apart, thinned
from bootstrap.logged_rows import LoggedRow
from bootstrap.position_study import PositionStudy
from bootstrap.settings import BootstrapSettings
from bootstrap.training import TrainedPackage, Training
from online_model.calibration.field_quality import field_calibration_errors, field_ids
from online_model.learning.learner import OnlineLearner
from online_model.network.model import Architecture
from online_model.quality import log_loss, quality
from online_model.settings import OnlineModelSettings
from online_model.studies.delayed_stream import DelayedStream
from online_model.studies.progressive import validate_progressively
from online_model.training.package_scorer import PackageScorer
from schemas.encoding import Encoder
from schemas.features import FeatureSpec

DAY_MS = 86_400_000
LABEL_WAIT_MS = 900_000
Probabilities = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class StreamLabels:
    """How the labels of the test rows reach a model that learns them.

    Without ``delays`` each is known for good as soon as its batch was predicted. With them they
    come as the stream brings them, clicks by the log's times or else after a delay that is
    exponential with a mean of a fifth of the attribution window, and ``lag_rows`` rows later.
    Of the clicks after the share ``thin_from`` of the rows ``thin_clicks`` are left.
    """

    delays: bool = False
    lag_rows: int = 0
    thin_clicks: float = 1.0
    thin_from: float = 0.0


@dataclass(frozen=True, slots=True)
class LogBacktest:
    """Of one log, one architecture, one seed."""

    log: Log
    spec: FeatureSpec
    architecture: Architecture
    model_settings: OnlineModelSettings
    settings: BootstrapSettings
    progressive: bool
    stream: StreamLabels = StreamLabels()

    def run(
        self, train: LogFiles, test: LogFiles, progress: Callable[[int], None]
    ) -> dict[str, Any]:
        """Metrics over the test rows. Raises SourceError, DatasetError or HistoryError."""
        start = time.monotonic()
        require_apart(train, test)
        trained_rows = train.read(self.log, start_ms=0)
        tested_rows = self._changed(test.read(self.log, trained_rows[-1].ts_ms + PAGE_MS))
        earlier, later = self._encoded(trained_rows, tested_rows, progress)
        training = Training(self.spec, earlier, self.model_settings, self.settings, created_ms=0)
        trained = training.run("backtest", self.architecture, live=None)
        trained_seconds = time.monotonic() - start
        shown = later.history(self.spec).samples
        frozen = PackageScorer(trained.package, self.spec).probabilities(shown)
        report: dict[str, Any] = {
            "model": self.architecture,
            "train_rows": len(earlier),
            "train_rows_after_test": int(np.sum(earlier.ts_ms > later.ts_ms[0])),
        }
        served = frozen
        if self.progressive:
            served, learnt = self._progressive(trained, later, shown, progress)
            report |= {f"frozen_{k}": v for k, v in _metrics(later.labels, frozen, shown).items()}
            report |= learnt
        constant = np.full(len(later), earlier.labels.mean())
        report |= {
            **_metrics(later.labels, served, shown),
            "constant_logloss": log_loss(later.labels, constant),
            "train_rate": float(earlier.labels.mean()),
            "test_rate": float(later.labels.mean()),
            "rows": len(later),
            "train_seconds": round(trained_seconds, 2),
            "seconds": round(time.monotonic() - start, 2),
            "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }
        if len(np.unique(later.positions)) > 1 and not self.progressive:
            report |= self._positions(trained, later, tested_rows, frozen)
        return report

    def _changed(self, rows: list[LoggedRow]) -> list[LoggedRow]:
        """Test rows with thinned and, where the log does not tell them, delayed clicks."""
        stream, seed = self.stream, self.model_settings.seed
        if stream.thin_clicks < 1.0:
            rows = thinned(rows, stream.thin_clicks, stream.thin_from, seed)
        if stream.delays and not self.log.has_click_times:
            rows = delayed(rows, DAY_MS / 5, seed)
        return rows

    def _encoded(
        self, train: list[LoggedRow], test: list[LoggedRow], progress: Callable[[int], None]
    ) -> tuple[EncodedLog, EncodedLog]:
        """Counters go on from one to the other; a frozen model knows no clicks of the test."""
        wait_ms = LABEL_WAIT_MS if self.log.has_click_times else None
        known = None if self.progressive else len(train)
        log = encode_log(self.spec, [*train, *test], wait_ms, progress, known)
        return log.part(0, len(train)), log.part(len(train), len(log))

    def _progressive(
        self,
        trained: TrainedPackage,
        log: EncodedLog,
        shown: NDArray[np.void],
        progress: Callable[[int], None],
    ) -> tuple[Probabilities, dict[str, Any]]:
        settings = self.model_settings
        if self.stream.delays:
            stream = DelayedStream.of(log.ts_ms, log.click_ms, LABEL_WAIT_MS, DAY_MS)
        else:
            stream = DelayedStream.at_once(log.ts_ms, log.labels)
            settings = settings.model_copy(update={"delayed_feedback": "vanilla"})
        learner = OnlineLearner.from_package(trained.package, self.spec, settings)
        served = validate_progressively(
            learner,
            shown,
            log.positions,
            log.ts_ms,
            stream,
            self.stream.lag_rows,
            progress,
        )
        report: dict[str, Any] = {"base_rate_shift": learner.shift}
        if self.stream.delays:
            report["late_click_share"] = learner.late_click_share
        return served, report

    def _positions(
        self,
        trained: TrainedPackage,
        log: EncodedLog,
        rows: list[LoggedRow],
        as_shown: Probabilities,
    ) -> dict[str, Any]:
        scorer, encoder = PackageScorer(trained.package, self.spec), Encoder(self.spec)
        first = encoder.with_positions(log.samples, np.ones(len(log), np.int64))
        _, pages = np.unique([f"{row.ts_ms}\x1f{row.user_id}" for row in rows], return_inverse=True)
        return PositionStudy(
            pages=pages,
            positions=log.positions,
            labels=log.labels,
            as_shown=as_shown,
            as_first=scorer.probabilities(first),
        ).report()


def _metrics(
    labels: NDArray[np.float32], served: Probabilities, samples: NDArray[np.void]
) -> dict[str, float | None]:
    measured = quality(labels, served)
    both = measured.auc is not None
    return {
        "auc": measured.auc,
        "pr_auc": float(average_precision_score(labels, served)) if both else None,
        "logloss": measured.log_loss,
        "ece": measured.ece,
        "field_ece": float(field_calibration_errors(field_ids(samples), labels, served).mean()),
        "pcoc": measured.pcoc,
    }
