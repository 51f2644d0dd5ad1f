"""What the jobs write while a scorer serves: row deltas and packages, by a process of its own."""

import multiprocessing
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import numpy as np
import redis
from numpy.typing import NDArray

from schemas import redis_keys
from schemas.features import FeatureSpec
from schemas.row_delta import RowDelta
from streaming.learning.delta_publisher import ROWS_PER_COMMAND
from tests.benchmarks.bench_scorer.fill import RawRedis, bulk, write_package
from tests.benchmarks.bench_scorer.model import BenchModel
from tests.benchmarks.bench_scorer.rig import take_what_is_left
from tests.schemas.rows_hash import rows_to_hash
from tests.scorer.publisher import MODEL, wall_ms

_READY_SECONDS = 120.0
#: Deltas that are made ahead; they come again and again.
_DELTAS = 8


@dataclass(frozen=True, slots=True)
class Changes:
    """``ads_per_second`` of ``ads`` ads get other rows; after half of ``swap_seconds``, and then
    whenever these have gone by, the next of ``versions`` comes."""

    redis_port: int
    features: Path
    seed: int
    ads_per_second: int
    ads: int
    swap_seconds: float
    versions: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Rows:
    """Table rows ``ids`` [n] with ``values`` [n, 1 + dim], and the same as arguments of HSET: how
    many and what, by command."""

    ids: NDArray[np.int32]
    values: NDArray[np.float32]
    arguments: Sequence[tuple[int, bytes]]

    @classmethod
    def of_ads(
        cls, model: BenchModel, buckets: int, count: int, random: np.random.Generator
    ) -> "_Rows":
        """So many different ones of the rows of the field ``ad``, each a little off the model's."""
        first = model.layout.offsets["ad"] + 1
        chosen = np.sort(random.choice(buckets - 1, count, replace=False))
        ids = (first + chosen).astype(np.int32)
        rows = model.arrays.table[ids]
        values = rows + np.float32(0.001) * random.standard_normal(rows.shape, np.float32)
        pairs = [bulk(row) + bulk(new) for row, new in rows_to_hash(ids, values).items()]
        parts = (pairs[at : at + ROWS_PER_COMMAND] for at in range(0, count, ROWS_PER_COMMAND))
        return cls(ids, values, [(2 * len(part), b"".join(part)) for part in parts])


def publish(changes: Changes, written: "Synchronized[int]", ready: Event, stopping: Event) -> None:
    """Until told to stop; ``written`` counts ads.

    A package's rows are those of the first one: what counts is that all of them are read anew.
    The jobs that it stands for are on other machines, so it takes no time that the load wants, and
    what can be made ahead is.
    """
    take_what_is_left()
    spec = FeatureSpec.load(str(changes.features))
    model = BenchModel.of(spec, changes.seed)
    ad = next(f for f in model.layout.ad_categoricals if f.name == "ad")
    count = max(1, round(changes.ads_per_second * ad.buckets / changes.ads))
    random = np.random.default_rng(changes.seed)
    deltas = [_Rows.of_ads(model, ad.buckets, count, random) for _ in range(_DELTAS)]
    package = model.package(changes.versions[0], spec.fingerprint)
    client: Any = redis.Redis(port=changes.redis_port)
    raw = RawRedis(changes.redis_port)
    version = client.get(redis_keys.model_current(MODEL)).decode()
    left = list(changes.versions)
    ready.set()
    start, second, sequence = time.monotonic(), 0, 0
    next_swap = start + changes.swap_seconds / 2
    while not stopping.wait(max(0.0, start + second + 1 - time.monotonic())):
        if left and time.monotonic() >= next_swap:
            version, sequence, next_swap = left.pop(0), 0, next_swap + changes.swap_seconds
            manifest = package.manifest.model_copy(update={"version": version})
            write_package(raw, replace(package, manifest=manifest))
        rows = deltas[second % _DELTAS]
        now = np.array([wall_ms()], np.int64)
        delta = RowDelta(version, version, sequence, rows.ids, rows.values, now)
        key = redis_keys.model_rows(MODEL, version).encode()
        for arguments, data in rows.arguments:
            raw.send_packed(2 + arguments, bulk(b"HSET") + bulk(key) + data)
        raw.drain()
        client.xadd(redis_keys.model_deltas(MODEL, version), delta.to_fields(), maxlen=120)
        with written.get_lock():
            written.value += changes.ads_per_second
        second, sequence = second + 1, sequence + 1


@contextmanager
def published(changes: Changes) -> "Iterator[Synchronized[int]]":
    """Runs ``publish`` meanwhile; how many ads were changed so far."""
    context = multiprocessing.get_context("spawn")
    ready, stopping = context.Event(), context.Event()
    written = context.Value("q", 0)
    process = context.Process(target=publish, args=(changes, written, ready, stopping))
    process.start()
    try:
        if not ready.wait(_READY_SECONDS):
            raise RuntimeError("the publisher is not ready")
        yield written
    finally:
        stopping.set()
        process.join(30)
