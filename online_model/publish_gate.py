"""The gate: whether a model may be served, or go on being served, instead of another.

A pure function of metrics, asked twice: before a model is published, with what both score on the
same later rows, and while it is served, with what each was seen to do.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

Metrics = Mapping[str, float]
SIGMAS = 3.0


@dataclass(frozen=True, slots=True)
class GateLimits:
    """``log_loss_rise`` is a share of the live model's, ``auc_drop`` absolute; PCOC may lie in
    [1 / ``pcoc_factor``, ``pcoc_factor``]. All of them further off where that may be chance (3 σ):
    the fewer rows, the less is refused, and nothing where there is nothing to judge by."""

    log_loss_rise: float = 0.01
    auc_drop: float = 0.01
    pcoc_factor: float = 1.25
    latency_ms: float = 100.0


def refusal_reasons(
    candidate: Metrics, live: Metrics | None, limits: GateLimits = GateLimits()
) -> list[str]:
    """Why the candidate must not be served; empty: it may.

    Metrics are clicks, log_loss, auc, pcoc and latency_ms (99th percentile), as far as they are
    known; normalised_log_loss (by the entropy of the click rate; He et al., ADKDD'14) is compared
    where both have it, since they may have served different markets. With …_difference_error among
    the live ones both saw the same rows; otherwise each may have its …_error. ``live`` None:
    nothing is served, and only what needs no comparison is asked.
    """
    clicks = candidate.get("clicks", 0.0)
    reasons = [] if live is None else _worse(candidate, live, limits)
    reasons += _not_finite(candidate)
    pcoc = candidate.get("pcoc")
    if pcoc is not None and clicks > 0 and math.isfinite(pcoc):
        allowed = math.log(limits.pcoc_factor) + SIGMAS / math.sqrt(clicks)
        if pcoc <= 0 or abs(math.log(pcoc)) > allowed:
            low, high = math.exp(-allowed), math.exp(allowed)
            reasons.append(f"calibration: pcoc {pcoc:.3f} is not within {low:.2f} to {high:.2f}")
    latency = candidate.get("latency_ms")
    if latency is not None and latency > limits.latency_ms:
        reasons.append(f"latency: p99 {latency:.1f} ms, {limits.latency_ms:.1f} ms are allowed")
    return reasons


def _worse(candidate: Metrics, live: Metrics, limits: GateLimits) -> list[str]:
    reasons = []
    normalised = "normalised_log_loss"
    name = normalised if normalised in candidate and normalised in live else "log_loss"
    if name in candidate and name in live:
        allowed = live[name] * (1.0 + limits.log_loss_rise) + _chance(candidate, live, name)
        if candidate[name] > allowed:
            reasons.append(
                f"{name.replace('_', ' ')}: {candidate[name]:.5f}, the live model has "
                f"{live[name]:.5f} and {allowed:.5f} is allowed"
            )
    if "auc" in candidate and "auc" in live:
        allowed = live["auc"] - limits.auc_drop - _chance(candidate, live, "auc")
        if candidate["auc"] < allowed:
            reasons.append(
                f"auc: {candidate['auc']:.4f}, the live model has {live['auc']:.4f} and "
                f"{allowed:.4f} is allowed"
            )
    return reasons


def _chance(candidate: Metrics, live: Metrics, name: str) -> float:
    """How far apart two that are alike may be found; a difference is known to 1/√clicks of itself
    at best, whatever few rows without a click say of its error."""
    clicks = min(of.get("clicks", math.inf) for of in (candidate, live))
    if clicks <= 0:
        return math.inf
    error = live.get(
        f"{name}_difference_error",
        math.hypot(candidate.get(f"{name}_error", 0.0), live.get(f"{name}_error", 0.0)),
    )
    return SIGMAS * max(error, abs(candidate[name] - live[name]) / math.sqrt(clicks))


def _not_finite(candidate: Metrics) -> list[str]:
    wrong = sorted(name for name, value in candidate.items() if not math.isfinite(value))
    return [f"{name} is {candidate[name]}" for name in wrong]
