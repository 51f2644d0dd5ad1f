"""Rows of the events job's batches -> Redis, in Flink's Python worker."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from prometheus_client import REGISTRY
from pyflink.common import Types
from pyflink.datastream import DataStream, ProcessFunction, RuntimeContext

from schemas import log_lines
from schemas.features import FeatureSpec
from streaming.metrics import serve_metrics
from streaming.redis_sink.writer import RedisWriter

UID = "redis"


@dataclass(frozen=True, slots=True)
class RedisTarget:
    """Where rows go, and the port on which the worker's metrics are."""

    redis_url: str
    spec: FeatureSpec
    metrics_port: int
    log_level: str


def write_rows(batches: DataStream, target: RedisTarget) -> None:
    """Write rows of redis_batches.sql.

    A failed write fails the job: Flink starts it again from its checkpoint, and since values are
    absolute and versioned the repetition changes nothing.
    """
    batches.process(_WriteRows(target), Types.STRING()).uid(UID).name(UID)


class _WriteRows(ProcessFunction):  # type: ignore[misc]
    def __init__(self, target: RedisTarget) -> None:
        self._target = target

    def open(self, runtime_context: RuntimeContext) -> None:
        target = self._target
        log_lines.configure(target.log_level)
        serve_metrics(target.metrics_port, REGISTRY)
        self._writer = RedisWriter(target.redis_url, target.spec, REGISTRY)

    def process_element(self, value: Sequence[Any], ctx: ProcessFunction.Context) -> None:
        write_row(self._writer, *value)


def write_row(
    writer: RedisWriter,
    kind: str,
    keys: Sequence[str],
    versions: Sequence[int],
    bodies: Sequence[bytes],
    impressions: Sequence[Sequence[int]],
    clicks: Sequence[Sequence[int]],
    click_ts: Sequence[int],
    ad_ids: Sequence[Sequence[str]],
) -> None:
    """One batch; an empty body deletes, a ``click_ts`` of 0 means none."""
    if kind == "counters":
        times = [ts or None for ts in click_ts]
        writer.write_counters(keys, versions, impressions, clicks, times)
    elif kind == "clicks":
        writer.write_clicks(keys, versions, ad_ids)
    elif kind == "ads":
        writer.write_ads(keys, versions, [body or None for body in bodies])
    else:
        writer.write_users(keys, versions, [body or None for body in bodies])
