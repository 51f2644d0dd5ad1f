"""Where each feature stands in the encoded inputs and in the embedding table.

The request part (user and context) comes first, then the ad part, so that a token's inputs are
two byte strings joined: the request's, encoded once, and the ad's, kept in memory.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.features import POSITION, Categorical, Counter, FeatureSpec, Numeric, Sequence


@dataclass(frozen=True, slots=True)
class Layout:
    """Positions of all features of a spec.

    Fields (what FM and tower see as embeddings) are in the order request categoricals, the
    sequence if there is one, ad categoricals; numbers: request numbers, ad numbers.
    """

    request_categoricals: tuple[Categorical, ...]
    ad_categoricals: tuple[Categorical, ...]
    request_numbers: tuple[Numeric | Counter, ...]
    ad_numbers: tuple[Numeric | Counter, ...]
    sequence: Sequence | None
    offsets: dict[str, int]
    rows: int
    request_dtype: np.dtype[Any]
    ad_dtype: np.dtype[Any]
    dtype: np.dtype[Any]
    position_column: int | None

    @classmethod
    def of(cls, spec: FeatureSpec) -> "Layout":
        """The layout that follows from a declaration."""
        categorical = [f for f in spec.features if isinstance(f, Categorical)]
        numbers = [f for f in spec.features if isinstance(f, Numeric | Counter)]
        request_categoricals = tuple(f for f in categorical if f.side != "ad")
        ad_categoricals = tuple(f for f in categorical if f.side == "ad")
        request_numbers = tuple(f for f in numbers if f.side != "ad")
        ad_numbers = tuple(f for f in numbers if f.side == "ad")
        sequence = next((f for f in spec.features if isinstance(f, Sequence)), None)
        offsets: dict[str, int] = {}
        rows = 0
        for feature in (*request_categoricals, *ad_categoricals):
            offsets[feature.name] = rows
            rows += feature.buckets
        request = [
            ("request_ids", "<i4", (len(request_categoricals),)),
            ("request_numbers", "<f4", (sum(map(width, request_numbers)),)),
            ("sequence", "<i4", (sequence.length if sequence else 0,)),
        ]
        ad = [
            ("ad_ids", "<i4", (len(ad_categoricals),)),
            ("ad_numbers", "<f4", (sum(map(width, ad_numbers)),)),
        ]
        position = [i for i, f in enumerate(request_categoricals) if f.source == POSITION]
        return cls(
            request_categoricals=request_categoricals,
            ad_categoricals=ad_categoricals,
            request_numbers=request_numbers,
            ad_numbers=ad_numbers,
            sequence=sequence,
            offsets=offsets,
            rows=rows,
            request_dtype=np.dtype(request),
            ad_dtype=np.dtype(ad),
            dtype=np.dtype(request + ad),
            position_column=position[0] if position else None,
        )

    @property
    def request_fields(self) -> int:
        """How many embedded fields the request part has, the sequence included."""
        return len(self.request_categoricals) + (self.sequence is not None)

    @property
    def fields(self) -> int:
        """How many embedded fields there are."""
        return self.request_fields + len(self.ad_categoricals)

    @property
    def request_number_count(self) -> int:
        """How many numbers the request part has."""
        return sum(map(width, self.request_numbers))

    @property
    def ad_number_count(self) -> int:
        """How many numbers the ad part has."""
        return sum(map(width, self.ad_numbers))

    @property
    def number_names(self) -> tuple[str, ...]:
        """A name for each number, request part first, e.g. ``ad_clicks.1h.ctr``."""
        return tuple(
            name for f in (*self.request_numbers, *self.ad_numbers) for name in _number_names(f)
        )

    def joined(self, request: NDArray[np.void], ads: NDArray[np.void]) -> NDArray[np.void]:
        """A request part (1,) with ad parts [n] -> samples [n]."""
        samples = np.empty(len(ads), self.dtype)
        for part in (request, ads):
            for name in part.dtype.names or ():
                samples[name] = part[name]
        return samples

    def unpack(self, inputs: bytes | memoryview) -> NDArray[np.void]:
        """Joined inputs of n samples -> structured array [n], read-only.

        Raises ValueError if the length is no multiple of a sample's size.
        """
        if len(inputs) % self.dtype.itemsize:
            raise ValueError(
                f"inputs: {len(inputs)} bytes are no multiple of {self.dtype.itemsize}; "
                "were they encoded with another feature declaration?"
            )
        return np.frombuffer(inputs, self.dtype)


def raw_numbers(samples: NDArray[np.void]) -> NDArray[np.float32]:
    """Numbers [n, numbers] of samples [n] as encoded, the request's first."""
    return np.concatenate((samples["request_numbers"], samples["ad_numbers"]), axis=1)


def width(feature: Numeric | Counter) -> int:
    """How many numbers a feature yields."""
    return 1 if isinstance(feature, Numeric) else 2 * len(feature.windows)


def _number_names(feature: Numeric | Counter) -> list[str]:
    if isinstance(feature, Numeric):
        return [feature.name]
    return [f"{feature.name}.{w}.{kind}" for w in feature.windows for kind in ("ctr", "volume")]
