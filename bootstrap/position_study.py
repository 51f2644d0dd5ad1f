"""What position does: click rates by rank, and what becomes of pages when all are scored as first.

Serving sets position 1, so that ads compete by what they are and not by where they were shown.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class PositionStudy:
    """Rows [n] in the order of the log: ``pages`` (rows of a page are adjacent), ``positions``
    (1 = top), ``labels``, and probabilities as shown and as if all were shown at position 1."""

    pages: NDArray[np.int64]
    positions: NDArray[np.int64]
    labels: NDArray[np.float32]
    as_shown: Floats
    as_first: Floats

    def report(self) -> dict[str, Any]:
        """``by_position``: click rates observed, predicted, predicted as first, and observed at
        the rank that an ad has when its page is ordered by the latter. ``kendall_tau``: mean over
        pages of the agreement of that order with the logged one, and of the order as shown."""
        first = self._ranks(self.as_first)
        rows = []
        for position in np.unique(self.positions):
            here = self.positions == position
            moved = self.labels[first == position]
            rows.append(
                {
                    "position": int(position),
                    "rows": int(here.sum()),
                    "observed": float(self.labels[here].mean()),
                    "predicted": float(self.as_shown[here].mean()),
                    "predicted_as_first": float(self.as_first[here].mean()),
                    "observed_after": float(moved.mean()) if len(moved) else None,
                }
            )
        return {
            "by_position": rows,
            "kendall_tau_as_first": self._agreement(self.as_first),
            "kendall_tau_as_shown": self._agreement(self.as_shown),
        }

    def _page_bounds(self) -> list[tuple[int, int]]:
        starts = np.flatnonzero(np.diff(self.pages, prepend=self.pages[0] - 1) != 0)
        return list(pairwise([*starts.tolist(), len(self.pages)]))

    def _ranks(self, probabilities: Floats) -> NDArray[np.int64]:
        """Rank of each row in its page, the likeliest first; the logged order breaks ties."""
        ranks = np.empty(len(self.pages), np.int64)
        for start, end in self._page_bounds():
            order = np.argsort(-probabilities[start:end], kind="stable")
            ranks[start + order] = np.arange(1, end - start + 1)
        return ranks

    def _agreement(self, probabilities: Floats) -> float | None:
        taus = [
            kendalltau(self.positions[start:end], -probabilities[start:end]).statistic
            for start, end in self._page_bounds()
            if end - start > 1
        ]
        defined = [tau for tau in taus if np.isfinite(tau)]
        return float(np.mean(defined)) if defined else None
