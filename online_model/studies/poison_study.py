"""What a poisoned label stream costs: real rows, labels flipped for a while, guarded and not.

A model is trained on the first part of the rows. The rest is served progressively, a batch (a
second's rows) at a time: predicted by what scorers have, which is what the learner has published,
then its labels are learnt. In the middle labels come flipped. The guard is the one of the learning
job (learning/guarded_learner.py). What is served is measured by true labels, beside a learner whose
labels were never flipped: rows differ, so a stretch of them is compared with itself.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from online_model.history import History
from online_model.learning.guarded_learner import GuardedLearner
from online_model.learning.learner import OnlineLearner
from online_model.quality import log_loss
from online_model.settings import OnlineModelSettings
from online_model.studies.delay_study import LabelledRows, StudyError
from online_model.training.export import Origin, export
from online_model.training.late_clicks import LateClicks
from online_model.training.trainer import rows_to_do, train
from schemas.features import FeatureSpec
from schemas.model_package import ModelPackage

LATER_SHARE = 0.2
CHECK_ROWS = 100


@dataclass(frozen=True, slots=True)
class PoisonStudy:
    """``pretrain_share`` of the rows are history; of the rest the labels between the shares
    ``poison_from`` and ``poison_to`` are flipped. ``batch_rows`` come in a second."""

    spec: FeatureSpec
    settings: OnlineModelSettings
    pretrain_share: float = 0.5
    poison_from: float = 0.4
    poison_to: float = 0.6
    batch_rows: int = 200

    def work(self, rows: int) -> int:
        """How many rows :meth:`run` will tell of."""
        first = int(self.pretrain_share * rows)
        return rows_to_do(first, "deepfm", self.settings) + 3 * (rows - first)

    def run(self, rows: LabelledRows, progress: Callable[[int], None]) -> dict[str, Any]:
        """Log loss before, during and after by learner; recovery. Raises StudyError, HistoryError.

        ``recovery_seconds`` is from the last flipped label until labels are learnt again, negative
        if that was too early, None if none were withheld.
        """
        first = int(self.pretrain_share * len(rows.labels))
        rest = rows.part(first, len(rows.labels))
        if len(rest.labels) < 20 * self.batch_rows:
            raise StudyError(f"{len(rest.labels)} rows are left to be served: more are needed")
        begin, end = (self._at(share, rest) for share in (self.poison_from, self.poison_to))
        if not begin < end:
            raise StudyError(f"no label is flipped between {self.poison_from} and {self.poison_to}")
        package = self._pretrained(rows.part(0, first), progress)
        flipped = rest.labels.copy()
        flipped[begin:end] = 1 - flipped[begin:end]
        guarded = GuardedLearner.from_package(package, self.spec, self.settings)
        served, withheld = self._served(guarded, rest, flipped, progress)
        plain = OnlineLearner.from_package(package, self.spec, self.settings)
        unguarded, _ = self._served(plain, rest, flipped, progress)
        never = OnlineLearner.from_package(package, self.spec, self.settings)
        clean, _ = self._served(never, rest, rest.labels, progress)
        parts = {"before": slice(0, begin), "during": slice(begin, end), "after": slice(end, None)}
        losses = {
            name: {part: log_loss(rest.labels[at], p[at]) for part, at in parts.items()}
            for name, p in (("guarded", served), ("unguarded", unguarded), ("clean", clean))
        }
        held = np.flatnonzero(withheld) * self.batch_rows
        poisoned = (held >= begin) & (held < end)
        return {
            "logloss": losses,
            "rise": {
                name: {part: losses[name][part] / losses["clean"][part] - 1.0 for part in parts}
                for name in ("guarded", "unguarded")
            },
            "poisoned_rows": end - begin,
            "poisoned_rows_learnt": end - begin - int(poisoned.sum()) * self.batch_rows,
            "good_rows_withheld": int((~poisoned).sum()) * self.batch_rows,
            "detection_rows": int(held[poisoned][0]) - begin if poisoned.any() else None,
            "recovery_seconds": (
                int(held[-1] + self.batch_rows - end) // self.batch_rows if len(held) else None
            ),
        }

    def _at(self, share: float, rest: LabelledRows) -> int:
        return int(share * len(rest.labels)) // self.batch_rows * self.batch_rows

    def _served(
        self,
        learner: GuardedLearner | OnlineLearner,
        rows: LabelledRows,
        labels: NDArray[np.float32],
        progress: Callable[[int], None],
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Served probabilities of the rows [n], and which batches were withheld."""
        served, withheld = np.empty(len(labels)), []
        for start in range(0, len(labels), self.batch_rows):
            part = slice(start, start + self.batch_rows)
            served[part] = learner.predict(rows.samples[part])
            told = labels[part]
            kinds = np.where(told > 0.5, "POSITIVE", "NEGATIVE")
            first = np.ones(len(told), np.int64)
            report = learner.learn(rows.samples[part], told, kinds, np.ones(len(told)), first)
            withheld.append(report.withheld)
            progress(len(told))
        return served, np.array(withheld)

    def _pretrained(self, rows: LabelledRows, progress: Callable[[int], None]) -> ModelPackage:
        history = History(rows.samples, rows.labels, np.ones(len(rows.labels), np.float32))
        trained = train(self.spec, "deepfm", history, self.settings, LATER_SHARE, progress)
        return export(
            trained.model,
            trained.calibration,
            LateClicks.assumed(0.0, trained.model.shape.rows),
            Origin(model="deepfm", version="pretrained", created_ms=0),
            rows.samples[-CHECK_ROWS:],
        )
