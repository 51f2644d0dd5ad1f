"""Continual learning of table rows on top of a package; dense layers stay as they are.

What moves is embeddings and first-order weights. The base rate can move, too: every sample reads
a row of each categorical feature, so their first-order weights act as a bias together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from prometheus_client import REGISTRY

from online_model import learner_state
from online_model.delayed_feedback import LateShare, sights
from online_model.export import load as load_model
from online_model.late_clicks import LateClicks
from online_model.learning_step import Objective, learn_batch
from online_model.metrics import model_metrics
from online_model.settings import OnlineModelSettings
from schemas.calibration import Calibration
from schemas.encoding import Encoder
from schemas.features import FeatureSpec
from schemas.model_package import CALIBRATION_FILE, ModelPackage

FIRST_LABELS = ("POSITIVE", "NEGATIVE")
KINDS = (*FIRST_LABELS, "CORRECTION", "MATURE")
FLOOR = 1e-6


@dataclass(frozen=True, slots=True)
class LearnReport:
    """What one call of :meth:`OnlineLearner.learn` did.

    ``ids`` int32 [m] are the rows that changed, sorted, ``values`` float32 [m, 1+dim] what they
    are now. ``log_loss`` is the mean over first labels of what was predicted before learning
    them, NaN without any; a click that is still to come counts as none there.
    ``predicted_sum`` over ``observed_sum`` is PCOC once clicks have come in: the first sums
    predictions of first labels, the second clicks of any kind. Both carry sample weights.
    With the method ``wait`` an impression's first label is the MATURE one. ``counts`` has the
    samples learnt, by kind.
    """

    ids: NDArray[np.int32]
    values: NDArray[np.float32]
    log_loss: float
    predicted_sum: float
    observed_sum: float
    counts: dict[str, int]


class OnlineLearner:
    """Learns samples in the order in which they come. Not thread-safe."""

    def __init__(
        self, package: ModelPackage, spec: FeatureSpec, settings: OnlineModelSettings
    ) -> None:
        torch.set_num_threads(settings.torch_threads)
        self._settings = settings
        self._encoder = Encoder(spec)
        self._model = load_model(package, spec)
        self._package = package
        self._calibration = Calibration.model_validate_json(package.files[CALIBRATION_FILE])
        self._late_clicks = LateClicks.from_files(package.files, self._model.shape.rows)
        self._touched = np.zeros(self._model.shape.rows, np.bool_)
        self._samples_seen = 0

    @classmethod
    def from_package(
        cls, package: ModelPackage, spec: FeatureSpec, settings: OnlineModelSettings
    ) -> "OnlineLearner":
        """Starts on a package. Raises PackageError if it does not fit the declaration."""
        return cls(package, spec, settings)

    @classmethod
    def load(
        cls, state: bytes, spec: FeatureSpec, settings: OnlineModelSettings
    ) -> "OnlineLearner":
        """Goes on from :meth:`dump`, bit for bit.

        Raises StateError if the state is damaged, PackageError if it does not fit the declaration.
        """
        saved = learner_state.read(state)
        learner = cls(saved.package, spec, settings)
        learner._touched[saved.touched] = True
        learner._samples_seen = saved.samples_seen
        learner._late_clicks.share = LateShare(saved.early_clicks, saved.late_clicks)
        return learner

    @property
    def base_version(self) -> str:
        """Version of the package that row deltas go on top of."""
        return self._package.manifest.version

    @property
    def samples_seen(self) -> int:
        """Samples learnt since the base."""
        return self._samples_seen

    @property
    def late_click_share(self) -> float:
        """Share of clicks that come after e, as tracked."""
        return self._late_clicks.share.share

    def touched_rows(self) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Rows int32 [m] that changed since the base, sorted, and their values [m, 1+dim]."""
        ids = np.flatnonzero(self._touched).astype(np.int32)
        return ids, self.rows(ids)

    def rows(self, ids: NDArray[np.int32]) -> NDArray[np.float32]:
        """Rows [m] of the table as they are now, float32 [m, 1+dim]."""
        return self._model.table.values.numpy()[ids]

    def predict(self, samples: NDArray[np.void]) -> NDArray[np.float64]:
        """Calibrated probabilities [n] of encoded samples [n] as they are; changes nothing."""
        return self._calibration.probabilities(self._model.logits(samples))

    def learn(
        self,
        samples: NDArray[np.void],
        labels: NDArray[np.integer[Any]] | NDArray[np.floating[Any]],
        kinds: Sequence[str] | NDArray[np.str_],
        weights: NDArray[np.floating[Any]],
        positions: NDArray[np.integer[Any]],
    ) -> LearnReport:
        """Learn n samples of ``layout.dtype`` in order, in steps of ``settings.batch_size``.

        ``positions`` (1 = top) replace the position that was assumed when serving. Samples of
        a kind that the method does not learn and those without a positive weight are passed over.
        """
        kind = np.asarray(kinds, dtype="U10")
        counted = sights(self._settings.delayed_feedback, kind, np.asarray(labels))
        chosen = np.flatnonzero((counted > 0) & (np.asarray(weights) > 0))
        kind, counted = kind[chosen], counted[chosen]
        shown = self._encoder.with_positions(samples[chosen], np.asarray(positions)[chosen])
        targets = np.asarray(labels)[chosen].astype(np.float32)
        importance = np.asarray(weights)[chosen].astype(np.float32)
        predicted = np.empty(len(chosen), np.float64)
        changed = np.zeros(len(self._touched), np.bool_)
        for start in range(0, len(chosen), self._settings.batch_size):
            part = slice(start, start + self._settings.batch_size)
            predicted[part], rows = self._learn_batch(
                shown[part], targets[part], importance[part], counted[part], kind[part]
            )
            changed[rows] = True
        self._touched |= changed
        self._samples_seen += len(chosen)
        exported = model_metrics(REGISTRY)
        exported.late_click_share.set(self.late_click_share)
        exported.touched_rows.set(int(self._touched.sum()))
        ids = np.flatnonzero(changed).astype(np.int32)
        waited = self._settings.delayed_feedback == "wait"
        first = np.isin(kind, ("MATURE",) if waited else FIRST_LABELS)
        return LearnReport(
            ids=ids,
            values=self.rows(ids),
            log_loss=_mean_log_loss(targets[first], predicted[first]),
            predicted_sum=float(np.sum(importance[first] * predicted[first])),
            observed_sum=float(np.sum(importance * targets, dtype=np.float64)),
            counts={name: int(np.sum(kind == name)) for name in KINDS},
        )

    def dump(self) -> bytes:
        """All that :meth:`load` needs, the dense layers included: rows that were ever seen."""
        return learner_state.write(
            self._package,
            self._model.table.values.numpy(),
            self._model.table.curvature.numpy(),
            np.flatnonzero(self._touched).astype(np.int32),
            self._samples_seen,
            self._late_clicks,
        )

    def _learn_batch(
        self,
        samples: NDArray[np.void],
        labels: NDArray[np.float32],
        weights: NDArray[np.float32],
        counted: NDArray[np.float32],
        kinds: NDArray[np.str_],
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        batch = self._model.batcher.batch(samples)
        ids = batch.ids.numpy()
        late_share = torch.from_numpy(self._late_clicks.shares(ids))
        objective = Objective(self._calibration, self._settings.delayed_feedback, late_share)
        scores, rows = learn_batch(
            self._model,
            batch,
            torch.from_numpy(labels),
            torch.from_numpy(weights * counted),
            objective,
            self._settings,
        )
        clicked = np.isin(kinds, ("POSITIVE", "CORRECTION"))
        self._late_clicks.learn(
            ids[clicked],
            kinds[clicked] == "CORRECTION",
            weights[clicked],
            self._settings.late_share_memory_clicks,
        )
        return objective.probabilities(scores).numpy(), rows


def _mean_log_loss(labels: NDArray[np.float32], probabilities: NDArray[np.float64]) -> float:
    if not len(labels):
        return float("nan")
    p = np.clip(probabilities, FLOOR, 1.0 - FLOOR)
    return float(-np.mean(np.where(labels > 0.5, np.log(p), np.log1p(-p))))
