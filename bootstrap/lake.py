"""History from the lake: its training samples, whether they are compacted yet or not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from numpy.typing import NDArray

from bootstrap.encoded_log import EncodedLog
from bootstrap.logged_rows import NO_CLICK
from schemas.features import FeatureSpec
from schemas.lake import SAMPLES
from schemas.layout import Layout
from stores.lake.folders import LakeError
from stores.lake.reader import read_table

COLUMNS = (
    "kind",
    "request_id",
    "ad_id",
    "ts",
    "position",
    "feature_fingerprint",
    "inputs",
    "label",
    "label_ts",
    "click_ts",
    "sample_weight",
)
EPOCH = pa.scalar(0, pa.timestamp("ms", tz="UTC"))


def read_lake(
    path: Path, spec: FeatureSpec, progress: Callable[[int], None] = lambda rows: None
) -> EncodedLog:
    """Each impression once, with the last label that is known of it, in order of ``ts``.

    Samples of other declarations are left out. Raises LakeError if none are left.
    """
    layout = Layout.of(spec)
    table = _table(path, spec, layout, progress)
    kind = np.asarray(table["kind"].to_numpy(zero_copy_only=False), dtype="U10")
    label_ms = _milliseconds(table["label_ts"])
    pairs = pc.binary_join_element_wise(table["request_id"], table["ad_id"], "\x1f")
    key = pairs.combine_chunks().dictionary_encode().indices.to_numpy()
    # Of one impression the newest label counts; a correction is newer than its negative.
    rank = np.lexsort((kind == "CORRECTION", label_ms, key))
    last = rank[np.append(np.diff(key[rank]) != 0, True)]
    ts_ms = _milliseconds(table["ts"])
    last = last[np.argsort(ts_ms[last], kind="stable")]
    labels = table["label"].to_numpy().astype(np.float32)[last]
    inputs = table["inputs"].combine_chunks()
    packed = b"".join(inputs.take(pa.array(last)).to_pylist())
    clicked = labels > 0.5
    # The click's own time: a label may become known later, at the end of the label wait.
    click_ms = _milliseconds(table["click_ts"].fill_null(EPOCH))[last]
    late = np.isin(key[last], key[kind == "CORRECTION"])
    return EncodedLog(
        samples=layout.unpack(packed),
        positions=table["position"].to_numpy().astype(np.int64)[last],
        labels=labels,
        weights=table["sample_weight"].to_numpy().astype(np.float32)[last],
        ts_ms=ts_ms[last],
        click_ms=np.where(clicked, click_ms, NO_CLICK),
        late_share=float(late[clicked].mean()) if clicked.any() else None,
    )


def _table(path: Path, spec: FeatureSpec, layout: Layout, progress: Callable[[int], None]) -> Any:
    ours = ds.field("feature_fingerprint") == spec.fingerprint
    table = read_table(path, SAMPLES, COLUMNS, ours, progress)
    table = table.filter(pc.equal(pc.binary_length(table["inputs"]), layout.dtype.itemsize))
    if not table.num_rows:
        raise LakeError(f"lake {path}: no samples of features {spec.name} {spec.fingerprint}")
    return table


def _milliseconds(column: Any) -> NDArray[np.int64]:
    values: NDArray[np.int64] = column.cast(pa.int64()).to_numpy()
    return values
