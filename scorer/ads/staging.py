"""Changed ads and counters -> encoded updates for the catalogue. Pure but for slots taken."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import structlog

from schemas.records import Ad
from schemas.redis_values import split_version
from schemas.row_changes import RowChange
from scorer.ads.catalogue import AdEntry, Catalogue, Update
from scorer.ads.string_table import TableFullError

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Staged:
    """An update to commit, ads to remove, and how many changes were damaged."""

    update: Update
    removed: tuple[str, ...] = ()
    damaged: int = 0


def stage_ads(catalogue: Catalogue, changes: Iterable[RowChange], reload: bool = False) -> Staged:
    """Encode new and changed ads; what is older than what is known is left out.

    On a ``reload`` the changes are rows of Redis as they are: everything is taken anew.
    """
    newest: dict[str, tuple[int, Ad | None]] = {}
    damaged = 0
    for change in changes:
        try:
            version, ad = _parsed(change)
        except ValueError:
            damaged += 1
            continue
        if change.key in newest:
            known, previous = newest[change.key]
            # As in Redis: a delete leaves no version behind.
            known = -1 if previous is None else known
        else:
            known = -1 if reload else _known_version(catalogue, change.key)
        if version >= known:
            newest[change.key] = (version, ad)
    removed = [name for name, (_, ad) in newest.items() if ad is None]
    ads = {name: (version, ad) for name, (version, ad) in newest.items() if ad is not None}
    known_and_removed = tuple(name for name in removed if catalogue.slot(name) is not None)
    slots = _slots(catalogue, (ad for _, ad in ads.values()))
    kept = {name: ads[name] for name in slots}
    update = _encoded(catalogue, kept, slots)
    return Staged(update, known_and_removed, damaged + len(ads) - len(kept))


def _parsed(change: RowChange) -> tuple[int, Ad | None]:
    version, body = split_version(change.value)
    if not body:
        return version, None
    ad = Ad.decode(body)
    if ad.ad_id != change.key:
        raise ValueError(f"ad {ad.ad_id} has the key {change.key}")
    return version, ad


def _known_version(catalogue: Catalogue, ad_id: str) -> int:
    slot = catalogue.slot(ad_id)
    return -1 if slot is None else int(catalogue.arrays.versions[slot]) - 1


def _slots(catalogue: Catalogue, ads: Iterable[Ad]) -> dict[str, int]:
    """Where each ad goes; one for which there is no room is told and left out."""
    slots: dict[str, int] = {}
    for ad in ads:
        try:
            catalogue.reserve(ad.ad_id, ad.attributes)
            known = catalogue.slot(ad.ad_id)
            slots[ad.ad_id] = catalogue.allocate(ad.ad_id) if known is None else known
        except TableFullError as error:
            catalogue.attributes.release(ad.attributes)
            _log.error(
                "no room for an ad: raise CTR_SCORER_MAX_ADS, or use fewer or shorter attributes",
                ad_id=ad.ad_id,
                reason=str(error),
            )
    return slots


def _encoded(
    catalogue: Catalogue, ads: Mapping[str, tuple[int, Ad]], slot_of: Mapping[str, int]
) -> Update:
    counters = catalogue.counters
    slots = np.empty(len(ads), np.int32)
    entries: dict[int, AdEntry] = {}
    rows = []
    for i, (ad_id, (version, ad)) in enumerate(ads.items()):
        slots[i] = slot = slot_of[ad_id]
        rows.append(counters.rows(counters.keys(ad_id, ad.attributes)))
        active = ad.status == "ACTIVE"
        entries[slot] = AdEntry(ad_id, version, active, ad.price, ad.attributes)
    parts = catalogue.encoder.ads([(name, ad.attributes) for name, (_, ad) in ads.items()], rows)
    return Update(slots, parts, entries)


def stage_counters(catalogue: Catalogue, changes: Iterable[RowChange]) -> Staged:
    """Keep newer counter rows and renew the numbers of the ads that they describe."""
    counters = catalogue.counters
    keys: set[str] = set()
    damaged, full = 0, ""
    for change in changes:
        try:
            catalogue.popularity.apply(change)
            if counters.apply(change):
                keys.add(change.key)
        except TableFullError as error:
            damaged, full = damaged + 1, str(error)
        except ValueError:
            damaged += 1
    if full:
        _log.error("no room for a counter: raise CTR_SCORER_MAX_ADS", reason=full)
    counters.put_popularity(keys)
    found = counters.slots(key for key in keys if counters.is_encoded(key))
    by_key = {key: owners for key, owners in found if len(owners)}
    slots = np.unique(np.concatenate((np.empty(0, np.int32), *by_key.values())))
    parts = catalogue.arrays.parts.take(slots)
    for key, owners in by_key.items():
        places = np.searchsorted(slots, owners)
        for columns, values in counters.numbers(key):
            parts["ad_numbers"][places, columns] = values
    return Staged(Update(slots, parts), damaged=damaged)
