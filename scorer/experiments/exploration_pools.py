"""The pools of all arms that explore: renewed from the catalogue, read by requests."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from scorer.ads.catalogue import Catalogue
from scorer.ads.eligibility import Eligible
from scorer.ads.popularity import PRIOR_CTR
from scorer.experiments.arms import Arm, Exploration
from scorer.experiments.exploration import Distribution, Even, Pooled
from scorer.experiments.exploration_pool import Pool, thompson, ucb

#: A renewal looks at no more ads than this, drawn evenly: a pool costs milliseconds at any size.
LARGEST_LOOK = 100_000


class ExplorationPools:
    """One writer; a pool is replaced, never changed."""

    def __init__(self, arms: Iterable[Arm], candidates: int, seed: int) -> None:
        """``candidates`` are ranked for a request: a policy's share is of these."""
        self._explorations = {arm.exploration for arm in arms if arm.exploration.is_pooled}
        self._candidates = candidates
        self._random = np.random.default_rng(seed)
        self._pools: dict[Exploration, Pool] = {}

    @property
    def are_known(self) -> bool:
        """Whether there is something to draw from, as far as an arm needs it."""
        return len(self._pools) == len(self._explorations)

    def distribution(self, exploration: Exploration, eligible: Eligible) -> Distribution:
        """What a request of an arm draws from."""
        if not exploration.is_pooled:
            return Even(eligible)
        return Pooled.among(self._pools.get(exploration, Pool.empty()), eligible)

    def renew(self, catalogue: Catalogue) -> None:
        """Look at the counters as they are now."""
        if not self._explorations:
            return
        arrays = catalogue.arrays
        active = catalogue.active_slots()
        slots = self._looked_at(active)
        impressions, clicks = arrays.impressions.take(slots), arrays.clicks.take(slots)
        self._pools = {
            exploration: self._pool(exploration, slots, impressions, clicks)
            for exploration in self._explorations
        }

    def _looked_at(self, active: NDArray[np.int32]) -> NDArray[np.int32]:
        if len(active) <= LARGEST_LOOK:
            return active
        # One in each step, from a random one on: no draw for each ad.
        step = -(-len(active) // LARGEST_LOOK)
        return active[self._random.integers(step) :: step]

    def _pool(
        self,
        exploration: Exploration,
        slots: NDArray[np.int32],
        impressions: NDArray[np.float32],
        clicks: NDArray[np.float32],
    ) -> Pool:
        size = max(1, round(exploration.share * self._candidates))
        shown = float(impressions.sum())
        overall = (float(clicks.sum()) + PRIOR_CTR) / (shown + 1.0)
        overall = min(max(overall, 1e-6), 1.0 - 1e-6)
        new = impressions < exploration.new_until
        ads = (slots[new], impressions[new], clicks[new])
        if exploration.policy == "ucb":
            return ucb(*ads, overall, size)
        return thompson(*ads, overall, size, self._random)
