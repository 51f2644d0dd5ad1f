"""The model as it was served from moment to moment: its package, and the row deltas until then."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import redis
from numpy.typing import NDArray

from online_model.training.package_scorer import PackageScorer
from schemas import redis_keys
from schemas.features import FeatureSpec
from schemas.model_package import ModelPackage
from schemas.row_delta import RowDelta, rows_from_hash
from stores.paged_reads import stream_entries, whole_hash


@dataclass(frozen=True, slots=True)
class ServedState:
    """From ``since_ms`` until ``until_ms`` this is what was published. ``scorer`` has its rows and
    ``shift`` its base rate; ``known`` [rows] are those whose values are certain. All three change
    with the next state."""

    since_ms: float
    until_ms: float
    scorer: PackageScorer
    shift: float
    known: NDArray[np.bool_]

    def knows(self, samples: NDArray[np.void]) -> NDArray[np.bool_]:
        """Whether all rows that a sample [n] reads are certain."""
        ids = self.scorer.rows_read(samples)
        certain: NDArray[np.bool_] = (self.known[np.maximum(ids, 0)] | (ids < 0)).all(axis=1)
        return certain

    def probabilities(self, samples: NDArray[np.void]) -> NDArray[np.float64]:
        """Of encoded samples [n]."""
        calibration = self.scorer.calibration.shifted(self.shift)
        return calibration.probabilities(self.scorer.logits(samples))


def served_states(
    client: Any, model: str, package: ModelPackage, spec: FeatureSpec
) -> Iterator[ServedState]:
    """In the order of time, as far back as Redis keeps deltas. Raises PackageError, DeltaError."""
    scorer = PackageScorer(package, spec)
    version = package.manifest.version
    deltas, rows = redis_keys.model_deltas(model, version), redis_keys.model_rows(model, version)
    # Rows first: of one that changes meanwhile a delta then says that it was not always so.
    newest = rows_from_hash(whole_hash(client, rows), spec.embedding_dim)
    entries = [
        (_moment(entry_id), RowDelta.from_fields(fields))
        for entry_id, fields in stream_entries(client, deltas)
    ]
    known = np.ones(scorer.rows, np.bool_)
    if not entries:
        if not len(newest[0]):
            yield ServedState(-np.inf, np.inf, scorer, 0.0, known)
        return
    if entries[0][1].sequence == 0 and _is_whole(client, deltas, len(entries)):
        yield ServedState(-np.inf, entries[0][0], scorer, 0.0, known)
    else:
        _forget(scorer, known, newest, [delta for _, delta in entries])
    for number, (moment, delta) in enumerate(entries):
        if number and delta.epoch != entries[number - 1][1].epoch:
            # The learner began again from its checkpoint, with rows as they were then.
            _forget(scorer, known, newest, [later for _, later in entries[number:]])
        scorer.put_rows(delta.ids, delta.values)
        known[delta.ids] = True
        until = entries[number + 1][0] if number + 1 < len(entries) else np.inf
        yield ServedState(moment, until, scorer, delta.shift, known)


def _forget(
    scorer: PackageScorer,
    known: NDArray[np.bool_],
    newest: tuple[NDArray[np.int32], NDArray[np.float32]],
    coming: Sequence[RowDelta],
) -> None:
    """What learnt rows were is known only of those that no coming delta changes."""
    ids, values = newest
    known[ids] = False
    changed = np.unique(np.concatenate([delta.ids for delta in coming]))
    known[changed] = False
    same = ~np.isin(ids, changed)
    scorer.put_rows(ids[same], values[same])
    known[ids[same]] = True


def _is_whole(client: redis.Redis, stream: str, length: int) -> bool:
    """Whether nothing was trimmed."""
    told: Any = client.xinfo_stream(stream)
    return int(told.get("entries-added", -1)) == length


def _moment(entry_id: bytes) -> int:
    return int(entry_id.split(b"-")[0])
