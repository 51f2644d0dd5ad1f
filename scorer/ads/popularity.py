"""The most clicked ads: what is answered when there is no time for a model."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scorer.ads.catalogue import Catalogue
    from scorer.ads.eligibility import Eligible

#: Smoothing towards the CTR of all ads; that one is smoothed towards PRIOR_CTR.
PRIOR_IMPRESSIONS = 50.0
PRIOR_CTR = 0.05


@dataclass(frozen=True, slots=True)
class PopularAds:
    """Slots [n] of active ads, most popular first, and the smoothed CTR of a day [n] of each.

    ``overall_ctr`` is for ads that nothing is known of.
    """

    slots: NDArray[np.int32]
    ctrs: NDArray[np.float64]
    overall_ctr: float

    def best(
        self, eligible: "Eligible", count: int
    ) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Slots [k] of the first ``count`` ads that are eligible, and their CTRs [k].

        If there are too few in the list, the best that are not in it come behind them.
        """
        places = self._places(eligible, count)
        slots, ctrs = self.slots[places], self.ctrs[places]
        if len(slots) >= min(count, eligible.count):
            return slots, ctrs
        arrays, others = eligible.catalogue.arrays, eligible.listed
        others = others[~np.isin(others, slots)]
        impressions, clicks = arrays.impressions.take(others), arrays.clicks.take(others)
        others_ctrs = smoothed_ctrs(impressions, clicks, self.overall_ctr)
        order = _highest(others_ctrs, count - len(slots))
        return np.append(slots, others[order]), np.append(ctrs, others_ctrs[order])

    def _places(self, eligible: "Eligible", count: int) -> NDArray[np.int64]:
        """Those in the list of its first ``count`` ads that are eligible."""
        places: NDArray[np.int64] = np.empty(0, np.int64)
        step = 4 * count
        for begin in range(0, len(self.slots), step):
            slots = self.slots[begin : begin + step]
            allowed = np.flatnonzero(np.isin(slots, eligible.only(slots)))
            places = np.concatenate((places, begin + allowed))
            if len(places) >= count:
                break
        return places[:count]


def popular_ads(catalogue: "Catalogue", count: int) -> PopularAds:
    """The ``count`` most popular ads as of now."""
    active = catalogue.active_slots()
    impressions = catalogue.arrays.impressions.take(active)
    clicks = catalogue.arrays.clicks.take(active)
    shown, clicked = impressions.sum(dtype=np.float64), clicks.sum(dtype=np.float64)
    prior_clicks = PRIOR_CTR * PRIOR_IMPRESSIONS
    overall = float((clicked + prior_clicks) / (shown + PRIOR_IMPRESSIONS))
    ctrs = smoothed_ctrs(impressions, clicks, overall)
    order = _highest(ctrs, count)
    return PopularAds(active[order], ctrs[order], overall)


def _highest(ctrs: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """Places of the ``count`` highest, in order; equal ones keep theirs."""
    if len(ctrs) <= count:
        return np.argsort(-ctrs, kind="stable")
    least = np.partition(ctrs, len(ctrs) - count)[len(ctrs) - count]
    likely = np.flatnonzero(ctrs >= least)
    highest: NDArray[np.int64] = likely[np.argsort(-ctrs[likely], kind="stable")[:count]]
    return highest


def smoothed_ctrs(
    impressions: NDArray[np.float32], clicks: NDArray[np.float32], overall_ctr: float
) -> NDArray[np.float64]:
    """CTRs [n] of ads by their impressions and clicks [n], drawn towards that of all ads."""
    ctrs = (clicks + overall_ctr * PRIOR_IMPRESSIONS) / (impressions + PRIOR_IMPRESSIONS)
    return np.minimum(ctrs.astype(np.float64), 1.0)
