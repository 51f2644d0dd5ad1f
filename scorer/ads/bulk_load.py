"""The first load of a catalogue, a page of ads at a time: nobody reads them yet, all are new."""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from schemas import avro_codec
from schemas.features import ID_ATTRIBUTES
from schemas.row_changes import RowChange
from scorer.ads.catalogue import Catalogue
from scorer.ads.string_table import TableFullError
from scorer.kernels import best_kernels


def load_page(catalogue: Catalogue, page: Sequence[RowChange]) -> Sequence[RowChange]:
    """Take over ads that the catalogue does not have; returns those that are to be staged one by
    one, see scorer.ads.staging: damaged, deleted, of another version of the record, or without
    room."""
    found = best_kernels().parse_ads(
        [change.key.encode() for change in page],
        [change.value for change in page],
        avro_codec.header("Ad"),
    )
    attributes, arrays, read = catalogue.attributes, catalogue.arrays, np.flatnonzero(found.read)
    if not len(read) or len(arrays.ids) + len(read) > arrays.capacity:
        return page
    ad_ids = [page[i].key for i in read.tolist()]
    named, used = np.unique(found.items[:, 1]), np.unique(found.items[:, 2])
    # Of all ads of the page: places of values in the texts, by the place of the name in ``named``.
    places = np.full((len(named), len(page)), -1, np.int32)
    places[np.searchsorted(named, found.items[:, 1]), found.items[:, 0]] = found.items[:, 2]
    places = places[:, read]
    try:
        texts = [text.decode() for text in found.texts]
        by_name = {texts[name]: places[row] for row, name in enumerate(named.tolist())}
        columns, codes = attributes.number(list(by_name), [texts[text] for text in used.tolist()])
        parts = catalogue.encoder.ads_by_column(ad_ids, by_name, texts)
        slots = np.array([catalogue.allocate(ad_id) for ad_id in ad_ids], np.int32)
        values = partial(_values, ad_ids, by_name, texts)
        catalogue.counters.describe(slots, parts, values)
    except (TableFullError, UnicodeDecodeError):
        return page
    numbers = np.zeros((len(arrays.attributes), len(read)), np.int32)
    code_of = np.zeros(len(texts) + 1, np.int32)
    code_of[used] = codes
    numbers[columns] = code_of.take(places)
    catalogue.commit_new(
        slots, parts, found.versions[read], found.active[read], found.prices[read],
        numbers[: len(arrays.names)],
    )  # fmt: skip
    return [page[i] for i in np.flatnonzero(~found.read).tolist()]


def _values(
    ad_ids: Sequence[str],
    by_name: Mapping[str, NDArray[np.int32]],
    texts: Sequence[str],
    attribute: str,
) -> Sequence[str]:
    """Values [n] of an attribute, empty texts for none."""
    if attribute == ID_ATTRIBUTES["ad"]:
        return ad_ids
    places = by_name.get(attribute)
    if places is None:
        return [""] * len(ad_ids)
    return [texts[place] if place >= 0 else "" for place in places.tolist()]
