"""Continual learning of table rows on top of a package; dense layers stay as they are, but for the
hourly snapshot (bootstrap/refresh.py), which lets them learn, too.

What moves is embeddings and first-order weights. The base rate can move, too: every sample reads
a row of each categorical feature, so their first-order weights act as a bias together.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from prometheus_client import REGISTRY

from online_model.learning import learner_state
from online_model.learning.learn_report import LearnReport
from online_model.learning.learner_mark import LearnerMark
from online_model.learning.recalibration import BaseRateShift
from online_model.learning.row_journal import RowJournal
from online_model.learning.row_store import RowStore
from online_model.learning.saved_rows import Columns, SavedRows
from online_model.learning.told_samples import ToldSamples
from online_model.metrics import model_metrics
from online_model.network.this_process import prepare_to_learn
from online_model.settings import OnlineModelSettings
from online_model.training.export import Origin, export, row_files
from online_model.training.export import load as load_model
from online_model.training.late_clicks import LATE_CLICKS_FILE, LateClicks
from online_model.training.learning_step import Objective, adam, learn_batch
from schemas.calibration import Calibration
from schemas.encoding import Encoder
from schemas.features import FeatureSpec
from schemas.model_package import CALIBRATION_FILE, DELAYED_FEEDBACK_FILE, ModelPackage


class OnlineLearner:
    """Learns samples in the order in which they come. Not thread-safe."""

    def __init__(
        self,
        package: ModelPackage,
        spec: FeatureSpec,
        settings: OnlineModelSettings,
        dense: bool = False,
    ) -> None:
        prepare_to_learn(settings.torch_threads)
        self._settings = settings.online()
        self._method = settings.delayed_feedback
        self._encoder = Encoder(spec)
        self._model = load_model(package, spec)
        self._package = package
        self._dense = adam(self._model, settings) if dense else None
        self._calibration = Calibration.model_validate_json(package.files[CALIBRATION_FILE])
        self._late_clicks = LateClicks.from_files(package.files, self._model.shape.rows)
        self._touched = np.zeros(self._model.shape.rows, np.bool_)
        self._saved_rows = SavedRows(self._model.shape.rows)
        self._samples_seen = 0
        self._base_rate = BaseRateShift()
        self._mark: LearnerMark | None = None

    @classmethod
    def from_package(
        cls,
        package: ModelPackage,
        spec: FeatureSpec,
        settings: OnlineModelSettings,
        dense: bool = False,
    ) -> "OnlineLearner":
        """Starts on a package; with ``dense`` its dense layers learn, too, which no state and no
        file of :meth:`files` holds.

        Raises PackageError if it does not fit the declaration.
        """
        return cls(package, spec, settings, dense)

    @classmethod
    def load(
        cls,
        state: bytes,
        spec: FeatureSpec,
        settings: OnlineModelSettings,
        store: RowStore | None = None,
    ) -> "OnlineLearner":
        """Goes on from :meth:`save` and its store, or from a state of an older release, which had
        the rows in it, bit for bit.

        Raises StateError if the state is damaged, PackageError if it does not fit the declaration.
        """
        saved = learner_state.read(state, store)
        learner = cls(saved.package, spec, settings)
        learner._touched[saved.touched] = True
        learner._saved_rows = saved.saved_rows
        learner._samples_seen = saved.samples_seen
        learner._late_clicks.share = saved.late_share
        learner._base_rate = BaseRateShift.from_state(saved.base_rate)
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

    @property
    def shift(self) -> float:
        """What is added to the logit of a calibrated probability, to follow the base rate."""
        return self._base_rate.shift

    def mark(self) -> None:
        """What is now can be gone back to, see :meth:`return_to_mark`."""
        journal = self._journal() if self._mark is None else self._mark.journal
        journal.forget()
        share, rate = self._late_clicks.share, self._base_rate.copy()
        self._mark = LearnerMark(journal, share, rate, self._samples_seen)

    def return_to_mark(self) -> NDArray[np.int32]:
        """Forget what was learnt since the mark; returns the rows [m] that changed by that."""
        if self._mark is None:
            return np.zeros(0, np.int32)
        self._late_clicks.share = self._mark.late_share
        self._base_rate = self._mark.base_rate.copy()
        self._samples_seen = self._mark.samples_seen
        changed = self._mark.journal.put_back()
        self._saved_rows.changed(changed)
        return changed.astype(np.int32)

    def touched_rows(self) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Rows int32 [m] that changed since the base, sorted, and their values [m, 1+dim]."""
        ids = np.flatnonzero(self._touched).astype(np.int32)
        return ids, self.rows(ids)

    def rows(self, ids: NDArray[np.int32]) -> NDArray[np.float32]:
        """Rows [m] of the table as they are now, float32 [m, 1+dim]."""
        return self._model.table.values.numpy()[ids]

    def predict(self, samples: NDArray[np.void]) -> NDArray[np.float64]:
        """Calibrated probabilities [n] of encoded samples [n] as they are; changes nothing."""
        return self._calibration.shifted(self.shift).probabilities(self._model.logits(samples))

    def assess(
        self,
        samples: NDArray[np.void],
        labels: NDArray[np.integer[Any]] | NDArray[np.floating[Any]],
        kinds: Sequence[str] | NDArray[np.str_],
        weights: NDArray[np.floating[Any]],
        positions: NDArray[np.integer[Any]],
    ) -> LearnReport:
        """How good the learner was at its mark for samples [n]; changes nothing."""
        told = ToldSamples.of(
            self._encoder, self._method, samples, labels, kinds, weights, positions
        )
        nothing = np.zeros(0, np.int32)
        if self._mark is None:
            return self._report(told, self.predict(told.samples), nothing, withheld=True)
        calibration = self._calibration.shifted(self._mark.base_rate.shift)
        with self._mark.journal.as_kept():
            predicted = calibration.probabilities(self._model.logits(told.samples))
        return self._report(told, predicted, nothing, withheld=True)

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
        told = ToldSamples.of(
            self._encoder, self._method, samples, labels, kinds, weights, positions
        )
        predicted = np.empty(len(told), np.float64)
        changed = np.zeros(len(self._touched), np.bool_)
        for start in range(0, len(told), self._settings.batch_size):
            part = slice(start, start + self._settings.batch_size)
            predicted[part], rows = self._learn_batch(told.part(part))
            changed[rows] = True
        self._touched |= changed
        self._saved_rows.changed(np.flatnonzero(changed))
        self._samples_seen += len(told)
        exported = model_metrics(REGISTRY)
        exported.late_click_share.set(self.late_click_share)
        exported.base_rate_shift.set(self.shift)
        exported.touched_rows.set(int(self._touched.sum()))
        return self._report(told, predicted, np.flatnonzero(changed).astype(np.int32))

    def save(self, store: RowStore) -> bytes:
        """Rows that changed since the last time to the store, always the same; the rest is
        returned. Both are all that :meth:`load` needs."""
        return learner_state.write(
            self._package,
            self._columns(),
            self._saved_rows,
            store,
            self._samples_seen,
            self._late_clicks,
            self._base_rate.state(),
        )

    def dump_mark(self) -> bytes:
        """What :meth:`load_mark` needs beside the rest to go back to where the mark is."""
        return b"" if self._mark is None else self._mark.to_bytes()

    def load_mark(self, data: bytes) -> None:
        """Set the mark that was dumped. Raises StateError."""
        if data:
            self._mark = LearnerMark.from_bytes(data, self._journal())

    def files(self) -> dict[str, bytes]:
        """Those of the package as they are now; all that does not learn is that of the base."""
        table, late_clicks = self._model.table, self._late_clicks
        return {
            **self._package.files,
            **row_files(table.values.numpy(), table.curvature.numpy()),
            LATE_CLICKS_FILE: late_clicks.weights_file(),
            DELAYED_FEEDBACK_FILE: late_clicks.share.to_bytes(),
            CALIBRATION_FILE: self._calibration.shifted(self.shift).model_dump_json().encode(),
        }

    def exported(self, origin: Origin, check: NDArray[np.void]) -> ModelPackage:
        """What is now as a package of its own. Raises ExportError, see training/export.py."""
        calibration = self._calibration.shifted(self.shift)
        return export(self._model, calibration, self._late_clicks, origin, check)

    def _columns(self) -> Columns:
        table = self._model.table
        values, curvature = table.values.numpy(), table.curvature.numpy()
        return learner_state.columns_of(values, curvature, self._late_clicks, self._touched)

    def _journal(self) -> RowJournal:
        *learnt, _touched = self._columns().values()
        return RowJournal(learnt)

    def _report(
        self,
        told: ToldSamples,
        predicted: NDArray[np.float64],
        ids: NDArray[np.int32],
        withheld: bool = False,
    ) -> LearnReport:
        counts = told.counts
        return LearnReport(
            ids=ids,
            values=self.rows(ids),
            predicted=predicted[counts],
            labels=told.labels[counts],
            weights=told.weights[counts],
            first=told.first[counts],
            withheld=withheld,
        )

    def _learn_batch(self, told: ToldSamples) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        batch = self._model.batcher.batch(told.samples)
        ids = batch.ids.numpy()
        late_share = torch.from_numpy(self._late_clicks.shares(ids))
        objective = Objective(self._calibration, self._method, late_share)
        scores, rows = learn_batch(
            self._model,
            batch,
            torch.from_numpy(told.labels),
            torch.from_numpy(told.weights * told.counted),
            objective,
            self._settings,
            self._dense,
            before_step=None if self._mark is None else self._mark.journal.keep,
        )
        clicked = np.isin(told.kinds, ("POSITIVE", "CORRECTION"))
        self._late_clicks.learn(
            ids[clicked],
            told.kinds[clicked] == "CORRECTION",
            told.weights[clicked],
            self._settings.late_share_memory_clicks,
        )
        predicted = self._calibration.probabilities(scores.numpy())
        served = self._base_rate.probabilities(predicted)
        if self._settings.recalibration:
            counts = told.counts
            self._base_rate.learn(
                predicted[counts], told.labels[counts], told.first[counts], told.weights[counts]
            )
        return served, rows
