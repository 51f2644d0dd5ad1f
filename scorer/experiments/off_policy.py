"""What a policy would have earned, from the log of another one that chose at random.

Arrays [n] over logged choices: ``rewards``; ``logged`` > 0, the probability with which the logging
policy chose what it did; ``target``, that of the policy in question for the same choice;
``weights``, how many choices a row stands for; ``users``, numbers of who they were made for: as
these differ, intervals are over users. Importance weights are not clipped: what that would save in
variance it would cost in bias, and ``effective`` tells when there is too little of it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scorer.experiments.estimate import Doubles, Estimate, ratio


@dataclass(frozen=True, slots=True)
class Choices:
    """Logged choices, and what a reward model says of them if there is one.

    ``predicted`` is its reward for what was chosen, ``expected`` its mean reward over what the
    target policy chooses there. Without ``users`` each choice is made for another one.
    """

    rewards: Doubles
    logged: Doubles
    target: Doubles
    weights: Doubles
    predicted: Doubles | None = None
    expected: Doubles | None = None
    users: NDArray[np.int64] | None = None

    @property
    def importance(self) -> Doubles:
        """target / logged."""
        return self.target / self.logged

    @property
    def effective(self) -> float:
        """As many choices of the target policy itself would say as much (Kish, 1965)."""
        weights = self.weights * self.importance
        squares = float(weights @ weights)
        return float(weights.sum()) ** 2 / squares if squares > 0 else 0.0

    def mean(self, values: Doubles, weights: Doubles) -> Estimate:
        """Weighted mean of values [n] over all choices."""
        return ratio(self._by_user(weights * values), self._by_user(weights))

    def _by_user(self, values: Doubles) -> Doubles:
        if self.users is None:
            return values
        sums: Doubles = np.bincount(self.users, values).astype(np.float64)
        return sums[np.bincount(self.users) > 0]


def ips(choices: Choices) -> Estimate:
    """Inverse propensity scores (Horvitz & Thompson, JASA 1952): unbiased."""
    return choices.mean(choices.importance * choices.rewards, choices.weights)


def snips(choices: Choices) -> Estimate:
    """Self-normalised (Swaminathan & Joachims, NIPS'15): slightly biased, of less variance."""
    return choices.mean(choices.rewards, choices.weights * choices.importance)


def doubly_robust(choices: Choices) -> Estimate:
    """Reward model, corrected where it erred (Dudík, Langford & Li, ICML'11, arXiv 1103.4601).

    Unbiased whatever the model is, and of less variance the better it is. Unknown without one.
    """
    if choices.predicted is None or choices.expected is None:
        return Estimate.unknown()
    correction = choices.importance * (choices.rewards - choices.predicted)
    return choices.mean(choices.expected + correction, choices.weights)


METHODS: dict[str, Callable[[Choices], Estimate]] = {
    "ips": ips,
    "snips": snips,
    "doubly_robust": doubly_robust,
}
