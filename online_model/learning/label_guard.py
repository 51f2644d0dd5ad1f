"""Whether labels that come in contradict a model that was right until now.

Clicks among rows that are shown with served probability p come at a rate of exp(a + b·log p): Cox's
calibration line (Biometrika 45, 1958) with the link of a Poisson process. With b = 1 the model is
right up to its base rate; with b near 0 the labels know nothing of the model, with b < 0 they are
its opposite: no market turns so in seconds, a broken or hostile label stream does. What is shown is
told by first labels, and clicks are early or late ones. Late ones belong to earlier rows, of which
there may have been more or less: that is in a. Bounds are 3 σ of the sandwich variance (White,
1982), which holds for weighted rows too. A base rate may fall, and rise within reason.
"""

import math
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_expit

Floats = NDArray[np.float64]
SIGMAS = 3.0
NEWTON_STEPS = 8
#: The next one would be nothing: each has the square of the error before.
SMALL_STEP = 1e-8
MOST_LOG_RATE = 20.0
#: Farther from the mean logarithm is no farther: few rows must not decide for all.
MOST_LOG_RATIO = 3.0
#: Besides all rows, the last half and the last quarter are asked whether they contradict.
LAST_PARTS = (2, 4)


class Verdict(Enum):
    """What labels say of the model."""

    AGREE = "agree"
    UNDECIDED = "undecided"
    CONTRADICT = "contradict"


@dataclass(frozen=True, slots=True)
class GuardLimits:
    """``least`` rows of either label are needed for a slope, ``rate_rows`` first labels for a rate.
    ``window`` is how many rows are looked at, ``chunk`` how often."""

    slope: float = 0.25
    odds_rise: float = 8.0
    least: int = 30
    rate_rows: int = 1_000
    window: int = 4_000
    chunk: int = 200


@dataclass(slots=True)
class LabelGuard:
    """``armed``: labels have agreed before, so that there is something to protect.
    ``rows`` [n, 4] are logits, labels, weights, and whether it is a first label. ``finding`` says
    what last contradicted."""

    limits: GuardLimits = GuardLimits()
    armed: bool = False
    rows: Floats = field(default_factory=lambda: np.zeros((0, 4)))
    finding: dict[str, float] = field(default_factory=dict)

    @property
    def is_full(self) -> bool:
        """Whether as many rows as are looked at have decided nothing."""
        return len(self.rows) >= self.limits.window

    def begin_anew(self) -> None:
        """Forget rows that have decided nothing."""
        self.rows = self.rows[:0]

    def judge(
        self,
        logits: Floats,
        labels: NDArray[Any],
        weights: NDArray[Any],
        first: NDArray[np.bool_],
    ) -> Verdict:
        """Rows [n] in order, looked at chunk by chunk: CONTRADICT as soon as one says so,
        otherwise what is to be said in the end. Forgets the rows unless it is undecided.
        """
        new = np.column_stack([logits, labels, weights, first]).astype(np.float64)
        size = max(self.limits.chunk, -(-len(new) // 20))
        verdict = Verdict.UNDECIDED
        for start in range(0, len(new), size):
            self.rows = np.concatenate([self.rows, new[start : start + size]])
            self.rows = self.rows[-self.limits.window :]
            verdict = self._verdict()
            if verdict is Verdict.CONTRADICT:
                break
        self.armed = self.armed or verdict is Verdict.AGREE
        if verdict is not Verdict.UNDECIDED:
            self.rows = self.rows[:0]
        return verdict

    def _verdict(self) -> Verdict:
        """Of all rows; the last ones alone may contradict, too, when it has only just begun."""
        slope, deviation = self._slope(self.rows)
        if self.armed and (
            self._contradict(self.rows, slope, deviation) or self._last_contradict()
        ):
            return Verdict.CONTRADICT
        agree = slope - SIGMAS * deviation > self.limits.slope
        return Verdict.AGREE if agree else Verdict.UNDECIDED

    def _last_contradict(self) -> bool:
        lengths = (len(self.rows) // part for part in LAST_PARTS)
        parts = (self.rows[-rows:] for rows in lengths if rows)
        return any(self._contradict(last, *self._slope(last)) for last in parts)

    def _contradict(self, rows: Floats, slope: float, deviation: float) -> bool:
        contradicts = slope + SIGMAS * deviation < self.limits.slope or self._has_risen(rows)
        if contradicts:
            logits, labels, _, first = rows.T
            self.finding = {
                "rows": len(rows),
                "first_labels": float(first.sum()),
                "clicks": float(labels.sum()),
                "slope": slope,
                "slope_deviation": deviation,
                "first_clicks": float(first @ labels),
                "first_clicks_predicted": float(first @ expit(logits)),
            }
        return contradicts

    def _slope(self, rows: Floats) -> tuple[float, float]:
        """Unknown where there are too few rows of a label."""
        logits, labels, weights, first = rows.T
        clicks, negatives = int(labels.sum()), int((first * (1.0 - labels)).sum())
        if min(clicks, negatives) < self.limits.least:
            return 1.0, math.inf
        return calibration_slope(logits, labels, weights, first)

    def _has_risen(self, rows: Floats) -> bool:
        """Whether the odds of an early click are beyond chance more than the allowed multiple."""
        logits, labels, weights, _ = rows[rows[:, 3] > 0].T
        if len(labels) < self.limits.rate_rows:
            return False
        total = weights.sum()
        count = total**2 / np.square(weights).sum()
        rate = (count * (weights @ labels) / total + 1.0) / (count + 2.0)
        expected = weights @ expit(logits) / total
        rise = math.log(rate / (1.0 - rate)) - math.log(expected / (1.0 - expected))
        deviation = 1.0 / math.sqrt(count * rate * (1.0 - rate))
        return rise - SIGMAS * deviation > math.log(self.limits.odds_rise)


def calibration_slope(
    logits: Floats, labels: Floats, weights: Floats, first: Floats
) -> tuple[float, float]:
    """b of rows [n], shown or clicked or both, and its standard deviation; infinite where the
    logits say nothing."""
    log_p = log_expit(logits)
    shown = weights * first
    centred = log_p - np.average(log_p, weights=shown)
    x = np.column_stack([np.ones(len(log_p)), np.clip(centred, -MOST_LOG_RATIO, MOST_LOG_RATIO)])
    line = np.array([math.log((weights @ labels) / shown.sum()), 1.0])
    for _ in range(NEWTON_STEPS):
        expected = shown * _rates(x @ line)
        curvature = (x.T * expected) @ x
        if np.linalg.cond(curvature) > 1e9:
            return 1.0, math.inf
        step = np.linalg.solve(curvature, x.T @ (weights * labels - expected))
        line = line + np.clip(step, -1.0, 1.0)
        if np.abs(step).max() < SMALL_STEP:
            break
    expected = shown * _rates(x @ line)
    inverse = np.linalg.pinv((x.T * expected) @ x)
    noise = (x.T * np.square(weights * labels - expected)) @ x
    return float(line[1]), math.sqrt(float((inverse @ noise @ inverse)[1, 1]))


def _rates(logs: Floats) -> Floats:
    """exp, of what a step that goes too far leaves finite."""
    rates: Floats = np.exp(np.minimum(logs, MOST_LOG_RATE))
    return rates
