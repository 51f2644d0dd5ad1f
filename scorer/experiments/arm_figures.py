"""Figures by arm: click-through rate and revenue per thousand impressions."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc

from scorer.experiments.estimate import Doubles, Estimate, ratio
from scorer.experiments.logged import Logged

MICROS = 1e6


@dataclass(frozen=True, slots=True)
class ArmFigures:
    """``rpm`` is revenue per 1,000 impressions, in units of currency."""

    users: int
    impressions: float
    clicks: float
    ctr: Estimate
    rpm: Estimate


def arm_figures(logged: Logged) -> dict[str, ArmFigures]:
    """By the arms' names; intervals are over users, who were assigned at random."""
    return {name: _figures(logged.of_arm(name)) for name in sorted(set(logged.arms))}


def _figures(arm: Logged) -> ArmFigures:
    users, codes = np.unique(arm.users, return_inverse=True)

    def by_user(values: Doubles) -> Doubles:
        sums: Doubles = np.bincount(codes, arm.weights * values, len(users)).astype(np.float64)
        return sums

    shown, clicked = by_user(np.ones(len(arm))), by_user(arm.clicks)
    return ArmFigures(
        users=len(users),
        impressions=float(shown.sum()),
        clicks=float(clicked.sum()),
        ctr=ratio(clicked, shown),
        rpm=ratio(1_000 * by_user(arm.clicks * arm.prices) / MICROS, shown),
    )


def share_mismatch(figures: Mapping[str, ArmFigures], shares: Mapping[str, float]) -> float:
    """How likely users are spread over the arms like this if the shares are as declared.

    A test for sample ratio mismatch (Fabijan et al., KDD'19): below 0.001 or so, something else
    than the hash decides who is in an arm, and no figure should be believed. NaN without users.
    """
    names = [name for name, share in shares.items() if share > 0]
    seen = np.array([figures[name].users if name in figures else 0 for name in names], np.float64)
    expected = np.array([shares[name] for name in names])
    if seen.sum() == 0 or len(names) < 2:
        return float("nan")
    expected *= seen.sum() / expected.sum()
    return float(chdtrc(len(names) - 1, ((seen - expected) ** 2 / expected).sum()))
