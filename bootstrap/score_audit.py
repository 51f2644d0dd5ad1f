"""Served probabilities against the offline model on the same tokens.

What was served is package and row deltas as they were then. A delta takes a moment to a scorer, and
longer to halves that many ads share: a sample agrees if any state of the last seconds says so.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.dataset as ds
import redis
from numpy.typing import NDArray

from bootstrap.counter_audit import MOST_LISTED, ms
from bootstrap.served_states import ServedState, served_states
from schemas.features import FeatureSpec
from schemas.lake import SAMPLES
from schemas.layout import Layout
from schemas.model_package import Manifest
from stores.lake.reader import hours_of, read_hour
from stores.model_versions import ModelVersions

COLUMNS = ("kind", "request_id", "ad_id", "ts", "predicted_ctr", "inputs", "model_version")
#: A delta is in every scorer after so long.
SETTLED_MS = 10_000
#: Clocks of Redis and of ad servers may be so far apart.
CLOCKS_MS = 500


@dataclass(slots=True)
class ScoreAudit:
    """``unknown`` samples read rows of which Redis does not tell any more what they were;
    ``largest`` difference of ``compared`` probabilities; ``different_requests`` share of the
    requests that ``compared`` ones are of. One that was answered in haste, without the tower,
    differs rightly, and its token does not tell."""

    version: str = ""
    compared: int = 0
    unknown: int = 0
    different: int = 0
    different_requests: float = 0.0
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
    package = versions.fetch(version)
    rows = _newest(lake, package.manifest, layout.dtype.itemsize, most)
    audit = ScoreAudit(version)
    if not rows:
        return audit
    samples = layout.unpack(b"".join(row["inputs"] for row in rows))
    served_ms = np.array([ms(row["ts"]) for row in rows], np.int64)
    served = np.array([row["predicted_ctr"] for row in rows])
    states = served_states(client, model, package, spec)
    nearest = _nearest(states, samples, served_ms, served)
    requests, differing = set[str](), set[str]()
    for row, offline in zip(rows, nearest.tolist(), strict=True):
        if np.isnan(offline):
            audit.unknown += 1
            continue
        audit.compared += 1
        requests.add(row["request_id"])
        difference = abs(offline - row["predicted_ctr"])
        audit.largest = max(audit.largest, difference)
        if difference <= tolerance:
            continue
        audit.different += 1
        differing.add(row["request_id"])
        if len(audit.differences) < MOST_LISTED:
            audit.differences.append(
                {
                    "request_id": row["request_id"],
                    "ad_id": row["ad_id"],
                    "served": row["predicted_ctr"],
                    "offline": offline,
                }
            )
    audit.different_requests = len(differing) / max(1, len(requests))
    return audit


def _newest(lake: Path, manifest: Manifest, size: int, most: int) -> list[dict[str, Any]]:
    """First labels of what a version scored, in order of time: of the last hours that have
    ``most``, and none from before there was such a version."""
    where = (ds.field("model_version") == manifest.version) & (
        ds.field("feature_fingerprint") == manifest.feature_fingerprint
    )
    rows: list[dict[str, Any]] = []
    for hour in reversed(hours_of(lake, SAMPLES)):
        if len(rows) >= most or hour.end.timestamp() * 1000 <= manifest.created_ms:
            break
        rows += [
            row
            for row in read_hour(lake, SAMPLES, hour, COLUMNS, where).to_pylist()
            if row["kind"] in ("POSITIVE", "NEGATIVE") and len(row["inputs"]) == size
        ]
    return sorted(rows, key=lambda row: row["ts"])[-most:]


def _nearest(
    states: Iterable[ServedState],
    samples: NDArray[np.void],
    served_ms: NDArray[np.int64],
    served: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Of each sample [n] the probability, by the states that it may have been served by, which is
    nearest to the served one; NaN where no such state is known."""
    nearest = np.full(len(samples), np.nan)
    for state in states:
        possible = (served_ms >= state.since_ms - CLOCKS_MS) & (
            served_ms <= state.until_ms + SETTLED_MS
        )
        at = np.flatnonzero(possible)
        at = at[state.knows(samples[at])]
        if not len(at):
            continue
        found = state.probabilities(samples[at])
        before = nearest[at]
        better = np.isnan(before) | (np.abs(found - served[at]) < np.abs(before - served[at]))
        nearest[at[better]] = found[better]
    return nearest
