"""What late clicks cost, by method: real rows, true labels known, click times simulated.

A model is trained on the first part, with final labels, so when the attribution window of its last
row is over. It catches up with what the stream has brought since that row, and from there on each
batch is predicted before anything is learnt that was not known by then. A stream has no beginning:
late clicks and final labels of rows of the first part are in it, as long as they are due after it.
All methods get the same rows, clicks and first model; ``oracle`` learns the true labels at once,
``pretrained`` learns nothing. RI is the share of the way from ``pretrained`` to ``oracle`` (Yang et
al., AAAI'21): what undoing the bias of late clicks wins.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from online_model.calibration.field_quality import field_ids
from online_model.datasets import criteo
from online_model.history import History
from online_model.learning.learner import OnlineLearner
from online_model.quality import quality
from online_model.settings import Method, OnlineModelSettings
from online_model.studies.click_delays import DAY_MS, DelayLaw
from online_model.studies.delayed_stream import NO_CLICK, DelayedStream
from online_model.studies.progressive import ROWS_AT_A_TIME, validate_progressively
from online_model.training.export import Origin, export
from online_model.training.late_clicks import from_history
from online_model.training.trainer import rows_to_do, train
from schemas.encoding import Encoder
from schemas.features import FeatureSpec
from schemas.model_package import ModelPackage
from schemas.redis_values import UserRow

METHODS: tuple[Method, ...] = ("es_dfm", "defer", "fnw", "wait", "vanilla")
ROW_MS = DAY_MS // 1000
LATER_SHARE = 0.2
AT_ONCE = -1  # a short window that no click is within: FNW takes each impression as a negative


class StudyError(ValueError):
    """Rows of which no study can be made."""


@dataclass(frozen=True, slots=True)
class LabelledRows:
    """``samples`` [n] of ``layout.dtype`` in the order of the log, and their true labels [n]."""

    samples: NDArray[np.void]
    labels: NDArray[np.float32]

    def part(self, start: int, end: int) -> "LabelledRows":
        """Rows [start, end)."""
        return LabelledRows(self.samples[start:end], self.labels[start:end])

    @property
    def ids(self) -> NDArray[np.int64]:
        """Values of all fields, [n, fields]."""
        return field_ids(self.samples).astype(np.int64)


def read_criteo(
    paths: Sequence[Path], spec: FeatureSpec, progress: Callable[[int], None]
) -> LabelledRows:
    """All rows of the files. Raises DatasetError."""
    encoder = Encoder(spec)
    labels, requests, ads = [], [], []
    for path in paths:
        for row in criteo.read_rows(path):
            requests.append(encoder.request(UserRow(user_id=row.user_id), row.context))
            ads.append(encoder.ad(row.ad_id, row.ad_attributes))
            labels.append(row.label)
            progress(1)
    samples = np.zeros(len(labels), encoder.layout.dtype)
    for part in (requests, ads):
        for name in part[0].dtype.names or () if part else ():
            samples[name] = np.concatenate([row[name] for row in part])
    return LabelledRows(samples, np.array(labels, np.float32))


@dataclass(frozen=True, slots=True)
class Lesson:
    """What one learner is given: impressions of ``samples`` [n], shown at ``ts_ms`` [n] ascending,
    their clicks at ``click_ms`` [n] (NO_CLICK where there is none), and what labels them.

    The first ``first`` rows are the history of ``package``; from row ``tested`` on each row is to
    be predicted before what comes later is learnt.
    """

    name: str
    method: Method
    package: ModelPackage
    samples: NDArray[np.void]
    ts_ms: NDArray[np.int64]
    click_ms: NDArray[np.int64]
    short_ms: int
    window_ms: int
    first: int
    tested: int

    @property
    def mature(self) -> bool:
        """Whether final labels come once more, at the end of the window."""
        return self.method in ("defer", "wait")


#: A lesson, and who is to be told of rows that are done -> served probabilities [n - tested].
Teach = Callable[[Lesson, Callable[[int], None]], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class DelayStudy:
    """``pretrain_share`` of the rows are history, the next attribution window is caught up with
    and the rest is measured.

    Rows come ``ROW_MS`` apart, a thousand a day.
    """

    spec: FeatureSpec
    settings: OnlineModelSettings
    law: DelayLaw
    pretrain_share: float

    def work(self, rows: int, methods: Sequence[Method] = METHODS) -> int:
        """How many rows :meth:`run` will tell of."""
        first, tested = self._parts(rows)
        learners = len(methods) + 1
        return rows_to_do(first, "deepfm", self.settings) + (rows - tested) * learners

    def run(
        self,
        rows: LabelledRows,
        seed: int,
        progress: Callable[[int], None],
        methods: Sequence[Method] = METHODS,
        teach: Teach | None = None,
    ) -> dict[str, dict[str, float]]:
        """Metrics over the measured rows by method; ``seed`` draws the delays. ``teach`` is who
        learns, by default a learner in this process.

        Raises HistoryError if the first part cannot be learnt from, StudyError if too few rows
        or those of one class only are left to be measured.
        """
        first, tested = self._parts(len(rows.labels))
        truth = rows.labels[tested:]
        if not 0 < truth.sum() < len(truth):
            raise StudyError(
                f"{len(rows.labels)} rows leave {len(truth)} to be measured, of one class: more "
                "rows are needed"
            )
        ts_ms = np.arange(len(rows.labels), dtype=np.int64) * ROW_MS
        click_ms = self.law.clicks(rows.ids, ts_ms, rows.labels, seed)
        package = self._pretrained(rows.part(0, first), ts_ms[:first], click_ms[:first], progress)
        served = {"pretrained": self._learner(package, "vanilla").predict(rows.samples[tested:])}
        late = Lesson(
            name="",
            method="vanilla",
            package=package,
            samples=rows.samples,
            ts_ms=ts_ms,
            click_ms=click_ms,
            short_ms=self.law.short_ms,
            window_ms=self.law.window_ms,
            first=first,
            tested=tested,
        )
        at_once = np.where(rows.labels > 0.5, ts_ms, NO_CLICK)
        lessons = [replace(late, name="oracle", click_ms=at_once, short_ms=0)]
        for method in methods:
            short_ms = AT_ONCE if method == "fnw" else late.short_ms
            lessons.append(replace(late, name=method, method=method, short_ms=short_ms))
        for lesson in lessons:
            served[lesson.name] = (teach or self.teach)(lesson, progress)
        return _compared(truth, served)

    def teach(self, lesson: Lesson, progress: Callable[[int], None]) -> NDArray[np.float64]:
        """A learner in this process, by the stream as the events job would make it."""
        stream = DelayedStream.of(
            lesson.ts_ms, lesson.click_ms, lesson.short_ms, lesson.window_ms, lesson.mature
        )
        return validate_progressively(
            self._learner(lesson.package, lesson.method),
            lesson.samples,
            np.ones(len(lesson.ts_ms), np.int64),
            lesson.ts_ms,
            stream.since(int(lesson.ts_ms[lesson.first])),
            0,
            progress,
            lesson.tested,
        )

    def _parts(self, rows: int) -> tuple[int, int]:
        """Where history ends and where measuring begins."""
        first = int(self.pretrain_share * rows)
        return first, min(rows, first + self.law.window_ms // ROW_MS)

    def _pretrained(
        self,
        rows: LabelledRows,
        ts_ms: NDArray[np.int64],
        click_ms: NDArray[np.int64],
        progress: Callable[[int], None],
    ) -> ModelPackage:
        weights = np.ones(len(rows.labels), np.float32)
        history = History(rows.samples, rows.labels, weights)
        trained = train(self.spec, "deepfm", history, self.settings, LATER_SHARE, progress)
        clicked = np.flatnonzero(rows.labels > 0.5)
        late = (click_ms - ts_ms)[clicked] > self.law.short_ms
        ids = trained.model.batcher.batch(rows.samples[clicked]).ids.numpy()
        return export(
            trained.model,
            trained.calibration,
            from_history(ids, late, trained.model.shape.rows),
            Origin(model="deepfm", version="pretrained", created_ms=0),
            rows.samples[-ROWS_AT_A_TIME:],
        )

    def _learner(self, package: ModelPackage, method: Method) -> OnlineLearner:
        # What undoes the bias is the loss alone: recalibration would hide what a method leaves.
        update = {"delayed_feedback": method, "recalibration": False}
        settings = self.settings.model_copy(update=update)
        return OnlineLearner.from_package(package, self.spec, settings)


def _compared(
    labels: NDArray[np.float32], served: dict[str, NDArray[np.float64]]
) -> dict[str, dict[str, Any]]:
    found = {name: quality(labels, p) for name, p in served.items()}
    worst, best = found["pretrained"], found["oracle"]
    report: dict[str, dict[str, Any]] = {}
    for name, of in found.items():
        report[name] = {
            "auc": of.auc,
            "logloss": of.log_loss,
            "pcoc": of.pcoc,
            "ri_auc": _share(worst.auc or 0.0, best.auc or 0.0, of.auc or 0.0),
            "ri_nll": _share(worst.log_loss, best.log_loss, of.log_loss),
        }
    return report


def _share(worst: float, best: float, value: float) -> float | None:
    """Of the way from worst to best; None if there is no way."""
    return None if best == worst else (value - worst) / (best - worst)
