"""Rows for Redis -> batches of commands (Java) -> Redis (Flink's Python worker)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from prometheus_client import REGISTRY
from pyflink.common import Types
from pyflink.datastream import DataStream, ProcessFunction, RuntimeContext
from pyflink.java_gateway import get_gateway

from schemas import log_lines, redis_keys
from schemas.addresses import RedisAddress
from schemas.features import FeatureSpec
from streaming.metrics import serve_metrics
from streaming.redis_sink.batch_writer import BatchWriter, RedisBatch
from streaming.redis_sink.pipeline import RedisPipeline

UID = "redis"


@dataclass(frozen=True, slots=True)
class RedisTarget:
    """Where rows go, and the port on which the worker's metrics are."""

    address: RedisAddress | str
    spec: FeatureSpec
    metrics_port: int
    log_level: str


def batches(rows: Any, kind: str, spec: FeatureSpec, batch_ms: int) -> Any:
    """Batches of a Java stream of RedisRow.java; ``kind`` is counters, clicks, ads or users."""
    jvm = get_gateway().jvm
    names = jvm.ctr.RedisKeys(
        redis_keys.COUNTERS,
        redis_keys.ADS,
        redis_keys.USER_PREFIX,
        redis_keys.CHANGES,
        redis_keys.SHARDS,
        redis_keys.PUT_NEWER,
        redis_keys.COUNTERS_TTL_SECONDS,
        redis_keys.USER_TTL_SECONDS,
        redis_keys.CHANGES_MAX_ENTRIES,
    )
    users, ads = ",".join(spec.user_counters), ",".join(spec.ad_counters)
    return jvm.ctr.RedisBatches.of(rows, kind, names, users, ads, batch_ms)


def write_batches(first: Any, others: Sequence[Any], target: RedisTarget) -> None:
    """Write all of these Java streams of batches.

    A failed write fails the job: Flink starts it again from its checkpoint, and since values are
    absolute and versioned the repetition changes nothing.
    """
    streams = [DataStream(stream) for stream in others]
    united = DataStream(first).union(*streams) if streams else DataStream(first)
    united.process(_WriteBatches(target), Types.STRING()).uid(UID).name(UID)


class _WriteBatches(ProcessFunction):  # type: ignore[misc]
    def __init__(self, target: RedisTarget) -> None:
        self._target = target

    def open(self, runtime_context: RuntimeContext) -> None:
        target = self._target
        log_lines.configure(target.log_level)
        serve_metrics(target.metrics_port, REGISTRY)
        self._writer = BatchWriter(RedisPipeline(target.address), REGISTRY)

    def process_element(self, value: Sequence[Any], ctx: ProcessFunction.Context) -> None:
        kind, rows, commands, shards, changes, click_ts, rewritten = value
        batch = RedisBatch(kind, rows, commands, shards, changes, click_ts, rewritten or "")
        self._writer.write(batch)
