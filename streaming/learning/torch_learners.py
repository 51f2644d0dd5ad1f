"""The torch learner of online_model as the job makes it."""

from dataclasses import dataclass

from online_model.learning.guarded_learner import GuardedLearner
from online_model.learning.row_store import RowStore
from online_model.settings import OnlineModelSettings
from schemas.features import FeatureSpec
from schemas.model_package import ModelPackage
from streaming.learning.learner import Learner


@dataclass(frozen=True, slots=True)
class TorchLearners:
    """Makes learners for one feature declaration."""

    spec: FeatureSpec
    settings: OnlineModelSettings

    def from_package(self, package: ModelPackage) -> GuardedLearner:
        """A learner that starts on a base package."""
        return GuardedLearner.from_package(package, self.spec, self.settings)

    def after(self, before: Learner, package: ModelPackage) -> GuardedLearner:
        """A learner on another base; labels that contradicted the one before do it still."""
        new = self.from_package(package)
        new.be_wary(before.armed, before.withholds)
        return new

    def load(self, state: bytes, store: RowStore) -> GuardedLearner:
        """A learner that goes on from what it saved."""
        return GuardedLearner.load(state, self.spec, self.settings, store)
