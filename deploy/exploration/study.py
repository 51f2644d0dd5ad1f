"""Plays the same visits of a world to policies that explore and to one that does not.

The world's interests are known to the ranker, as to a model that was trained long enough; how good
an ad is by itself must be learnt from clicks. A new ad begins as an average one, so a ranking that
is greedy shows it only where nothing better is known. Policies are the scorer's own code.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scorer.experiments import exploration
from scorer.experiments.arms import Exploration
from scorer.experiments.exploration import Distribution, Even, Pooled
from scorer.experiments.exploration_pool import Pool, thompson, ucb
from streaming.adserver.draws import uniform
from streaming.adserver.settings import AdServerSettings
from streaming.adserver.world import BIAS, Floats, Visit, World

GREEDY = "greedy"
POLICIES = (GREEDY, "epsilon_greedy", "ucb", "thompson")
#: Forty new ads; the last of them comes after a fifth of the visits.
ADS, NEW_ADS, NEW_UNTIL = 300, 40, 0.2
PACE = 75.0
LIMIT = 5
POOL = 25
RENEWED_AFTER = 75
SLICES = 10
HISTORY_IMPRESSIONS = 400
#: Variance of what is not known of an ad: a wide one, so that a few dozen clicks are believed.
QUALITY_VARIANCE = 0.4


@dataclass(frozen=True, slots=True)
class Point:
    """A slice of the visits.

    ``ctr`` is the expected clicks an impression, ``best`` that of a ranking by the truth;
    ``found`` the share of the slots which the truth gives to new ads that they got.
    """

    requests: int
    ctr: float
    best: float
    found: float


@dataclass(frozen=True, slots=True)
class Curve:
    """``explored`` is the share of impressions that were drawn; ``total_ctr`` is of all slices."""

    policy: str
    points: tuple[Point, ...]
    total_ctr: float
    explored: float


class Learner:
    """Quality of each ad in the logit, by a Gaussian posterior a click or none at a time.

    The update of Bayesian logistic regression by Laplace's approximation (Chapelle & Li, NIPS'11,
    algorithm 3), one weight for an ad.
    """

    def __init__(self, known: Floats, ads: int) -> None:
        """``known`` [m]: the first ads have been there for long."""
        self.mean = np.zeros(ads)
        self.mean[: len(known)] = known
        self._precision = np.full(ads, 1.0 / QUALITY_VARIANCE)
        self._precision[: len(known)] += HISTORY_IMPRESSIONS * 0.1
        self.impressions = np.zeros(ads, np.float32)
        self.clicks = np.zeros(ads, np.float32)
        self.impressions[: len(known)] = HISTORY_IMPRESSIONS
        self.clicks[: len(known)] = HISTORY_IMPRESSIONS / (1.0 + np.exp(-BIAS - known))

    def learn(self, ads: NDArray[np.int64], predicted: Floats, clicked: NDArray[np.bool_]) -> None:
        """Ads [k], shown with these probabilities [k]."""
        self._precision[ads] += predicted * (1.0 - predicted)
        self.mean[ads] += (clicked - predicted) / self._precision[ads]
        self.impressions[ads] += 1
        self.clicks[ads] += clicked


@dataclass(frozen=True, slots=True)
class _Active:
    """The ads of the world that may be shown, as the scorer's policies ask for them."""

    mask: NDArray[np.bool_]

    @property
    def count(self) -> int:
        return int(self.mask.sum())

    @property
    def drawable(self) -> range:
        return range(len(self.mask))

    @property
    def listed(self) -> NDArray[np.int32]:
        return np.flatnonzero(self.mask).astype(np.int32)

    def only(self, slots: NDArray[np.int32]) -> NDArray[np.int32]:
        kept: NDArray[np.int32] = slots[self.mask[slots]]
        return kept


class Play:
    """One policy, visit by visit."""

    def __init__(self, world: World, policy: str, probability: float, known: Floats) -> None:
        self._world = world
        self._policy = policy
        self._explored = Exploration.model_validate(
            {} if policy == GREEDY else {"policy": policy, "probability": probability}
        )
        self._learner = Learner(known, world.ad_count)
        self._random = np.random.default_rng(world.seed)
        self._pool = Pool.empty()

    def step(
        self, visit: Visit, truth: Floats, without_quality: Floats
    ) -> tuple[NDArray[np.int64], bool]:
        """The ads [k] that are shown, and whether the last one was drawn; clicks are learnt."""
        learner, world = self._learner, self._world
        mask = world.active(visit.elapsed_seconds)
        eligible = _Active(mask)
        if visit.number % RENEWED_AFTER == 0:
            self._pool = self._renewed(eligible.listed)
        name, epsilon = f"w{visit.number}", self._explored.probability
        distribution = self._distribution(eligible)
        drawn = distribution.draw(name) if exploration.explores(name, epsilon) else None
        scores = np.where(mask, without_quality + learner.mean, -np.inf)
        best = np.argpartition(-scores, LIMIT)[:LIMIT]
        order = best[np.argsort(-scores[best])].astype(np.int64)
        every = np.arange(len(mask), dtype=np.int32)
        slate = exploration.slate(order, every, LIMIT, drawn, distribution, epsilon)
        shown = slate.places
        predicted = 1.0 / (1.0 + np.exp(-scores[shown]))
        seen = self._seen(shown, truth[shown], visit)
        learner.learn(shown, self._at_positions(predicted), seen)
        return shown, slate.explored

    def _seen(self, ads: NDArray[np.int64], ctrs: Floats, visit: Visit) -> NDArray[np.bool_]:
        """Clicks; the same for every policy that shows an ad at a place to a visit."""
        seed = self._world.seed
        draws = [uniform(seed, "study", str(visit.number), str(ad)) for ad in ads.tolist()]
        return np.array(draws) < self._at_positions(ctrs)

    def _at_positions(self, ctrs: Floats) -> Floats:
        places = enumerate(ctrs.tolist(), 1)
        return np.array([self._world.at_position(ctr, position) for position, ctr in places])

    def _distribution(self, eligible: _Active) -> Distribution:
        if self._explored.is_pooled:
            return Pooled.among(self._pool, eligible)
        return Even(eligible)

    def _renewed(self, slots: NDArray[np.int32]) -> Pool:
        impressions, clicks = self._learner.impressions[slots], self._learner.clicks[slots]
        overall = float(clicks.sum() / impressions.sum())
        new = impressions < HISTORY_IMPRESSIONS
        slots, impressions, clicks = slots[new], impressions[new], clicks[new]
        if self._policy == "ucb":
            return ucb(slots, impressions, clicks, overall, POOL)
        if self._policy == "thompson":
            return thompson(slots, impressions, clicks, overall, POOL, self._random)
        return Pool.empty()


def study(
    seed: int, requests: int, probability: float, progress: Callable[[int], None] = lambda n: None
) -> list[Curve]:
    """A curve for each policy; ``progress`` is told how many visits were played."""
    world = World(seed, _settings(seed, requests))
    known = world.qualities()[:ADS]
    plays = {name: Play(world, name, probability, known) for name in POLICIES}
    sums = {name: _Sums() for name in POLICIES}
    curves: dict[str, list[Point]] = {name: [] for name in POLICIES}
    quality = world.qualities()
    slice_length = -(-requests // SLICES)
    for number in range(requests):
        visit = world.visit(number, 0, number / PACE)
        truth = world.probabilities(visit)
        without_quality = np.log(truth / (1.0 - truth)) - quality
        best = _best(np.where(world.active(visit.elapsed_seconds), truth, 0.0))
        for name, play in plays.items():
            shown, explored = play.step(visit, truth, without_quality)
            sums[name].add(shown, explored, best, truth)
        if (number + 1) % slice_length == 0 or number + 1 == requests:
            for name in POLICIES:
                curves[name].append(sums[name].point(number + 1))
        progress(number + 1)
    return [
        Curve(name, tuple(curves[name]), sums[name].total_ctr, sums[name].total_explored)
        for name in POLICIES
    ]


class _Sums:
    """Of the slice that is played, and of all."""

    def __init__(self) -> None:
        self._slice = np.zeros(5)
        self._all = np.zeros(5)
        self._drawn = 0

    def add(
        self, shown: NDArray[np.int64], explored: bool, best: NDArray[np.int64], truth: Floats
    ) -> None:
        deserved = best[best >= ADS]
        got = np.isin(deserved, shown).sum()
        self._slice += (
            len(shown), truth[shown].sum(), truth[best].sum(), len(deserved), got,
        )  # fmt: skip
        self._drawn += explored

    def point(self, requests: int) -> Point:
        shown, clicks, best, deserved, got = self._slice
        self._all += self._slice
        self._slice = np.zeros(5)
        found = got / deserved if deserved else float("nan")
        return Point(requests, clicks / shown, best / shown, found)

    @property
    def total_ctr(self) -> float:
        return float(self._all[1] / self._all[0])

    @property
    def total_explored(self) -> float:
        return float(self._drawn / self._all[0])


def _best(truth: Floats) -> NDArray[np.int64]:
    best: NDArray[np.int64] = np.argpartition(-truth, LIMIT)[:LIMIT]
    return best


def _settings(seed: int, requests: int) -> AdServerSettings:
    seconds = requests / PACE
    return AdServerSettings(
        seed=seed,
        world_ads=ADS,
        world_new_ads=NEW_ADS,
        world_new_ad_seconds=NEW_UNTIL * seconds / NEW_ADS,
        world_paused_share=0.0,
        # Nothing drifts: what was found stays good.
        world_drift_period_seconds=1e12,
        world_seconds=seconds,
    )
