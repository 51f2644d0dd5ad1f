"""What the job needs of a learner; online_model.learning.guarded_learner has the real one."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from online_model.learning.row_store import RowStore
from schemas.model_package import ModelPackage


class LearnReport(Protocol):
    """Of one batch, see online_model.learning.learn_report.LearnReport."""

    @property
    def ids(self) -> NDArray[np.int32]:
        """Rows that changed, int32 [m]."""

    @property
    def values(self) -> NDArray[np.float32]:
        """What they are now, float32 [m, 1 + dim]."""

    @property
    def predicted(self) -> NDArray[np.float64]:
        """Probabilities of the samples [n] that count, from before learning them."""

    @property
    def labels(self) -> NDArray[np.float32]:
        """Their labels [n]."""

    @property
    def weights(self) -> NDArray[np.float32]:
        """Their weights [n]: of how many like them they were left."""

    @property
    def first(self) -> NDArray[np.bool_]:
        """Which of them are first labels [n]; the others correct one."""

    @property
    def withheld(self) -> bool:
        """Whether they were judged only: labels contradict the model."""

    @property
    def log_loss(self) -> float:
        """Weighted mean over first labels, predicted before learning; NaN without any."""

    @property
    def predicted_sum(self) -> float:
        """Of the probabilities of first labels."""

    @property
    def observed_sum(self) -> float:
        """Of clicks of any kind."""


class Learner(Protocol):
    """A model that learns; the same batches in the same order give the same model."""

    @property
    def base_version(self) -> str:
        """Version of the package that it started from."""

    @property
    def shift(self) -> float:
        """What is added to calibrated logits to follow the base rate."""

    @property
    def armed(self) -> bool:
        """Whether labels have agreed with it, so that others can contradict it."""

    @property
    def withholds(self) -> bool:
        """Whether labels contradict it now, so that they are not learnt."""

    def learn(
        self,
        samples: NDArray[np.void],
        labels: NDArray[np.int32],
        kinds: NDArray[np.str_],
        weights: NDArray[np.float32],
        positions: NDArray[np.int32],
    ) -> LearnReport:
        """Learn samples [n] in order."""

    def touched_rows(self) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Rows [m] that differ from the base and their values [m, 1 + dim]."""

    def save(self, store: RowStore) -> bytes:
        """Rows that changed since the last time to the store, always the same, and the rest: all
        that it takes to go on bit by bit."""


class Learners(Protocol):
    """Makes learners."""

    def from_package(self, package: ModelPackage) -> Learner:
        """One that starts on a base package. Raises PackageError if it cannot be used."""

    def after(self, before: Learner, package: ModelPackage) -> Learner:
        """The same, as wary of labels as the one before."""

    def load(self, state: bytes, store: RowStore) -> Learner:
        """One that goes on from what was saved."""
