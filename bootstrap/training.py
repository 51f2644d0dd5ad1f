"""From an encoded log to packages: the DeepFM that is served and its baseline."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from bootstrap.encoded_log import EncodedLog
from bootstrap.publishing import LIVE
from bootstrap.settings import BootstrapSettings
from online_model.history import History
from online_model.network.model import Architecture
from online_model.paired_errors import auc_difference_error, log_loss_difference_error
from online_model.quality import Quality, quality
from online_model.settings import OnlineModelSettings
from online_model.training.export import Origin, export
from online_model.training.late_clicks import LateClicks
from online_model.training.package_scorer import PackageScorer
from online_model.training.trainer import train
from schemas.feature_reference import FeatureReference
from schemas.features import FeatureSpec
from schemas.layout import Layout
from schemas.model_package import ModelPackage

#: The newest rows, whose features tell later what has changed.
REFERENCE_ROWS = 50_000


@dataclass(frozen=True, slots=True)
class TrainedPackage:
    """``validation`` is of the last rows of history, see :mod:`online_model.training.trainer`."""

    package: ModelPackage
    validation: Quality
    rows: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Training:
    """What all trainings of one command share."""

    spec: FeatureSpec
    log: EncodedLog
    model_settings: OnlineModelSettings
    settings: BootstrapSettings
    created_ms: int

    def run(
        self,
        model: str,
        architecture: Architecture,
        live: ModelPackage | None,
        progress: Callable[[int], None] = lambda rows: None,
    ) -> TrainedPackage:
        """Train, calibrate and export; ``live`` is served now and becomes the parent.

        The manifest has, beside its own, the live model's metrics on the same rows as
        ``live_…``, unless it has learnt rows of that time itself.

        Raises HistoryError or ExportError.
        """
        start = time.monotonic()
        history = self.log.history(self.spec)
        later_share = self.settings.later_share
        trained = train(
            self.spec, architecture, history, self.model_settings, later_share, progress
        )
        known = self.log.late_share
        share = self.settings.late_click_share if known is None else known
        last = history.part(len(history) - trained.validation.rows, len(history))
        first_ms = int(self.log.ts_ms[len(history) - trained.validation.rows])
        unseen = live is not None and live.manifest.watermark_ms < first_ms
        measured = live_metrics(live, self.spec, last, trained.predicted) if unseen else {}
        package = export(
            trained.model,
            trained.calibration,
            LateClicks.assumed(share, trained.model.shape.rows),
            Origin(
                model=model,
                version=version_name(self.created_ms),
                created_ms=self.created_ms,
                parent=None if live is None else live.manifest.version,
                watermark_ms=int(self.log.ts_ms[-1]),
                metrics=numbers(trained.validation) | measured,
                reference=FeatureReference.of(
                    Layout.of(self.spec), history.samples[-REFERENCE_ROWS:]
                ),
            ),
            history.samples[-self.settings.check_rows :],
        )
        seconds = time.monotonic() - start
        return TrainedPackage(package, trained.validation, len(self.log), seconds)


def live_metrics(
    live: ModelPackage | None,
    spec: FeatureSpec,
    rows: History,
    predicted: NDArray[np.float64],
) -> dict[str, float]:
    """``live_…`` metrics of the served model on rows [n], and how well its difference is known from
    the model that ``predicted`` them so; none if it has other features."""
    if live is None or live.manifest.feature_fingerprint != spec.fingerprint:
        return {}
    served = PackageScorer(live, spec).probabilities(rows.samples)
    measured = numbers(quality(rows.labels, served, rows.weights))
    error = log_loss_difference_error(rows.labels, predicted, served, rows.weights)
    measured["log_loss_difference_error"] = error
    if "auc" in measured:
        measured["auc_difference_error"] = auc_difference_error(rows.labels, predicted, served)
    return {f"{LIVE}{name}": value for name, value in measured.items()}


def version_name(created_ms: int) -> str:
    """Sorts by time, e.g. ``20251124T042310.123Z``."""
    moment = datetime.fromtimestamp(created_ms / 1000, UTC)
    return f"{moment:%Y%m%dT%H%M%S}.{created_ms % 1000:03d}Z"


def numbers(quality: Quality) -> dict[str, float]:
    """Metrics of a manifest; those that are not defined are left out."""
    values = {
        "rows": float(quality.rows),
        "clicks": float(quality.clicks),
        "log_loss": quality.log_loss,
        "auc": quality.auc,
        "pcoc": quality.pcoc,
        "ece": quality.ece,
    }
    return {name: value for name, value in values.items() if value is not None}
