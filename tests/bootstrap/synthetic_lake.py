"""Lakes of any size with something to learn, as compaction leaves them, made hour by hour."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from schemas.features import FeatureSpec
from schemas.lake import SAMPLES, SUCCESS
from schemas.layout import Layout
from stores.lake.folders import Hour, compacted
from stores.lake.parquet_files import arrow_schema, write_file

HOUR_MS = 3_600_000
START = Hour.parse("2026-01-01T00")


def declared(fields: int, buckets: int, dim: int) -> FeatureSpec:
    """Categorical features only, half of them of the ad."""
    features = [
        {
            "name": f"f{number}",
            "side": "context" if number % 2 else "ad",
            "kind": "categorical",
            "source": f"f{number}",
            "buckets": buckets,
        }
        for number in range(fields)
    ]
    return FeatureSpec.model_validate(
        {"name": "synthetic", "embedding_dim": dim, "features": features}
    )


def write_lake(
    lake: Path, spec: FeatureSpec, hours: int, rows: int, rate: float = 0.1, seed: int = 0
) -> Path:
    """``rows`` impressions an hour; each value has an effect of its own, some clicks are late:
    their correction lies in the next hour, or the same if it is the last."""
    layout, random = Layout.of(spec), np.random.default_rng(seed)
    effects = np.random.default_rng(seed + 1).normal(0, 0.8, layout.rows)
    first_ms = int(START.begin.timestamp() * 1000)
    late: list[dict[str, object]] = []
    for number in range(hours):
        begin_ms = first_ms + number * HOUR_MS
        samples = drawn(layout, rows, random)
        score = effects[samples["request_ids"]].sum(axis=1) + effects[samples["ad_ids"]].sum(axis=1)
        clicked = random.random(rows) < 1 / (1 + np.exp(-(score / 2 + np.log(rate / (1 - rate)))))
        is_late = clicked & (random.random(rows) < 0.2) & (number + 1 < hours)
        table = _table(samples, clicked & ~is_late, begin_ms, f"h{number}", spec)
        if late:
            table = pa.concat_tables([table, pa.Table.from_pylist(late, table.schema)])
        late = table.filter(pa.array(np.append(is_late, np.zeros(len(late), bool)))).to_pylist()
        for row in late:
            row |= {"kind": "CORRECTION", "label": 1}
            row["label_ts"] = row["click_ts"] = begin_ms + HOUR_MS + 1
        folder = compacted(lake, SAMPLES, Hour.of(START.begin + number * timedelta(hours=1))).path
        folder.mkdir(parents=True)
        write_file(SAMPLES, table, folder / SAMPLES.file_name)
        (folder / SUCCESS).touch()
    return lake


def drawn(layout: Layout, rows: int, random: np.random.Generator) -> NDArray[np.void]:
    """Samples whose values are skewed, as those of ads are."""
    samples = np.zeros(rows, layout.dtype)
    for name, features in (
        ("request_ids", layout.request_categoricals),
        ("ad_ids", layout.ad_categoricals),
    ):
        for column, feature in enumerate(features):
            value = (feature.buckets * random.random(rows) ** 3).astype(np.int64)
            samples[name][:, column] = layout.offsets[feature.name] + value
    return samples


def _table(
    samples: NDArray[np.void],
    clicked: NDArray[np.bool_],
    begin_ms: int,
    name: str,
    spec: FeatureSpec,
) -> pa.Table:
    rows, size = len(samples), samples.dtype.itemsize
    times = begin_ms + np.arange(rows) * HOUR_MS // rows
    data = samples.tobytes()
    packed = pa.array([data[at : at + size] for at in range(0, len(data), size)], pa.binary())
    columns = {
        "kind": np.where(clicked, "POSITIVE", "NEGATIVE"),
        "request_id": [f"{name}-{number}" for number in range(rows)],
        "ad_id": np.full(rows, "a"),
        "user_id": np.full(rows, "u"),
        "ts": times,
        "position": np.ones(rows, np.int32),
        "price": np.ones(rows, np.int64),
        "variant": np.full(rows, "deepfm"),
        "model_version": np.full(rows, "v"),
        "predicted_ctr": np.full(rows, 0.1, np.float32),
        "propensity": np.ones(rows, np.float32),
        "feature_fingerprint": np.full(rows, spec.fingerprint),
        "inputs": packed,
        "label": clicked.astype(np.int32),
        "label_ts": times,
        "click_ts": pa.array(times, mask=~clicked),
        "sample_weight": np.ones(rows, np.float32),
    }
    schema = arrow_schema(SAMPLES)
    arrays = [pa.array(columns[field.name]).cast(field.type) for field in schema]
    return pa.Table.from_arrays(arrays, schema=schema)
