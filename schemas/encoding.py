"""Encoding, the one place where values become model inputs.

Categoricals are hashed into buckets of their own rows (Weinberger et al., ICML'09); numbers are
transformed here and standardised by the model package.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from struct import Struct
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from schemas.features import (
    ID_ATTRIBUTES,
    LARGEST_NUMBER,
    Categorical,
    Counter,
    FeatureSpec,
    Numeric,
)
from schemas.layout import Layout, width
from schemas.redis_values import CounterRow, UserRow
from schemas.windows import WINDOWS_MS

_WINDOW_INDEX = {name: index for index, name in enumerate(WINDOWS_MS)}
NO_COUNTERS: Mapping[str, CounterRow] = {}
#: A value -> its bucket.
Bucketing = Callable[[str | None], int]


def bucket(feature: Categorical, value: str | None) -> int:
    """The bucket of a value, 0 for a missing one; the same in every process and version."""
    return bucketing(feature)(value)


def bucketing(feature: Categorical) -> Bucketing:
    """:func:`bucket` of one feature; what is the same for all values is done once."""
    default, last = feature.default, feature.buckets - 1
    salt, digest = f"{feature.name}\x1f".encode(), xxhash.xxh3_64_intdigest

    def hashed(value: str | None) -> int:
        text = value or default
        return 1 + digest(salt + text.encode()) % last if text else 0

    def integer(value: str | None) -> int:
        number = _number(value or default)
        return 0 if number is None else int(min(max(number, 0), last))

    def log_square(value: str | None) -> int:
        text = value or default
        number = _number(text)
        if number is not None and number > 2:
            text = f"ln{math.floor(math.log(number) ** 2)}"
        return hashed(text)

    transforms = {"none": hashed, "integer": integer, "log_square": log_square}
    return transforms[feature.transform]


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _numeric(feature: Numeric, value: str | None) -> float:
    number = None if value is None else _number(value)
    if number is None:
        return feature.default
    if feature.transform == "log1p":
        return math.copysign(math.log1p(abs(number)), number)
    return min(max(number, -LARGEST_NUMBER), LARGEST_NUMBER)


def counter_numbers(feature: Counter, row: CounterRow | None) -> list[float]:
    """Smoothed CTR and log count of each window; of no row as of an ad never shown."""
    numbers: list[float] = []
    for window in feature.windows:
        index = _WINDOW_INDEX[window]
        impressions = 0 if row is None else row.impressions[index]
        clicks = 0 if row is None else row.clicks[index]
        prior = feature.prior_ctr * feature.prior_impressions
        rate = (clicks + prior) / (impressions + feature.prior_impressions)
        numbers.append(min(rate, LARGEST_NUMBER))
        numbers.append(math.log1p(impressions))
    return numbers


def _numbers(
    features: Sequence[Numeric | Counter],
    values: Mapping[str, Mapping[str, str]],
    counters: Mapping[str, CounterRow],
) -> list[float]:
    """Of some features in order: ``values`` by side, ``counters`` by counter name."""
    numbers: list[float] = []
    for f in features:
        if isinstance(f, Numeric):
            numbers.append(_numeric(f, values[f.side].get(f.source)))
        else:
            numbers += counter_numbers(f, counters.get(f.counter))
    return numbers


class Encoder:
    """Encodes requests and ads of one feature declaration. Stateless, safe to share."""

    def __init__(self, spec: FeatureSpec) -> None:
        self.spec = spec
        self.layout = layout = Layout.of(spec)
        self._request_rows = [
            (f.side, f.source, layout.offsets[f.name], bucketing(f))
            for f in layout.request_categoricals
        ]
        self._ad_rows = [
            (f.source, layout.offsets[f.name], bucketing(f)) for f in layout.ad_categoricals
        ]
        self._clicked_length = layout.sequence.length if layout.sequence else 0
        self._clicked_rows = [
            (layout.offsets[f.name], bucketing(f))
            for f in layout.ad_categoricals
            if layout.sequence and f.name == layout.sequence.of
        ]
        self._request_bytes = Struct(
            f"<{len(self._request_rows)}i{layout.request_number_count}f{self._clicked_length}i"
        )

    def request(self, user: UserRow, context: Mapping[str, str]) -> NDArray[np.void]:
        """The request part, shape (1,), of ``layout.request_dtype``."""
        attributes = {**user.attributes, ID_ATTRIBUTES["user"]: user.user_id}
        values: dict[str, Mapping[str, str]] = {"user": attributes, "context": context}
        rows = [
            offset + bucket_of(values[side].get(source))
            for side, source, offset, bucket_of in self._request_rows
        ]
        numbers = _numbers(self.layout.request_numbers, values, user.counters)
        clicked = [
            offset + bucket_of(ad_id)
            for offset, bucket_of in self._clicked_rows
            for ad_id in user.clicked_ads[: self._clicked_length]
        ]
        clicked += [-1] * (self._clicked_length - len(clicked))
        # To fill an array by its fields takes three times as long.
        packed = bytearray(self._request_bytes.pack(*rows, *numbers, *clicked))
        return np.frombuffer(packed, self.layout.request_dtype)

    def ad(
        self,
        ad_id: str,
        attributes: Mapping[str, str],
        counters: Mapping[str, CounterRow] = NO_COUNTERS,
    ) -> NDArray[np.void]:
        """The ad part, shape (1,), of ``layout.ad_dtype``; ``counters`` by counter name."""
        layout = self.layout
        values = {**attributes, ID_ATTRIBUTES["ad"]: ad_id}
        out = np.zeros(1, layout.ad_dtype)
        out["ad_ids"][0] = [
            offset + bucket_of(values.get(source)) for source, offset, bucket_of in self._ad_rows
        ]
        out["ad_numbers"][0] = _numbers(layout.ad_numbers, {"ad": values}, counters)
        return out

    def ads(
        self,
        ads: Sequence[tuple[str, Mapping[str, str]]],
        counters: Sequence[Mapping[str, CounterRow]],
    ) -> NDArray[np.void]:
        """The parts of many ads (id, attributes), shape (n,): as :meth:`ad` of each, but faster."""
        layout = self.layout
        out = np.zeros(len(ads), layout.ad_dtype)
        values = [{**attributes, ID_ATTRIBUTES["ad"]: ad_id} for ad_id, attributes in ads]
        for column, feature in enumerate(layout.ad_categoricals):
            texts = [value.get(feature.source) for value in values]
            bucket_of = bucketing(feature)
            buckets = {text: bucket_of(text) for text in set(texts)}
            out["ad_ids"][:, column] = [buckets[text] for text in texts]
            out["ad_ids"][:, column] += layout.offsets[feature.name]
        column = 0
        for number in layout.ad_numbers:
            columns = slice(column, column := column + width(number))
            if isinstance(number, Numeric):
                numbers = [_numeric(number, value.get(number.source)) for value in values]
                out["ad_numbers"][:, columns] = np.array(numbers, np.float32).reshape(-1, 1)
                continue
            out["ad_numbers"][:, columns] = counter_numbers(number, None)
            for i, rows in enumerate(counters):
                if number.counter in rows:
                    out["ad_numbers"][i, columns] = counter_numbers(number, rows[number.counter])
        return out

    def ads_by_column(
        self,
        ad_ids: Sequence[str],
        columns: Mapping[str, NDArray[np.int32]],
        texts: Sequence[str],
    ) -> NDArray[np.void]:
        """The parts of many ads without counters, shape (n,): as :meth:`ad` of each, but faster.

        ``columns`` [n] have for each attribute the places of its values in ``texts``, -1 for none.
        """
        layout, none = self.layout, np.full(len(ad_ids), -1, np.int32)
        out = np.zeros(len(ad_ids), layout.ad_dtype)

        def each(source: str, encoded: Callable[[str | None], float]) -> NDArray[Any]:
            if source == ID_ATTRIBUTES["ad"]:
                return np.array([encoded(ad_id) for ad_id in ad_ids])
            places, of_ads = np.unique(columns.get(source, none), return_inverse=True)
            found = [encoded(None if place < 0 else texts[place]) for place in places.tolist()]
            return np.array(found).take(of_ads)

        for column, feature in enumerate(layout.ad_categoricals):
            found = each(feature.source, bucketing(feature))
            out["ad_ids"][:, column] = layout.offsets[feature.name] + found
        column = 0
        for number in layout.ad_numbers:
            own = slice(column, column := column + width(number))
            if isinstance(number, Numeric):
                found = each(number.source, partial(_numeric, number))
                out["ad_numbers"][:, own] = found.astype(np.float32)[:, np.newaxis]
            else:
                out["ad_numbers"][:, own] = counter_numbers(number, None)
        return out

    def with_positions(
        self, samples: NDArray[np.void], positions: NDArray[np.integer[Any]]
    ) -> NDArray[np.void]:
        """A copy of samples [n] with the positions [n] at which the ads were really shown."""
        column = self.layout.position_column
        copy = samples.copy()
        if column is not None:
            feature = self.layout.request_categoricals[column]
            clipped = np.clip(positions, 0, feature.buckets - 1)
            copy["request_ids"][:, column] = self.layout.offsets[feature.name] + clipped
        return copy
