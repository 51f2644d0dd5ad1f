"""The torch learner of online_model as the job makes it."""

from dataclasses import dataclass

from online_model.learner import OnlineLearner
from online_model.settings import OnlineModelSettings
from schemas.features import FeatureSpec
from schemas.model_package import ModelPackage


@dataclass(frozen=True, slots=True)
class TorchLearners:
    """Makes learners for one feature declaration."""

    spec: FeatureSpec
    settings: OnlineModelSettings

    def from_package(self, package: ModelPackage) -> OnlineLearner:
        """A learner that starts on a base package."""
        return OnlineLearner.from_package(package, self.spec, self.settings)

    def load(self, state: bytes) -> OnlineLearner:
        """A learner that goes on from its own dump."""
        return OnlineLearner.load(state, self.spec, self.settings)
