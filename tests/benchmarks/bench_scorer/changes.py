"""What the jobs write while a scorer serves: row deltas, packages, ads; by a process of its own."""

import multiprocessing
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import numpy as np
import redis

from schemas import redis_keys
from schemas.features import FeatureSpec
from schemas.row_delta import RowDelta
from tests.benchmarks.bench_scorer.fill import RawRedis, write_package
from tests.benchmarks.bench_scorer.model import BenchModel
from tests.benchmarks.bench_scorer.rig import take_what_is_left
from tests.schemas.rows_hash import rows_to_hash
from tests.scorer.publisher import MODEL, wall_ms

_READY_SECONDS = 60.0


def publish(
    redis_port: int,
    features: Path,
    seed: int,
    ads_per_second: int,
    ads: int,
    swap_seconds: float,
    versions: Sequence[str],
    ready: Event,
    stopping: Event,
) -> None:
    """Every second the rows of so many ads; after half of ``swap_seconds``, and then whenever these
    have gone by, the next package.

    A package's rows are those of the first one: what counts is that all of them are read anew.
    The jobs that it stands for are on other machines, so it takes no time that the load wants.
    """
    take_what_is_left()
    spec = FeatureSpec.load(str(features))
    model = BenchModel.of(spec, seed)
    client: Any = redis.Redis(port=redis_port)
    raw = RawRedis(redis_port)
    random = np.random.default_rng(seed)
    ad = next(f for f in model.layout.ad_categoricals if f.name == "ad")
    rows = max(1, round(ads_per_second * ad.buckets / ads))
    first = model.layout.offsets["ad"] + 1
    version = client.get(redis_keys.model_current(MODEL)).decode()
    ready.set()
    sequence, next_swap, left = 0, time.monotonic() + swap_seconds / 2, list(versions)
    while not stopping.wait(1.0):
        if left and time.monotonic() >= next_swap:
            version, sequence, next_swap = left.pop(0), 0, next_swap + swap_seconds
            write_package(raw, model.package(version, spec.fingerprint))
        ids = np.unique(random.integers(first, first + ad.buckets - 1, rows)).astype(np.int32)
        values = model.arrays.table[ids] + np.float32(0.001) * random.standard_normal(
            (len(ids), model.arrays.table.shape[1]), np.float32
        )
        now = np.array([wall_ms()], np.int64)
        delta = RowDelta(version, version, sequence, ids, values.astype(np.float32), now)
        with client.pipeline() as pipe:
            pipe.hset(
                redis_keys.model_rows(MODEL, version), mapping=rows_to_hash(ids, delta.values)
            )
            pipe.xadd(redis_keys.model_deltas(MODEL, version), delta.to_fields(), maxlen=120)
            pipe.execute()
        sequence += 1


@contextmanager
def published(*arguments: Any) -> Iterator[None]:
    """Runs ``publish`` meanwhile."""
    context = multiprocessing.get_context("spawn")
    ready, stopping = context.Event(), context.Event()
    process = context.Process(target=publish, args=(*arguments, ready, stopping))
    process.start()
    try:
        ready.wait(_READY_SECONDS)
        yield
    finally:
        stopping.set()
        process.join(30)
