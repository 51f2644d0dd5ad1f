"""The candidates of a Score request as rows: from memory, or encoded from their attributes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scorer.ads.catalogue import Catalogue
from scorer.ads.popularity import PopularAds, smoothed_ctrs
from scorer.model.deepfm import Floats
from scorer.model.model_holder import ServedModel


@dataclass(frozen=True, slots=True)
class Candidates:
    """n ads in the order given; ``slots`` [n] is -1 for an ad that is not in the catalogue.

    ``own`` [n] marks those that came with attributes or are unknown: their parts are encoded
    here, the others' parts are in memory.
    """

    ad_ids: Sequence[str]
    attributes: Sequence[Mapping[str, str]]
    slots: NDArray[np.int32]
    own: NDArray[np.bool_]
    own_parts: NDArray[np.void]

    @classmethod
    def of(
        cls, candidates: Sequence[tuple[str, Mapping[str, str]]], catalogue: Catalogue
    ) -> "Candidates":
        """Look up and encode. Given attributes go before those of the catalogue."""
        encoder, counters = catalogue.encoder, catalogue.counters
        slots = np.full(len(candidates), -1, np.int32)
        own = np.zeros(len(candidates), np.bool_)
        attributes: list[Mapping[str, str]] = []
        parts: list[NDArray[np.void]] = []
        for i, (ad_id, given) in enumerate(candidates):
            slot = catalogue.slot(ad_id)
            if slot is not None:
                slots[i] = slot
                known = catalogue.attributes.of(slot)
                attributes.append({**known, **given} if given else known)
            else:
                attributes.append(given)
            if given or slot is None:
                own[i] = True
                keys = counters.keys(ad_id, attributes[-1])
                parts.append(encoder.ad(ad_id, attributes[-1], counters.rows(keys)))
        own_parts = np.concatenate((np.empty(0, encoder.layout.ad_dtype), *parts))
        return cls([ad_id for ad_id, _ in candidates], attributes, slots, own, own_parts)

    def parts_and_prices(self, catalogue: Catalogue) -> tuple[NDArray[np.void], NDArray[np.int64]]:
        """Encoded parts [n] and prices [n]; 0 for an unknown ad's price."""
        known = self.slots >= 0
        prices = np.zeros(len(self.slots), np.int64)
        parts = np.empty(len(self.slots), self.own_parts.dtype)
        rows = catalogue.arrays.read(self.slots[known])
        prices[known] = rows.prices
        parts[known] = rows.parts
        parts[self.own] = self.own_parts
        return parts, prices

    def usual_tower(self, served: ServedModel) -> Floats:
        """The best guess of the tower [n] without computing it: that of an ad if it is in memory,
        the mean of all for another one."""
        guess = np.full(len(self.slots), served.mean_tower, np.float32)
        stored = ~self.own
        guess[stored] = served.store.usual.take(self.slots[stored])
        return guess

    def popularity(self, popular: PopularAds, catalogue: Catalogue) -> NDArray[np.float64]:
        """Smoothed CTR of a day [n]; that of all ads for an unknown one."""
        ctrs = np.full(len(self.slots), popular.overall_ctr)
        known = self.slots >= 0
        arrays, slots = catalogue.arrays, self.slots[known]
        ctrs[known] = smoothed_ctrs(
            arrays.impressions.take(slots), arrays.clicks.take(slots), popular.overall_ctr
        )
        return ctrs
