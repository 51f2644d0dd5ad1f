"""Which arm answers a request, with what model."""

from dataclasses import dataclass

from scorer.arms import POPULARITY, Arm, Arms
from scorer.challengers import Challenger, Challengers
from scorer.questions import NoModelError


@dataclass(frozen=True, slots=True)
class Assigned:
    """An arm; ``challenger`` is None for the main model and for popularity."""

    arm: Arm
    challenger: Challenger | None = None

    @property
    def is_popularity(self) -> bool:
        """Whether no model ranks."""
        return self.arm.model == POPULARITY


class Assignment:
    """A user's arm, or the main model's as long as that arm's package is not there."""

    def __init__(self, arms: Arms, main_model: str, challengers: Challengers) -> None:
        self.arms = arms
        self._main_model = main_model
        self._challengers = challengers
        self._main_arm = next((arm for arm in arms.arms if arm.model == main_model), None)

    def of(self, user_id: str, variant: str) -> Assigned:
        """``variant`` is the arm that is asked for, or empty.

        Raises NoModelError if the model of an arm that is asked for is not loaded.
        """
        arm = self.arms.of(user_id, variant)
        if arm.model in (self._main_model, POPULARITY):
            return Assigned(arm)
        challenger = self._challengers.get(arm.model)
        if challenger is not None:
            return Assigned(arm, challenger)
        if variant or self._main_arm is None:
            raise NoModelError(f"variant: no package of {arm.model} is loaded yet for {arm.name}")
        # Its users are the main arm's meanwhile, and counted as such.
        return Assigned(self._main_arm)
