"""Rows of the events job's batches -> Redis, in Flink's Python worker."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from prometheus_client import REGISTRY
from pyflink.common import Types
from pyflink.datastream import DataStream, ProcessFunction, RuntimeContext

from schemas import log_lines
from schemas.features import FeatureSpec
from streaming.metrics import serve_metrics
from streaming.redis_sink.writer import RedisWriter

Write = Callable[[RedisWriter, Sequence[Any]], None]


@dataclass(frozen=True, slots=True)
class RedisTarget:
    """Where rows go, and the port on which the worker's metrics are."""

    redis_url: str
    spec: FeatureSpec
    metrics_port: int
    log_level: str


def write_rows(batches: DataStream, target: RedisTarget, write: Write, uid: str) -> None:
    """Write each row of ``batches``, whose columns are arrays of equal length.

    A failed write fails the job: Flink starts it again from its checkpoint, and since values are
    absolute and versioned the repetition changes nothing.
    """
    batches.process(_WriteRows(target, write), Types.STRING()).uid(uid).name(uid)


class _WriteRows(ProcessFunction):  # type: ignore[misc]
    def __init__(self, target: RedisTarget, write: Write) -> None:
        self._target = target
        self._write = write

    def open(self, runtime_context: RuntimeContext) -> None:
        log_lines.configure(self._target.log_level)
        serve_metrics(self._target.metrics_port, REGISTRY)
        self._writer = RedisWriter(self._target.redis_url, self._target.spec, REGISTRY)

    def process_element(self, value: Sequence[Any], ctx: ProcessFunction.Context) -> None:
        self._write(self._writer, value)


def write_counters(writer: RedisWriter, row: Sequence[Any]) -> None:
    """A row of counter_batches.sql."""
    keys, versions, impressions, clicks, click_ts = row
    writer.write_counters(keys, versions, impressions, clicks, [ts or None for ts in click_ts])


def write_last_clicks(writer: RedisWriter, row: Sequence[Any]) -> None:
    """A row of last_click_batches.sql."""
    user_ids, versions, ad_ids = row
    writer.write_clicks(user_ids, versions, ad_ids)


def write_catalogue(writer: RedisWriter, row: Sequence[Any]) -> None:
    """A row of catalogue_batches.sql; an empty body deletes."""
    kind, ids, versions, bodies = row
    write = writer.write_ads if kind == "ads" else writer.write_users
    write(ids, versions, [body or None for body in bodies])
