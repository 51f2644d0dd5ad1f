"""A learner that labels which contradict it cannot spoil: they are withheld, and what was learnt of
them before that was known is forgotten.

States: learning, until labels contradict the model (label_guard.py); then it goes back to the last
moment at which they agreed, and labels are only judged; learning again, once they agree. Labels are
judged before they are learnt, and by the model of that last good moment: one that has learnt some
of the poison finds the rest of it plausible. Where a whole window of labels decides nothing, as
with a model that says little, the end of the window is the next such moment.
"""

import io
import struct
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray
from scipy.special import logit

from online_model.learning.label_guard import LabelGuard, Verdict
from online_model.learning.learn_report import LearnReport
from online_model.learning.learner import OnlineLearner
from online_model.learning.learner_state import StateError
from online_model.learning.row_store import RowStore
from online_model.settings import OnlineModelSettings
from schemas.features import FeatureSpec
from schemas.model_package import ModelPackage

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)
_HEAD = struct.Struct("<4sQQ")
_MAGIC = b"CTG1"


class GuardedLearner:
    """An :class:`OnlineLearner` under a :class:`LabelGuard`; has the same verbs."""

    def __init__(self, learner: OnlineLearner, guard: LabelGuard, withholds: bool = False) -> None:
        self.learner = learner
        self.withholds = withholds
        self._guard = guard

    @classmethod
    def from_package(
        cls, package: ModelPackage, spec: FeatureSpec, settings: OnlineModelSettings
    ) -> "GuardedLearner":
        """Starts on a package. Raises PackageError if it does not fit the declaration."""
        learner = OnlineLearner.from_package(package, spec, settings)
        learner.mark()
        return cls(learner, LabelGuard())

    @classmethod
    def load(
        cls, state: bytes, spec: FeatureSpec, settings: OnlineModelSettings, store: RowStore
    ) -> "GuardedLearner":
        """Goes on from :meth:`save` and its store, also from a state of an OnlineLearner or one
        with rows in it, as older releases wrote. Raises StateError."""
        if state[: len(_MAGIC)] != _MAGIC:
            learner = OnlineLearner.load(state, spec, settings, store)
            learner.mark()
            return cls(learner, LabelGuard())
        if len(state) < _HEAD.size:
            raise StateError("state of a guard cannot be read: it ends in its head")
        _, guard_bytes, mark_bytes = _HEAD.unpack_from(state)
        mark_at = _HEAD.size + guard_bytes
        learner_at = mark_at + mark_bytes
        learner = OnlineLearner.load(state[learner_at:], spec, settings, store)
        learner.load_mark(state[mark_at:learner_at])
        try:
            with np.load(io.BytesIO(state[_HEAD.size : mark_at]), allow_pickle=False) as stored:
                guard = LabelGuard(armed=bool(stored["armed"]))
                # Those of an older release do not say which labels are first ones.
                if stored["rows"].shape[1:] == guard.rows.shape[1:]:
                    guard.rows = stored["rows"]
                return cls(learner, guard, bool(stored["withholds"]))
        except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise StateError(f"state of a guard cannot be read: {error!r}") from None

    @property
    def base_version(self) -> str:
        """Version of the package that row deltas go on top of."""
        return self.learner.base_version

    @property
    def shift(self) -> float:
        """What is added to the logit of a calibrated probability."""
        return self.learner.shift

    @property
    def armed(self) -> bool:
        """Whether labels have agreed with the model, so that others can contradict it."""
        return self._guard.armed

    def be_wary(self, armed: bool, withholds: bool) -> None:
        """Of labels, as the learner before was."""
        self._guard.armed, self.withholds = armed, withholds

    def predict(self, samples: NDArray[np.void]) -> NDArray[np.float64]:
        """Calibrated probabilities [n] of encoded samples [n] as they are; changes nothing."""
        return self.learner.predict(samples)

    def learn(
        self,
        samples: NDArray[np.void],
        labels: NDArray[np.integer[Any]] | NDArray[np.floating[Any]],
        kinds: Sequence[str] | NDArray[np.str_],
        weights: NDArray[np.floating[Any]],
        positions: NDArray[np.integer[Any]],
    ) -> LearnReport:
        """Learn samples [n], or withhold them; the report says which rows are to be served how."""
        some = slice(None, None, 1 + len(labels) // self._guard.limits.window)
        kind = np.asarray(kinds)
        assessed = self.learner.assess(
            samples[some], labels[some], kind[some], weights[some], positions[some]
        )
        verdict = self._guard.judge(
            logit(assessed.predicted), assessed.labels, assessed.weights, assessed.first
        )
        if verdict is Verdict.CONTRADICT:
            if not self.withholds:
                _log.warning("labels contradict the model", **self._guard.finding)
            self.withholds = True
            ids = self.learner.return_to_mark()
            return replace(assessed, ids=ids, values=self.learner.rows(ids))
        if self.withholds and verdict is not Verdict.AGREE:
            return assessed
        self.withholds = False
        report = self.learner.learn(samples, labels, kind, weights, positions)
        given_up = self._guard.is_full
        if given_up:
            self._guard.begin_anew()
        if verdict is Verdict.AGREE or given_up or not self._guard.armed:
            self.learner.mark()
        return report

    def touched_rows(self) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Rows int32 [m] that changed since the base, sorted, and their values [m, 1+dim]."""
        return self.learner.touched_rows()

    def save(self, store: RowStore) -> bytes:
        """Rows that changed since the last time to the store, always the same; the rest is
        returned. Both are all that :meth:`load` needs, bit for bit."""
        buffer = io.BytesIO()
        guard = self._guard
        np.savez(buffer, armed=guard.armed, withholds=self.withholds, rows=guard.rows)
        judged, mark = buffer.getvalue(), self.learner.dump_mark()
        head = _HEAD.pack(_MAGIC, len(judged), len(mark))
        return head + judged + mark + self.learner.save(store)
