"""Labelled impressions of the lake, each once, with the newest label that is known of it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from schemas.lake import SAMPLES
from stores.lake.reader import read_table

_COLUMNS = (
    "kind",
    "request_id",
    "ad_id",
    "user_id",
    "ts",
    "price",
    "variant",
    "predicted_ctr",
    "propensity",
    "label",
    "label_ts",
    "sample_weight",
)
_KEY_SEPARATOR = "\x1f"


@dataclass(frozen=True, slots=True)
class Logged:
    """n impressions, [n] each.

    ``arms`` are names; ``users`` number the users; ``weights`` undo the down-sampling of
    negatives; ``prices`` are micros of currency, due for a click.
    """

    request_ids: NDArray[np.object_]
    ad_ids: NDArray[np.object_]
    users: NDArray[np.int64]
    arms: NDArray[np.object_]
    clicks: NDArray[np.float64]
    prices: NDArray[np.float64]
    predicted: NDArray[np.float64]
    propensities: NDArray[np.float64]
    weights: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.users)

    def only(self, chosen: NDArray[np.bool_]) -> "Logged":
        """Those that are chosen [n]."""
        return Logged(**{name: getattr(self, name)[chosen] for name in self.__slots__})

    def of_arm(self, name: str) -> "Logged":
        """Those that an arm served."""
        return self.only(self.arms == name)


def read_logged(
    lake: Path,
    since: datetime | None,
    until: datetime | None,
    progress: Callable[[int], None] = lambda rows: None,
) -> Logged:
    """Impressions that were shown in [since, until). Raises stores.lake.folders.LakeError."""
    table = read_table(lake, SAMPLES, _COLUMNS, _shown(since, until), progress)
    pairs = pc.binary_join_element_wise(table["request_id"], table["ad_id"], _KEY_SEPARATOR)
    keys = pairs.combine_chunks().dictionary_encode().indices.to_numpy()
    label_ms = table["label_ts"].cast(pa.int64()).to_numpy()
    correction = pc.equal(table["kind"], "CORRECTION").to_numpy()
    # Of one impression the newest label counts; a correction is newer than its negative.
    order = np.lexsort((correction, label_ms, keys))
    last = np.sort(order[np.append(np.diff(keys[order]) != 0, True)]) if len(order) else order
    table = table.take(pa.array(last))
    users = table["user_id"].combine_chunks().dictionary_encode().indices.to_numpy()

    def numbers(name: str) -> NDArray[np.float64]:
        values: NDArray[np.float64] = table[name].to_numpy().astype(np.float64)
        return values

    def texts(name: str) -> NDArray[np.object_]:
        values: NDArray[np.object_] = table[name].to_numpy().astype(object)
        return values

    return Logged(
        request_ids=texts("request_id"),
        ad_ids=texts("ad_id"),
        users=users.astype(np.int64),
        arms=texts("variant"),
        clicks=numbers("label"),
        prices=numbers("price"),
        predicted=numbers("predicted_ctr"),
        propensities=numbers("propensity"),
        weights=numbers("sample_weight"),
    )


def _shown(since: datetime | None, until: datetime | None) -> Any:
    field = pc.field("ts")
    bounds = [field >= pa.scalar(since, pa.timestamp("ms", "UTC"))] if since else []
    if until:
        bounds.append(field < pa.scalar(until, pa.timestamp("ms", "UTC")))
    return None if not bounds else bounds[0] if len(bounds) == 1 else bounds[0] & bounds[1]
