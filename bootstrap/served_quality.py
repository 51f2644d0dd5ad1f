"""What each version was seen to do of late: metrics of what it served, from the label stream."""

import copy
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from schemas.records import TrainingSample

FLOOR = 1e-6
MINUTE_MS = 60_000


@dataclass(slots=True)
class ServedQuality:
    """Sums over labelled samples of one version, with their weights."""

    rows: float = 0.0
    clicks: float = 0.0
    predicted: float = 0.0
    loss: float = 0.0
    # The same with squared weights, for the error: 1, y, loss, y × loss and loss².
    squares: NDArray[np.float64] = field(default_factory=lambda: np.zeros(5))

    def add(self, sample: TrainingSample) -> None:
        """A first label, or the correction of one: its negative counts no longer."""
        p = min(max(sample.predicted_ctr, FLOOR), 1.0 - FLOOR)
        weight = sample.sample_weight
        if sample.kind == "MATURE":
            return
        self.clicks += weight * sample.label
        if sample.kind == "CORRECTION":
            self._lose(weight, 1, -math.log(p))
            self._lose(-weight, 0, -math.log1p(-p))
            return
        self.rows += weight
        self.predicted += weight * p
        loss = -math.log(p) if sample.label else -math.log1p(-p)
        self._lose(weight, sample.label, loss)

    def _lose(self, weight: float, label: int, loss: float) -> None:
        self.loss += weight * loss
        square = math.copysign(weight * weight, weight)
        self.squares += square * np.array([1, label, loss, label * loss, loss * loss])

    def __add__(self, other: "ServedQuality") -> "ServedQuality":
        return ServedQuality(*(getattr(self, n) + getattr(other, n) for n in self.__slots__))

    def metrics(self) -> dict[str, float]:
        """As the gate takes them; ratios are left out where they are not defined."""
        values = {"rows": self.rows, "clicks": self.clicks}
        if self.rows > 0:
            values["log_loss"] = self.loss / self.rows
        if 0 < self.clicks < self.rows:
            rate = self.clicks / self.rows
            entropy = -rate * math.log(rate) - (1.0 - rate) * math.log1p(-rate)
            values["normalised_log_loss"] = self.loss / self.rows / entropy
            values["normalised_log_loss_error"] = self._error(rate, entropy)
            values["pcoc"] = self.predicted / self.clicks
        return values

    def _error(self, rate: float, entropy: float) -> float:
        """Standard error of the normalised log loss, by the delta method: more clicks than usual
        raise loss and entropy alike."""
        mean = self.loss / self.rows
        by_click = mean / entropy * math.log((1.0 - rate) / rate)
        by_row = mean - by_click * rate
        # Σ w² (loss − by_click × y − by_row)²
        factors = [by_row**2, by_click**2 + 2 * by_click * by_row, -2 * by_row, -2 * by_click, 1.0]
        return math.sqrt(max(0.0, float(self.squares @ factors))) / self.rows / entropy


@dataclass(frozen=True, slots=True)
class ServedWindow:
    """Of one version, the last ``minutes`` of label time up to its newest label at position 1: what
    was predicted holds there, and calibration further down says how ads are laid out."""

    minutes: int
    by_minute: dict[int, ServedQuality] = field(default_factory=dict)

    def add(self, sample: TrainingSample) -> None:
        """Minutes that are too old by then are forgotten; other positions do not count."""
        if sample.position != 1:
            return
        minute = sample.label_ts // MINUTE_MS
        if minute not in self.by_minute:
            newest = max([minute, *self.by_minute])
            self.by_minute[minute] = ServedQuality()
            for old in [known for known in self.by_minute if known <= newest - self.minutes]:
                del self.by_minute[old]
        if minute in self.by_minute:
            self.by_minute[minute].add(sample)

    def metrics(self) -> dict[str, float]:
        """Over the window, as the gate takes them."""
        total = ServedQuality()
        for minute in self.by_minute.values():
            total = total + minute
        return total.metrics()


def by_version(
    samples: Iterable[TrainingSample],
    minutes: int,
    known: Mapping[str, ServedWindow] | None = None,
) -> dict[str, ServedWindow]:
    """Samples added to what is known of each model version, which itself stays as it is."""
    found = copy.deepcopy(dict(known or {}))
    for sample in samples:
        found.setdefault(sample.model_version, ServedWindow(minutes)).add(sample)
    return found
