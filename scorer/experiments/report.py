"""``experiment-report``: figures by arm, and estimates of other policies from each arm's log."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from scorer.experiments.arm_figures import MICROS, ArmFigures, arm_figures, share_mismatch
from scorer.experiments.arms import Arms
from scorer.experiments.estimate import Estimate, lift
from scorer.experiments.logged import Logged
from scorer.experiments.off_policy import METHODS
from scorer.experiments.targets import GREEDY, from_file, greedy


class ReportError(ValueError):
    """A report that cannot be made; the message says why."""


@dataclass(frozen=True, slots=True)
class OffPolicy:
    """``value`` of a policy ``target`` from the log of ``arm``: clicks or revenue an impression."""

    arm: str
    target: str
    reward: str
    method: str
    value: Estimate
    effective: float


@dataclass(frozen=True, slots=True)
class Report:
    """``lifts`` of CTR and RPM are over the arm ``baseline``."""

    figures: Mapping[str, ArmFigures]
    baseline: str
    ctr_lifts: Mapping[str, Estimate]
    rpm_lifts: Mapping[str, Estimate]
    share_mismatch: float | None
    off_policy: tuple[OffPolicy, ...]

    @classmethod
    def of(cls, logged: Logged, baseline: str, arms: Arms | None, target: Path | None) -> "Report":
        """``baseline`` empty: the first arm. Raises ReportError, TargetError."""
        figures = arm_figures(logged)
        if not figures:
            raise ReportError("no labelled impressions in that time")
        _require_propensities(logged)
        declared = arms.names if arms else ()
        base = baseline or next((name for name in declared if name in figures), next(iter(figures)))
        if base not in figures:
            raise ReportError(f"--baseline: expected one of {', '.join(figures)}, got {base!r}")
        shares = {arm.name: arm.share for arm in arms.arms} if arms else None
        others = [name for name in figures if name != base]
        return cls(
            figures=figures,
            baseline=base,
            ctr_lifts={name: lift(figures[name].ctr, figures[base].ctr) for name in others},
            rpm_lifts={name: lift(figures[name].rpm, figures[base].rpm) for name in others},
            share_mismatch=None if shares is None else share_mismatch(figures, shares),
            off_policy=tuple(
                estimate
                for name in figures
                for estimate in _off_policy(logged.of_arm(name), name, arms, target)
            ),
        )

    def to_json(self) -> dict[str, Any]:
        """One object; what is unknown is null."""
        return {
            "baseline": self.baseline,
            "arms": {
                name: {
                    "users": arm.users,
                    "impressions": arm.impressions,
                    "clicks": arm.clicks,
                    "ctr": _numbers(arm.ctr),
                    "rpm": _numbers(arm.rpm),
                    "ctr_lift": _numbers(self.ctr_lifts.get(name)),
                    "rpm_lift": _numbers(self.rpm_lifts.get(name)),
                }
                for name, arm in self.figures.items()
            },
            "share_mismatch_p": _finite(self.share_mismatch),
            "off_policy": [
                {
                    "arm": item.arm,
                    "target": item.target,
                    "reward": item.reward,
                    "method": item.method,
                    "effective_impressions": item.effective,
                    **(_numbers(item.value) or {"value": None, "low": None, "high": None}),
                }
                for item in self.off_policy
            ],
        }

    def show(self) -> None:
        """As tables."""
        table = Table(
            "arm", "users", "impressions", "clicks", "CTR", "RPM", "CTR lift", "RPM lift",
            title=f"arms, lifts over {self.baseline}, 95 % intervals over users",
        )  # fmt: skip
        for name, arm in self.figures.items():
            table.add_row(
                name,
                f"{arm.users:,}",
                f"{arm.impressions:,.0f}",
                f"{arm.clicks:,.0f}",
                _text(arm.ctr, "{:.4f}"),
                _text(arm.rpm, "{:.3f}"),
                _text(self.ctr_lifts.get(name), "{:+.1%}"),
                _text(self.rpm_lifts.get(name), "{:+.1%}"),
            )
        console = Console()
        console.print(table)
        if self.share_mismatch is not None:
            console.print(f"users are spread as declared: p = {self.share_mismatch:.3g}")
        others = Table(
            "log of", "policy", "reward", "method", "estimate", "as good as impressions",
            title="off-policy, 95 % intervals over users, weights not clipped",
        )  # fmt: skip
        for item in self.off_policy:
            value = _text(item.value, "{:.5f}")
            others.add_row(
                item.arm, item.target, item.reward, item.method, value, f"{item.effective:,.0f}"
            )
        console.print(others)


def _require_propensities(logged: Logged) -> None:
    """Raises ReportError: of what was shown without a known chance, nothing can be estimated."""
    wrong = np.flatnonzero(~((logged.propensities > 0) & (logged.propensities <= 1)))
    if len(wrong):
        first = wrong[0]
        raise ReportError(
            f"propensity: expected more than 0 and at most 1, {len(wrong):,} impressions have "
            f"another one, the first is {logged.ad_ids[first]} of {logged.request_ids[first]}"
        )


def _off_policy(arm: Logged, name: str, arms: Arms | None, target: Path | None) -> list[OffPolicy]:
    told_apart = arms is None or name not in arms.names or arms.of("", name).is_mostly_greedy
    estimates = []
    for reward, units in (("click", np.ones(len(arm))), ("revenue", arm.prices / MICROS)):
        policies = {GREEDY: greedy(arm, units)} if told_apart else {}
        if target is not None:
            policies[target.name] = from_file(target, arm, units)
        for policy, choices in policies.items():
            estimates += [
                OffPolicy(name, policy, reward, method, estimate(choices), choices.effective)
                for method, estimate in METHODS.items()
            ]
    return estimates


def _numbers(estimate: Estimate | None) -> dict[str, float | None] | None:
    if estimate is None:
        return None
    return {
        "value": _finite(estimate.value),
        "low": _finite(estimate.low),
        "high": _finite(estimate.high),
    }


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value


def _text(estimate: Estimate | None, form: str) -> str:
    if estimate is None or not math.isfinite(estimate.value):
        return ""
    low, high = form.format(estimate.low), form.format(estimate.high)
    return f"{form.format(estimate.value)} ({low} to {high})"
