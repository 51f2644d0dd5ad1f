"""Served probabilities against the offline model on the same tokens.

What was served is package and row deltas as they were then. So a sample is compared if the rows
that it reads have not changed from before it was served until now, as the stream of deltas tells.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.dataset as ds
import redis
from numpy.typing import NDArray

from bootstrap.counter_audit import MOST_LISTED, ms
from online_model.package_scorer import PackageScorer
from schemas import redis_keys
from schemas.features import FeatureSpec
from schemas.lake import SAMPLES
from schemas.layout import Layout
from schemas.model_package import TABLE_FILE, ModelPackage
from schemas.row_delta import RowDelta, rows_from_hash
from stores.lake.reader import read_table
from stores.model_versions import ModelVersions

COLUMNS = ("kind", "request_id", "ad_id", "ts", "predicted_ctr", "inputs", "model_version")
#: A delta is in every scorer after so long; what was served about it may be of before or after.
SETTLED_MS = 10_000


@dataclass(slots=True)
class ScoreAudit:
    """``changed`` samples read rows that were learnt since; ``largest`` difference of ``compared``
    probabilities."""

    version: str = ""
    compared: int = 0
    changed: int = 0
    different: int = 0
    largest: float = 0.0
    differences: list[dict[str, Any]] = field(default_factory=list)


def audit_scores(
    client: redis.Redis,
    model: str,
    spec: FeatureSpec,
    lake: Path,
    tolerance: float,
    most: int,
) -> ScoreAudit:
    """Of the newest samples of the version that is served. Raises LakeError, PackageError."""
    versions, layout = ModelVersions(client, model), Layout.of(spec)
    version = versions.current()
    if version is None:
        return ScoreAudit()
    where = (ds.field("model_version") == version) & (
        ds.field("feature_fingerprint") == spec.fingerprint
    )
    table = read_table(lake, SAMPLES, COLUMNS, where)
    rows = [
        row
        for row in table.to_pylist()
        if row["kind"] in ("POSITIVE", "NEGATIVE") and len(row["inputs"]) == layout.dtype.itemsize
    ]
    rows = sorted(rows, key=lambda row: row["ts"])[-most:]
    audit = ScoreAudit(version)
    if not rows:
        return audit
    samples = layout.unpack(b"".join(row["inputs"] for row in rows))
    served_ms = np.array([ms(row["ts"]) for row in rows], np.int64)
    comparable = unchanged(client, model, version, samples, served_ms)
    audit.changed = int(np.sum(~comparable))
    package = with_rows(versions.fetch(version), client, model, layout, spec.embedding_dim)
    chosen = np.flatnonzero(comparable)
    offline = PackageScorer(package, spec).probabilities(samples[chosen])
    for place, probability in zip(chosen.tolist(), offline.tolist(), strict=True):
        row, audit.compared = rows[place], audit.compared + 1
        difference = abs(probability - row["predicted_ctr"])
        audit.largest = max(audit.largest, difference)
        if difference <= tolerance:
            continue
        audit.different += 1
        if len(audit.differences) < MOST_LISTED:
            audit.differences.append(
                {
                    "request_id": row["request_id"],
                    "ad_id": row["ad_id"],
                    "served": row["predicted_ctr"],
                    "offline": probability,
                }
            )
    return audit


def unchanged(
    client: Any,
    model: str,
    version: str,
    samples: NDArray[np.void],
    served_ms: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """Which samples [n] read rows that are now as they were when each was served."""
    entries: Sequence[Any] = client.xrange(redis_keys.model_deltas(model, version))
    if not entries:
        return np.full(len(samples), not client.exists(redis_keys.model_rows(model, version)))
    moments = [int(entry_id.split(b"-")[0]) for entry_id, _ in entries]
    read = np.concatenate([samples[part] for part in ("request_ids", "ad_ids", "sequence")], axis=1)
    changed_ms = np.zeros(int(read.max(initial=0)) + 1, np.int64)
    for moment, (_, fields) in zip(moments, entries, strict=True):
        ids = RowDelta.from_fields(fields).ids
        changed_ms[ids[ids < len(changed_ms)]] = moment
    newest = np.where(read >= 0, changed_ms[np.maximum(read, 0)], 0).max(axis=1)
    settled: NDArray[np.bool_] = served_ms > np.maximum(newest, moments[0]) + SETTLED_MS
    return settled


def with_rows(
    package: ModelPackage, client: Any, model: str, layout: Layout, dim: int
) -> ModelPackage:
    """The package as it is served now: with the compacted rows of its deltas."""
    fields = client.hgetall(redis_keys.model_rows(model, package.manifest.version))
    if not fields:
        return package
    ids, values = rows_from_hash(fields, dim)
    table = np.load(io.BytesIO(package.files[TABLE_FILE]), allow_pickle=False)
    table[ids] = values
    buffer = io.BytesIO()
    np.save(buffer, table)
    return ModelPackage(package.manifest, {**package.files, TABLE_FILE: buffer.getvalue()})
