"""What each version was seen to do: metrics of served probabilities, from the label stream."""

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

from schemas.records import TrainingSample

FLOOR = 1e-6


@dataclass(slots=True)
class ServedQuality:
    """Sums over labelled samples of one version, with their weights."""

    rows: float = 0.0
    clicks: float = 0.0
    predicted: float = 0.0
    loss: float = 0.0

    def add(self, sample: TrainingSample) -> None:
        """A first label, or the correction of one: its negative counts no longer."""
        p = min(max(sample.predicted_ctr, FLOOR), 1.0 - FLOOR)
        weight = sample.sample_weight
        if sample.kind == "MATURE":
            return
        self.clicks += weight * sample.label
        if sample.kind == "CORRECTION":
            self.loss += weight * (math.log1p(-p) - math.log(p))
            return
        self.rows += weight
        self.predicted += weight * p
        self.loss -= weight * (math.log(p) if sample.label else math.log1p(-p))

    def metrics(self) -> dict[str, float]:
        """As the gate takes them; ratios are left out where they are not defined."""
        values = {"rows": self.rows, "clicks": self.clicks}
        if self.rows > 0:
            values["log_loss"] = self.loss / self.rows
        if 0 < self.clicks < self.rows:
            rate = self.clicks / self.rows
            entropy = -rate * math.log(rate) - (1.0 - rate) * math.log1p(-rate)
            values["normalised_log_loss"] = self.loss / self.rows / entropy
            values["pcoc"] = self.predicted / self.clicks
        return values


def by_version(
    samples: Iterable[TrainingSample], known: dict[str, ServedQuality] | None = None
) -> dict[str, ServedQuality]:
    """Samples added to what is known of each model version, which itself stays as it is."""
    copies = {version: replace(served) for version, served in (known or {}).items()}
    found = defaultdict(ServedQuality, copies)
    for sample in samples:
        found[sample.model_version].add(sample)
    return dict(found)
