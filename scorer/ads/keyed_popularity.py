"""Which ads are popular for what a request says, such as a country or a slot; elsewhere, for all.

A counter of the features that is of an ad and of values of the request, as in
``ad_country: [ad.ad_id, user.country]``, declares it. Of each group, as ``ad_country:c7``, the best
ads are kept; what was left out comes back when its counter changes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic, sleep

import numpy as np

from schemas.features import FeatureSpec
from schemas.redis_values import CounterRow, split_version
from schemas.row_changes import RowChange
from scorer.ads.ad_arrays import KEYED_ADS, KEYED_GROUPS, AdArrays
from scorer.ads.ad_counters import POPULARITY_WINDOW
from scorer.ads.popularity import PRIOR_CTR, PopularAds, smoothed_ctrs
from scorer.ads.string_table import TableFullError

_AD = "ad.ad_id"
_PUBLISH_SECONDS = 1.0
#: Groups that are written again each time although nothing was counted, so that all of them are
#: before a slot of theirs gets another ad, see scorer.ads.ad_arrays.REUSE_SECONDS.
_RENEWED = KEYED_GROUPS // 25
_TRIES, _TRY_SECONDS = 5, 0.0001


@dataclass(frozen=True, slots=True)
class _Declared:
    """A counter: where the ad stands in its key, and the request's parts in order."""

    name: str
    ad_place: int
    parts: Sequence[tuple[str, str]]


class KeyedPopularity:
    """``apply``, ``publish`` and ``clear`` are the feeder's."""

    def __init__(
        self, spec: FeatureSpec, arrays: AdArrays, clock: Callable[[], float] = monotonic
    ) -> None:
        self._arrays = arrays
        self._clock = clock
        self._declared = {
            name: _Declared(
                name,
                parts.index(_AD),
                [(side, attribute) for side, _, attribute in map(_split, parts) if side != "ad"],
            )
            for name, parts in spec.counters.items()
            if _AD in parts
            and len(parts) > 1
            and all(part == _AD or not part.startswith("ad.") for part in parts)
        }
        self._counted: dict[str, dict[str, tuple[int, int]]] = {}
        self._changed: set[str] = set()
        self._next = 0.0
        self._renewed = 0
        self._near: dict[str, tuple[int, PopularAds, PopularAds]] = {}

    def apply(self, change: RowChange) -> None:
        """Take over a counter, if it is of such a key. Raises ValueError if it is damaged."""
        name, _, key = change.key.partition(":")
        declared = self._declared.get(name)
        if declared is None:
            return
        parts = key.split("|")
        if len(parts) != 1 + len(declared.parts):
            return
        ad_id = parts.pop(declared.ad_place)
        group = f"{name}:{'|'.join(parts)}"
        _, body = split_version(change.value)
        row = CounterRow.unpack(body) if body else None
        counted = self._group(group)
        if row is None or not row.impressions[POPULARITY_WINDOW]:
            counted.pop(ad_id, None)
        else:
            counted[ad_id] = (row.impressions[POPULARITY_WINDOW], row.clicks[POPULARITY_WINDOW])
        self._changed.add(group)
        if len(counted) >= 2 * KEYED_ADS:
            self._counted[group] = dict(self._best(counted))

    def clear(self) -> None:
        """Forget what was counted; all counters come again."""
        self._counted.clear()
        for group in range(len(self._arrays.groups)):
            self._write(group, [])

    def publish(self) -> None:
        """Once in a while: list the best ads of the groups that have changed."""
        if not self._declared or self._clock() < self._next:
            return
        self._next = self._clock() + _PUBLISH_SECONDS
        known = list(self._counted)
        again = known[self._renewed : self._renewed + _RENEWED]
        self._renewed = self._renewed + _RENEWED if again else 0
        changed, self._changed = self._changed, set()
        for group in changed.union(again):
            try:
                number = self._arrays.groups.add(group)
            except TableFullError:
                self._counted.pop(group, None)
                continue
            self._write(number, self._best(self._counted.get(group, {})))

    def near(
        self, everywhere: PopularAds, user: Mapping[str, str], context: Mapping[str, str]
    ) -> PopularAds:
        """The ads that are popular for a request, then those that are ``everywhere``."""
        local = everywhere
        for declared in self._declared.values():
            values = (
                (user if side == "user" else context).get(attribute, "")
                for side, attribute in declared.parts
            )
            local = self._before(local, f"{declared.name}:{'|'.join(values)}")
        return local

    def _before(self, others: PopularAds, group: str) -> PopularAds:
        number = self._arrays.groups.number(group)
        if number is None:
            return others
        sequences = self._arrays.keyed_sequences
        known, sequence = self._near.get(group), int(sequences[number])
        if known is not None and known[0] == sequence and known[1] is others:
            return known[2]
        for _ in range(_TRIES):
            sequence, count = int(sequences[number]), int(self._arrays.keyed_counts[number])
            slots = self._arrays.keyed_slots[number, :count].copy()
            rows = self._arrays.keyed_rows[number, :count].copy()
            if not sequence & 1 and sequence == int(sequences[number]):
                break
            sleep(_TRY_SECONDS)
        else:
            return others
        ctrs = smoothed_ctrs(rows[:, 0], rows[:, 1], others.overall_ctr)
        rest = ~np.isin(others.slots, slots)
        joined = PopularAds(
            np.concatenate((slots, others.slots[rest])),
            np.concatenate((ctrs, others.ctrs[rest])),
            others.overall_ctr,
        )
        if len(self._near) >= KEYED_GROUPS:
            self._near.clear()
        self._near[group] = (sequence, others, joined)
        return joined

    def _group(self, group: str) -> dict[str, tuple[int, int]]:
        """What was counted for a group, if need be by a feeder before this one."""
        counted = self._counted.get(group)
        if counted is None:
            counted, arrays = {}, self._arrays
            number = arrays.groups.number(group)
            if number is not None:
                for place in range(int(arrays.keyed_counts[number])):
                    ad_id = arrays.ids.text(int(arrays.keyed_slots[number, place]))
                    impressions, clicks = arrays.keyed_rows[number, place].tolist()
                    counted[ad_id] = (int(impressions), int(clicks))
            self._counted[group] = counted
        return counted

    def _best(self, counted: Mapping[str, tuple[int, int]]) -> list[tuple[str, tuple[int, int]]]:
        rows = np.array(list(counted.values()), np.float32).reshape(-1, 2)
        overall = float(self._arrays.popular_ctrs[0]) or PRIOR_CTR
        order = np.argsort(-smoothed_ctrs(rows[:, 0], rows[:, 1], overall), kind="stable")
        items = list(counted.items())
        return [items[place] for place in order[:KEYED_ADS].tolist()]

    def _write(self, number: int, best: Sequence[tuple[str, tuple[int, int]]]) -> None:
        arrays = self._arrays
        found = [(arrays.ids.number(ad_id), row) for ad_id, row in best]
        there = [(slot, row) for slot, row in found if slot is not None]
        arrays.keyed_sequences[number] |= 1
        arrays.keyed_counts[number] = len(there)
        arrays.keyed_slots[number, : len(there)] = [slot for slot, _ in there]
        if there:
            arrays.keyed_rows[number, : len(there)] = [row for _, row in there]
        arrays.keyed_sequences[number] += 1


def _split(part: str) -> tuple[str, str, str]:
    return part.partition(".")
