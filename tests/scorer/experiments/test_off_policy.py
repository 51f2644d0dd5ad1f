"""Off-policy estimates against a simulation whose truth is known, and on a real log."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from scorer.experiments.estimate import Estimate, lift, ratio
from scorer.experiments.logged import Logged
from scorer.experiments.off_policy import METHODS, Choices, doubly_robust, ips, snips
from scorer.experiments.targets import greedy

CONTEXTS, ACTIONS = 5, 8
#: Two-sided, one in ten thousand.
FAR = 3.9


class Bandit:
    """Contexts come evenly, actions earn a click by a table of probabilities."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.ctrs = self.random.uniform(0.01, 0.5, (CONTEXTS, ACTIONS))
        self.logging = self.random.dirichlet(np.ones(ACTIONS), CONTEXTS) * 0.8 + 0.2 / ACTIONS
        self.target = self.random.dirichlet(np.ones(ACTIONS), CONTEXTS)
        self.truth = float((self.target * self.ctrs).sum(axis=1).mean())

    def log(self, rows: int, model: NDArray[np.float64]) -> Choices:
        """Choices of the logging policy; ``model`` [contexts, actions] predicts clicks."""
        context = self.random.integers(CONTEXTS, size=rows)
        points = self.random.random(rows)[:, None]
        action = (np.cumsum(self.logging[context], axis=1) < points).sum(axis=1)
        action = np.minimum(action, ACTIONS - 1)
        clicks = self.random.random(rows) < self.ctrs[context, action]
        return Choices(
            rewards=clicks.astype(np.float64),
            logged=self.logging[context, action],
            target=self.target[context, action],
            weights=np.ones(rows),
            predicted=model[context, action],
            expected=(self.target * model).sum(axis=1)[context],
        )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_truth_is_found(method: str, seed: int) -> None:
    bandit = Bandit(seed)
    for model in (bandit.ctrs, np.full_like(bandit.ctrs, 0.9)):
        found = METHODS[method](bandit.log(100_000, model))
        assert abs(found.value - bandit.truth) < FAR * np.sqrt(found.variance)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    bandit = Bandit(7)
    runs = [bandit.log(3_000, bandit.ctrs) for _ in range(250)]
    for estimate in METHODS.values():
        found = [estimate(run) for run in runs]
        held = np.mean([item.low <= bandit.truth <= item.high for item in found])
        assert 0.91 < held < 0.985
    widths = {name: np.mean([of(run).variance for run in runs]) for name, of in METHODS.items()}
    assert widths["doubly_robust"] < widths["snips"] < widths["ips"]


def test_intervals_are_over_users_who_differ() -> None:
    """Ten choices of each user: an interval over choices would hold the truth far too seldom."""
    random = np.random.default_rng(8)
    users = np.repeat(np.arange(200), 10)
    chosen = np.array([0.8, 0.2])
    held: dict[str, list[bool]] = {}
    for _ in range(300):
        ctrs = np.repeat(random.beta(1, 4, 200), 10)
        action = (random.random(2_000) < chosen[1]).astype(int)
        clicks = (random.random(2_000) < ctrs * np.array([1.0, 0.5])[action]).astype(np.float64)
        target, predicted = (action == 0).astype(np.float64), np.full(2_000, 0.2)
        log = Choices(clicks, chosen[action], target, np.ones(2_000), predicted, predicted, users)
        for name, estimate in METHODS.items():
            found = estimate(log)
            held.setdefault(name, []).append(found.low <= 0.2 <= found.high)
    assert all(0.91 < np.mean(of) < 0.985 for of in held.values())


def test_down_sampled_negatives_are_undone() -> None:
    bandit = Bandit(4)
    whole = bandit.log(200_000, bandit.ctrs)
    kept = (whole.rewards > 0) | (bandit.random.random(200_000) < 0.25)
    thinned = Choices(
        whole.rewards[kept],
        whole.logged[kept],
        whole.target[kept],
        np.where(whole.rewards[kept] > 0, 1.0, 4.0),
    )
    for estimate in (ips, snips):
        found = estimate(thinned)
        assert abs(found.value - bandit.truth) < FAR * np.sqrt(found.variance)
    assert np.isnan(doubly_robust(thinned).value)


def test_an_arm_without_its_exploration_is_estimated_over_whole_slates() -> None:
    """Two slates as likely as each other, by their exact shares; only last slots explore."""
    propensities = np.array([1.0, 0.9, 0.1, 1.0, 0.6, 0.4])
    ctrs = np.array([0.5, 0.2, 0.03, 0.4, 0.1, 0.02])
    predicted = np.array([0.6, 0.1, 0.02, 0.5, 0.3, 0.04])
    names = np.array(["a", "b", "c", "d", "e", "f"], object)
    logged = Logged(
        names, names, np.arange(6), names, ctrs, np.ones(6), predicted, propensities, propensities
    )
    choices = greedy(logged, np.ones(6))
    for estimate in METHODS.values():
        assert estimate(choices).value == pytest.approx((0.5 + 0.2 + 0.4 + 0.1) / 4)


def test_ratios_of_clustered_impressions() -> None:
    """Users who differ: an interval over impressions would hold the truth far too seldom."""
    random = np.random.default_rng(5)
    held, naive = [], []
    for _ in range(400):
        ctrs, shown = random.beta(2, 18, 300), 1.0 + random.poisson(30, 300)
        clicks = random.binomial(shown.astype(int), ctrs).astype(np.float64)
        found = ratio(clicks, shown)
        held.append(found.low <= 0.1 <= found.high)
        variance = found.value * (1 - found.value) / shown.sum()
        plain = Estimate.normal(found.value, variance)
        naive.append(plain.low <= 0.1 <= plain.high)
    assert 0.91 < np.mean(held) < 0.985
    assert np.mean(naive) < 0.85


def test_lifts_hold_the_truth_as_often_as_they_say() -> None:
    random = np.random.default_rng(6)
    held = []
    for _ in range(400):
        arms = [random.binomial(1, ctr, 5_000).astype(np.float64) for ctr in (0.1, 0.12)]
        base, other = (ratio(arm, np.ones(5_000)) for arm in arms)
        found = lift(other, base)
        held.append(found.low <= 0.2 <= found.high)
    assert 0.91 < np.mean(held) < 0.985


@pytest.mark.parametrize("campaign", ["men", "women"])
def test_real_clicks_of_open_bandit(shared_data: Path, campaign: str) -> None:
    """A log of a uniform policy is thinned by item, as a policy with other tastes would have
    chosen (rejection sampling, Li et al., WSDM'11); from what is left, the uniform policy's
    clicks are estimated, which the whole log tells."""
    path = shared_data / "open_bandit" / "random" / campaign / f"{campaign}.csv.gz"
    with gzip.open(path, "rt") as file:
        names = file.readline().strip().split(",")
        rows = [dict(zip(names, line.strip().split(","), strict=True)) for line in file]
    clicks = np.array([float(row["click"]) for row in rows])
    items = np.unique([int(row["item_id"]) for row in rows], return_inverse=True)[1]
    uniform = np.array([float(row["propensity_score"]) for row in rows])
    random = np.random.default_rng(11)
    tastes = random.uniform(0.2, 1.0, items.max() + 1)
    kept = random.random(len(rows)) < tastes[items]
    logged = (tastes / tastes.sum())[items]
    assert uniform == pytest.approx(1 / (items.max() + 1), rel=1e-3)
    choices = Choices(clicks[kept], logged[kept], uniform[kept], np.ones(kept.sum()))
    truth = ratio(clicks, np.ones(len(clicks)))
    for estimate in (ips, snips):
        found = estimate(choices)
        assert found.low < truth.value < found.high
        assert found.value > 0
