"""The candidates of a Score request as rows: from memory, or encoded from their attributes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scorer.catalogue import Catalogue
from scorer.half_store import AdRows, ad_vectors
from scorer.model_holder import ServedModel
from scorer.popularity import smoothed_ctrs


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
            entry = None if slot is None else catalogue.entries[slot]
            if slot is not None and entry is not None:
                slots[i] = slot
                attributes.append({**entry.attributes, **given} if given else entry.attributes)
            else:
                attributes.append(given)
            if given or entry is None:
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
        with catalogue.lock:
            prices[known] = catalogue.arrays.prices.take(self.slots[known])
            parts[~self.own] = catalogue.arrays.parts.take(self.slots[~self.own])
        parts[self.own] = self.own_parts
        return parts, prices

    def rows(self, served: ServedModel, catalogue: Catalogue) -> AdRows:
        """Parts, halves and prices, read together."""
        if not self.own.any():
            with catalogue.lock:
                return served.store.gather(self.slots, catalogue.arrays)
        count, store = len(self.slots), served.store
        parts, prices = self.parts_and_prices(catalogue)
        vectors = np.empty((count, store.vectors.shape[1]), np.float32)
        hidden = np.empty((count, store.hidden.shape[1]), np.float32)
        halves = served.model.ad_halves(self.own_parts)
        vectors[self.own] = ad_vectors(halves, prices[self.own])
        hidden[self.own] = halves.hidden
        stored = self.slots[~self.own]
        with catalogue.lock:
            memory = store.gather(stored, catalogue.arrays)
        parts[~self.own], prices[~self.own] = memory.parts, memory.prices
        vectors[~self.own], hidden[~self.own] = memory.vectors, memory.hidden
        return AdRows(np.ones(count, np.bool_), parts, vectors, hidden, prices)

    def popularity(self, served: ServedModel, catalogue: Catalogue) -> NDArray[np.float64]:
        """Smoothed CTR of a day [n]; that of all ads for an unknown one."""
        overall = served.popular.overall_ctr
        ctrs = np.full(len(self.slots), overall)
        known = self.slots >= 0
        with catalogue.lock:
            impressions = catalogue.arrays.impressions.take(self.slots[known])
            clicks = catalogue.arrays.clicks.take(self.slots[known])
        ctrs[known] = smoothed_ctrs(impressions, clicks, overall)
        return ctrs
