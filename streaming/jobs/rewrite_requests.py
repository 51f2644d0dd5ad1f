"""Requests for all rows once more, as a stream: RowsWatch in Flink's Python worker."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyflink.common import Row, Types
from pyflink.datastream import ProcessFunction, RuntimeContext
from pyflink.table import StreamTableEnvironment

from schemas import avro_codec, log_lines
from schemas.addresses import KafkaAddress, RedisAddress
from streaming.jobs.internal_rows import internal_rows
from streaming.jobs.statements import statement
from streaming.redis_sink.catalogue_replay import CatalogueReplay
from streaming.redis_sink.catalogue_writer import CatalogueWriter
from streaming.redis_sink.pipeline import RedisPipeline
from streaming.redis_sink.rows_watch import RowsWatch
from streaming.settings import JobName

UID = "rows-watch"
VIEW = "rewrite_requests"
#: window-counters and last-clicks, see RowKeeper.java.
OPERATORS = 2


@dataclass(frozen=True, slots=True)
class WatchedRedis:
    """What is watched, and where the catalogue is."""

    redis: RedisAddress | str
    kafka: KafkaAddress | str
    ahead_seconds: int
    schema_folder: Path | None
    schema_registry: str
    log_level: str


def rewrite_requests(tables: StreamTableEnvironment, watched: WatchedRedis) -> Any:
    """A Java stream of internal rows with one text, the request."""
    tables.execute_sql(statement(JobName.EVENTS, "watch_ticks"))
    ticks = tables.to_data_stream(tables.from_path("watch_ticks"))
    parallelism = ticks.get_execution_environment().get_parallelism()
    requests = (
        ticks.process(
            _Watch(watched, OPERATORS * parallelism),
            Types.ROW_NAMED(["request"], [Types.STRING()]),
        )
        .uid(UID)
        .name(UID)
        .set_parallelism(1)
    )
    tables.create_temporary_view(VIEW, requests)
    return internal_rows(tables, VIEW).stream


class _Watch(ProcessFunction):  # type: ignore[misc]
    def __init__(self, watched: WatchedRedis, operators: int) -> None:
        self._watched = watched
        self._operators = operators

    def open(self, runtime_context: RuntimeContext) -> None:
        watched = self._watched
        log_lines.configure(watched.log_level)
        if watched.schema_folder is not None:
            avro_codec.learn(watched.schema_folder)
        pipeline = RedisPipeline(watched.redis)
        writer = CatalogueWriter(pipeline)
        self._watch = RowsWatch(
            pipeline,
            self._operators,
            lambda: CatalogueReplay(
                watched.kafka, watched.ahead_seconds, writer, watched.schema_registry
            ),
        )

    def process_element(self, value: Any, ctx: ProcessFunction.Context) -> Iterator[Row]:
        request = self._watch.look()
        if request is not None:
            yield Row(request=request)

    def close(self) -> None:
        self._watch.close()
