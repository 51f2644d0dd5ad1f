"""Labels of the last minutes, summed up by arm and version: calibration and experiments from one
bounded table, however many labels there are."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bootstrap.served_quality import ServedQuality
from schemas.records import TrainingSample

MINUTE_MS = 60_000
BINS = 120
#: Bins are equal steps of the logit between the probabilities 1e-5 and 1 − 1e-5.
WIDEST_LOGIT = math.log(1e5)
MOST_CELLS = 64
GROUPS = 10
Z_95 = 1.959964

Key = tuple[str, str]
"""Arm and model version."""


@dataclass(slots=True)
class Cell:
    """``quality`` is of all positions, ``top`` of position 1, where predictions hold, as are
    ``bins`` float64 [BINS, 3]: weighted rows, sum of predictions and clicks; ``squares`` is the sum
    of squared weights, for the effective number of rows."""

    quality: ServedQuality = field(default_factory=ServedQuality)
    top: ServedQuality = field(default_factory=ServedQuality)
    bins: NDArray[np.float64] = field(default_factory=lambda: np.zeros((BINS, 3)))
    squares: float = 0.0

    def add(self, sample: TrainingSample) -> None:
        """A first label, or the correction of one."""
        self.quality.add(sample)
        if sample.kind == "MATURE":
            return
        weight, p = sample.sample_weight, sample.predicted_ctr
        is_first = sample.kind != "CORRECTION"
        if is_first:
            self.squares += weight * weight
        if sample.position == 1:
            self.top.add(sample)
            self.bins[bin_of(p)] += (
                is_first * weight,
                is_first * weight * p,
                weight * sample.label,
            )

    def merge(self, other: "Cell") -> None:
        """Add another cell to this one."""
        self.quality = self.quality + other.quality
        self.top = self.top + other.top
        self.bins += other.bins
        self.squares += other.squares


class LabelWindow:
    """The labels whose time of becoming known lies within ``minutes`` of the newest."""

    def __init__(self, minutes: int) -> None:
        self._minutes = minutes
        self._cells: dict[int, dict[Key, Cell]] = {}
        self.refused = 0

    def add(self, samples: Iterable[TrainingSample]) -> None:
        """Labels in any order; of more than MOST_CELLS arms and versions a minute, further ones are
        only counted as ``refused``."""
        for sample in samples:
            cells = self._cells.setdefault(sample.label_ts // MINUTE_MS, {})
            key = (sample.variant, sample.model_version)
            if key not in cells and len(cells) >= MOST_CELLS:
                self.refused += 1
                continue
            cells.setdefault(key, Cell()).add(sample)
        newest = max(self._cells, default=0)
        for minute in [m for m in self._cells if m <= newest - self._minutes]:
            del self._cells[minute]

    def total(self) -> dict[Key, Cell]:
        """Sums over the window by arm and version."""
        totals: dict[Key, Cell] = {}
        for cells in list(self._cells.values()):
            for key, cell in list(cells.items()):
                totals.setdefault(key, Cell()).merge(cell)
        return totals


def bin_of(p: float) -> int:
    """Which bin a probability falls into; those beyond the ends go to the outermost."""
    inside = min(max(p, 1e-5), 1.0 - 1e-5)
    place = (math.log(inside / (1.0 - inside)) + WIDEST_LOGIT) / (2.0 * WIDEST_LOGIT)
    return min(BINS - 1, int(place * BINS))


def merged(cells: Iterable[Cell]) -> Cell:
    """All cells as one."""
    total = Cell()
    for cell in cells:
        total.merge(cell)
    return total


def reliability(cell: Cell, groups: int = GROUPS) -> list[dict[str, float]]:
    """Predicted and observed by groups of about equal weight, lowest predictions first; the
    interval is Wilson's, 95 %, of the effective number of rows."""
    rows = float(cell.bins[:, 0].sum())
    if rows <= 0:
        return []
    share = cell.quality.rows / cell.squares if cell.squares else 1.0
    before = np.concatenate(([0.0], np.cumsum(cell.bins[:, 0])[:-1]))
    middle = before + cell.bins[:, 0] / 2.0
    group_of = np.minimum(groups - 1, (groups * middle / rows).astype(int))
    found = []
    for group in range(groups):
        weight, predicted, clicks = cell.bins[group_of == group].sum(axis=0)
        if weight <= 0:
            continue
        rate = min(1.0, clicks / weight)
        low, high = wilson(rate, weight * min(1.0, share))
        found.append(
            {
                "predicted": predicted / weight,
                "observed": rate,
                "low": low,
                "high": high,
                "rows": weight,
                "clicks": clicks,
            }
        )
    return found


def wilson(rate: float, rows: float) -> tuple[float, float]:
    """95 % interval of a share (Wilson, 1927)."""
    if rows <= 0:
        return 0.0, 1.0
    z2 = Z_95 * Z_95 / rows
    centre = (rate + z2 / 2.0) / (1.0 + z2)
    half = Z_95 / (1.0 + z2) * math.sqrt(max(0.0, rate * (1.0 - rate) / rows) + z2 / (4.0 * rows))
    return max(0.0, centre - half), min(1.0, centre + half)


def quality(cell: Cell) -> Mapping[str, float | None]:
    """What a table shows of a cell: clicks at all positions, losses and PCOC at the top one;
    ``pcoc_low`` and ``pcoc_high`` from the Poisson error of its clicks there, 95 %."""
    known = cell.top.metrics()
    rows, clicks = cell.quality.rows, cell.quality.clicks
    rate = min(1.0, clicks / rows) if rows > 0 else None
    effective = cell.quality.rows**2 / cell.squares if cell.squares else 0.0
    low, high = (None, None) if rate is None else wilson(rate, effective)
    pcoc = known.get("pcoc")
    error = Z_95 / math.sqrt(known["clicks"]) if known["clicks"] > 0 else 0.0
    return {
        "rows": rows,
        "clicks": clicks,
        "ctr": rate,
        "ctr_low": low,
        "ctr_high": high,
        "log_loss": known.get("log_loss"),
        "normalised_log_loss": known.get("normalised_log_loss"),
        "pcoc": pcoc,
        "pcoc_low": None if pcoc is None else pcoc * math.exp(-error),
        "pcoc_high": None if pcoc is None else pcoc * math.exp(error),
    }


def lift(cell: Cell, control: Cell) -> dict[str, float] | None:
    """How much higher a cell's click rate is, as a share of the control's, with a 95 % interval of
    the logarithm of their ratio (Katz et al., 1978); None without clicks in both."""
    variance, logarithm = 0.0, 0.0
    for sign, one in ((1.0, cell), (-1.0, control)):
        rows, clicks = one.quality.rows, one.quality.clicks
        if not 0 < clicks < rows:
            return None
        rate, effective = clicks / rows, rows**2 / one.squares
        variance += (1.0 - rate) / (effective * rate)
        logarithm += sign * math.log(rate)
    half = Z_95 * math.sqrt(variance)
    return {
        "lift": math.expm1(logarithm),
        "low": math.expm1(logarithm - half),
        "high": math.expm1(logarithm + half),
    }
