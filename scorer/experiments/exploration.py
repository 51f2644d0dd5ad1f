"""Exploration of the last slot, so that new ads get seen, with exact propensities.

With probability ε a policy draws an ad for the last slot, unless it is in a slot already. What it
draws from is a distribution that is known before the draw: the logged propensity is the very number
that was drawn with. The draws follow from the request id, so that they replay.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import xxhash
from numpy.typing import NDArray

from scorer.experiments.exploration_pool import Pool

_TRIES = 64


class Drawable(Protocol):
    """What is asked of eligible ads, see scorer.ads.eligibility."""

    @property
    def count(self) -> int:
        """How many there are."""

    @property
    def drawable(self) -> NDArray[np.int32] | range:
        """Slots of which they are a part."""

    @property
    def listed(self) -> NDArray[np.int32]:
        """All of them."""

    def only(self, slots: NDArray[np.int32]) -> NDArray[np.int32]:
        """Those of the slots [n]."""


class Distribution(Protocol):
    """What a policy draws an ad from."""

    def draw(self, request_id: str) -> int | None:
        """A slot, None if there is none to draw."""

    def probability(self, slots: NDArray[np.int32]) -> float:
        """How likely one of the slots [n], all different and eligible, is drawn."""

    @property
    def total(self) -> float:
        """1, or 0 if there is nothing to draw."""


@dataclass(frozen=True, slots=True)
class Even:
    """ε-greedy: all eligible ads alike."""

    eligible: Drawable

    def draw(self, request_id: str) -> int | None:
        """See Distribution."""
        drawable = self.eligible.drawable
        for attempt in range(_TRIES if len(drawable) else 0):
            slot = int(drawable[int(uniform(request_id, f"ad-{attempt}") * len(drawable))])
            if len(self.eligible.only(np.array([slot], np.int32))):
                return slot
        left = self.eligible.listed
        return int(left[int(uniform(request_id, "ad") * len(left))]) if len(left) else None

    def probability(self, slots: NDArray[np.int32]) -> float:
        """See Distribution."""
        return len(slots) / max(1, self.eligible.count)

    @property
    def total(self) -> float:
        """See Distribution."""
        return float(self.eligible.count > 0)


@dataclass(frozen=True, slots=True)
class Pooled:
    """UCB and Thompson sampling: the ads of a pool that are eligible, as likely as it says."""

    pool: Pool

    @classmethod
    def among(cls, pool: Pool, eligible: Drawable) -> "Pooled":
        """The rest of a pool in which some ads may not be shown; their share is that of others."""
        kept = np.isin(pool.slots, eligible.only(pool.slots))
        probabilities = pool.probabilities[kept]
        total = probabilities.sum()
        return cls(Pool(pool.slots[kept], probabilities / (total if total > 0 else 1.0)))

    def draw(self, request_id: str) -> int | None:
        """See Distribution."""
        reached = np.cumsum(self.pool.probabilities)
        if not len(reached) or reached[-1] <= 0:
            return None
        place = np.searchsorted(reached, uniform(request_id, "ad") * reached[-1], side="right")
        return int(self.pool.slots[min(int(place), len(reached) - 1)])

    def probability(self, slots: NDArray[np.int32]) -> float:
        """See Distribution."""
        return float(self.pool.probabilities[np.isin(self.pool.slots, slots)].sum())

    @property
    def total(self) -> float:
        """See Distribution."""
        return float(self.pool.probabilities.sum() > 0)


@dataclass(frozen=True, slots=True)
class Slate:
    """Places of the chosen candidates [k], best first, with propensities [k].

    ``explored`` says whether the last one was drawn rather than ranked.
    """

    places: NDArray[np.int64]
    propensities: NDArray[np.float64]
    explored: bool


def explores(request_id: str, epsilon: float) -> bool:
    """Whether this request draws an ad for its last slot."""
    return uniform(request_id, "explore") < epsilon


def slate(
    order: NDArray[np.int64],
    slots: NDArray[np.int32],
    limit: int,
    drawn: int | None,
    distribution: Distribution,
    epsilon: float,
) -> Slate:
    """The first ``limit`` of candidates in ``slots`` [n], in ``order``; ``drawn`` is a slot.

    With q the distribution: an ad outside the first k is last with probability ε·q(ad); the greedy
    last one has the rest, 1 − ε·(1 − q(first k)); the slots above never change.
    """
    places = order[:limit].copy()
    propensities = np.ones(len(places))
    if not len(places) or epsilon == 0:
        return Slate(places, propensities, False)
    if drawn is not None and drawn not in slots[places]:
        places[-1] = np.flatnonzero(slots == drawn)[0]
        propensities[-1] = epsilon * distribution.probability(slots[places[-1:]])
        return Slate(places, propensities, True)
    inside = distribution.probability(slots[places])
    propensities[-1] = 1.0 - epsilon * max(0.0, distribution.total - inside)
    return Slate(places, propensities, False)


def uniform(request_id: str, purpose: str) -> float:
    """A number in [0, 1) that follows from a request and what it is for."""
    digest: int = xxhash.xxh3_64_intdigest(f"{purpose}\x1f{request_id}".encode())
    return (digest >> 11) / (1 << 53)
