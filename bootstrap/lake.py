"""History from the lake: Parquet files of training samples, partitioned by day and hour."""

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
from schemas.layout import Layout

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
    "sample_weight",
)


class LakeError(ValueError):
    """A lake that cannot be used; the message names the folder."""


def read_lake(
    path: Path, spec: FeatureSpec, progress: Callable[[int], None] = lambda rows: None
) -> EncodedLog:
    """Each impression once, with the last label that is known of it, in order of ``ts``.

    Samples of other declarations are left out. Raises LakeError if none are left.
    """
    layout = Layout.of(spec)
    table = _table(path, spec, layout)
    progress(table.num_rows)
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
    late = np.isin(key[last], key[kind == "CORRECTION"])
    return EncodedLog(
        samples=layout.unpack(packed),
        positions=table["position"].to_numpy().astype(np.int64)[last],
        labels=labels,
        weights=table["sample_weight"].to_numpy().astype(np.float32)[last],
        ts_ms=ts_ms[last],
        click_ms=np.where(clicked, label_ms[last], NO_CLICK),
        late_share=float(late[clicked].mean()) if clicked.any() else None,
    )


def _table(path: Path, spec: FeatureSpec, layout: Layout) -> Any:
    if not path.is_dir():
        raise LakeError(f"lake {path}: no such folder")
    try:
        lake = ds.dataset(path, format="parquet", partitioning="hive")
        missing = [name for name in COLUMNS if name not in lake.schema.names]
        if missing:
            raise LakeError(f"lake {path}: no column {missing[0]}; is it of training samples?")
        table = lake.to_table(
            columns=list(COLUMNS), filter=ds.field("feature_fingerprint") == spec.fingerprint
        )
    except (OSError, pa.ArrowException) as error:
        raise LakeError(f"lake {path}: {error}") from None
    table = table.filter(pc.equal(pc.binary_length(table["inputs"]), layout.dtype.itemsize))
    if not table.num_rows:
        raise LakeError(f"lake {path}: no samples of features {spec.name} {spec.fingerprint}")
    return table


def _milliseconds(column: Any) -> NDArray[np.int64]:
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("ms"), safe=False)
    values: NDArray[np.int64] = column.cast(pa.int64()).to_numpy()
    return values
