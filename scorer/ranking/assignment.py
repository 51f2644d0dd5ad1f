"""Which arm answers a request, with what model."""

from dataclasses import dataclass

from scorer.experiments.arms import POPULARITY, Arm, Arms
from scorer.model.challengers import Challenger, Challengers
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
    """A user's arm; as long as its package is not there, the main model's or popularity's."""

    def __init__(self, arms: Arms, main_model: str, challengers: Challengers) -> None:
        self.arms = arms
        self._main_model = main_model
        self._challengers = challengers
        by_model = {arm.model: arm for arm in reversed(arms.arms)}
        self._stand_in = by_model.get(main_model) or by_model.get(POPULARITY)

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
        if variant or self._stand_in is None:
            raise NoModelError(f"variant: no package of {arm.model} is loaded yet for {arm.name}")
        # Its users are the other arm's meanwhile, and counted as such.
        return Assigned(self._stand_in)
