"""From an encoded log to packages: the DeepFM that is served and its baseline."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from bootstrap.encoded_log import EncodedLog
from bootstrap.settings import BootstrapSettings
from online_model.export import Origin, export
from online_model.late_clicks import LateClicks
from online_model.model import Architecture
from online_model.quality import Quality
from online_model.settings import OnlineModelSettings
from online_model.trainer import train
from schemas.features import FeatureSpec
from schemas.model_package import ModelPackage


@dataclass(frozen=True, slots=True)
class TrainedPackage:
    """``validation`` is of the last rows of history, see :mod:`online_model.trainer`."""

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
        parent: str | None,
        progress: Callable[[int], None] = lambda rows: None,
    ) -> TrainedPackage:
        """Train, calibrate and export. Raises HistoryError or ExportError."""
        start = time.monotonic()
        history = self.log.history(self.spec)
        later_share = self.settings.later_share
        trained = train(
            self.spec, architecture, history, self.model_settings, later_share, progress
        )
        known = self.log.late_share
        share = self.settings.late_click_share if known is None else known
        package = export(
            trained.model,
            trained.calibration,
            LateClicks.assumed(share, trained.model.shape.rows),
            Origin(
                model=model,
                version=version_name(self.created_ms),
                created_ms=self.created_ms,
                parent=parent,
                watermark_ms=int(self.log.ts_ms[-1]),
                metrics=numbers(trained.validation),
            ),
            history.samples[-self.settings.check_rows :],
        )
        seconds = time.monotonic() - start
        return TrainedPackage(package, trained.validation, len(self.log), seconds)


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
