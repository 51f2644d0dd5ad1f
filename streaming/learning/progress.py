"""Progressive quality: each sample is predicted before it is learnt, older ones count less."""

from dataclasses import dataclass

HALF_LIFE_SAMPLES = 20_000


@dataclass(slots=True)
class Progress:
    """Sums that decay; ``samples`` is the decayed number of first labels."""

    samples: float = 0.0
    loss: float = 0.0
    predicted: float = 0.0
    observed: float = 0.0

    def add(self, first_labels: int, log_loss: float, predicted: float, observed: float) -> None:
        """A batch: mean log loss of its first labels, their summed probabilities, its clicks."""
        kept = 0.5 ** (first_labels / HALF_LIFE_SAMPLES)
        self.samples = kept * self.samples + first_labels
        self.loss = kept * self.loss + (log_loss * first_labels if first_labels else 0.0)
        self.predicted = kept * self.predicted + predicted
        self.observed = kept * self.observed + observed

    @property
    def log_loss(self) -> float:
        """Mean log loss, NaN before the first label."""
        return self.loss / self.samples if self.samples else float("nan")

    @property
    def pcoc(self) -> float:
        """Predicted over observed clicks; 1 is calibrated, NaN before the first click."""
        return self.predicted / self.observed if self.observed else float("nan")
