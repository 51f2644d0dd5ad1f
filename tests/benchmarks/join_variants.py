"""One join over the benchmark's topics, in a process of its own: ours, plain SQL, or Python.

``python -m tests.benchmarks.join_variants`` with a Task on the command line: so many records are
read, and the rows go to a blackhole.
"""

import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from pyflink.common import Configuration, Types
from pyflink.datastream import KeyedCoProcessFunction, RuntimeContext, StreamExecutionEnvironment
from pyflink.datastream.state import ValueStateDescriptor
from pyflink.table import StreamTableEnvironment

from schemas import topics
from schemas.features import FeatureSpec
from streaming.flink_options import graph_options, run_options
from streaming.jobs import events_job
from streaming.jobs.internal_rows import internal_rows
from streaming.jobs.job_environment import LOGGING
from streaming.jobs.label_join import LabelRules, join_labels
from streaming.jobs.redis_rows import RedisTarget
from streaming.jobs.statements import kafka_options, seconds, statement
from streaming.readiness import require_jars
from streaming.settings import JobName, StreamingSettings

ROOT = Path(__file__).resolve().parents[2]
TOKEN_KEYS = "1:" + "00" * 16
SPEC = FeatureSpec.load("world")
LABEL_WAIT_MS = 900_000
ATTRIBUTION_WINDOW_MS = 86_400_000

BOUNDED = """'connector' = 'kafka',
  'scan.bounded.mode' = 'specific-offsets',
  'scan.bounded.specific-offsets' = 'partition:0,offset:{offset}'"""
#: The events job's table gathers an impression's columns in one; the other variants read theirs.
GATHERED = re.compile(r"impression ROW<.*?\n  >", re.DOTALL)
FLAT = "user_id STRING, inputs BYTES"
HOLE = """
CREATE TEMPORARY TABLE hole (
  request_id STRING, ad_id STRING, user_id STRING, inputs BYTES, label INT
) WITH ('connector' = 'blackhole')
"""
PLAIN_SQL = """
SELECT i.request_id, i.ad_id, i.user_id, i.inputs, IF(c.request_id IS NULL, 0, 1)
FROM impressions i
LEFT JOIN clicks c
  ON i.request_id = c.request_id AND i.ad_id = c.ad_id
  AND c.event_time BETWEEN i.event_time AND i.event_time + INTERVAL '15' MINUTE
UNION ALL
SELECT i.request_id, i.ad_id, i.user_id, i.inputs, 1
FROM impressions i
JOIN clicks c
  ON i.request_id = c.request_id AND i.ad_id = c.ad_id
  AND c.event_time > i.event_time + INTERVAL '15' MINUTE
  AND c.event_time <= i.event_time + INTERVAL '1' DAY
"""


@dataclass(frozen=True, slots=True)
class Task:
    """What a variant is told: how many records of each topic it reads, and the window of ours."""

    variant: str
    backend: str
    bootstrap: str
    rest_port: int
    folder: Path
    redis_url: str
    impressions: int
    clicks: int
    attribution_window_ms: int

    def arguments(self) -> list[str]:
        """For the command line, which :meth:`parse` reads."""
        return [str(getattr(self, field.name)) for field in fields(self)]

    @classmethod
    def parse(cls, arguments: list[str]) -> "Task":
        """From the command line."""
        variant, backend, bootstrap, rest_port, folder, redis_url, *counts = arguments
        place = bootstrap, int(rest_port), Path(folder), redis_url
        return cls(variant, backend, *place, *map(int, counts))


class Flink:
    """An embedded cluster with the events job's own options and sources, which are bounded."""

    def __init__(self, task: Task) -> None:
        self.task = task
        configuration = Configuration()
        options = flink_options(task.backend, task.rest_port, task.folder)
        if task.variant == "events-job":
            options |= events_job.CONFIGURATION
        for key, value in options.items():
            configuration.set_string(key, value)
        self.stream = StreamExecutionEnvironment.get_execution_environment(configuration)
        jars = require_jars(ROOT / ".build" / "flink")
        self.stream.add_jars(*(jar.as_uri() for jar in jars))
        self.tables = StreamTableEnvironment.create(self.stream)

    def read_events(self) -> None:
        """Name the two topics and the sink."""
        task = self.task
        for topic, count in ((topics.IMPRESSIONS, task.impressions), (topics.CLICKS, task.clicks)):
            text = statement(
                JobName.EVENTS,
                topic.name,
                topic=topic.name,
                kafka=kafka_options(task.bootstrap),
                group="bench",
                token_keys=TOKEN_KEYS,
                fingerprint=SPEC.fingerprint,
                ahead_seconds=600,
                out_of_order_seconds=seconds(1_000),
                schema_folder="",
                schema_registry="",
            )
            if task.variant != "label-join":
                text = GATHERED.sub(FLAT, text)
            bounded = BOUNDED.format(offset=count)
            self.tables.execute_sql(text.replace("'connector' = 'kafka'", bounded))
        self.tables.execute_sql(HOLE)


def source(flink: Flink) -> None:
    """The floor under all of them: events are read, decoded and handed on."""
    flink.read_events()
    flink.tables.execute_sql(
        "INSERT INTO hole SELECT request_id, ad_id, user_id, inputs, 0 FROM impressions "
        "UNION ALL SELECT request_id, ad_id, '', X'', 1 FROM clicks"
    ).wait()


def label_join(flink: Flink) -> None:
    """The events job's own join."""
    flink.read_events()
    tables = flink.tables
    views = ("impressions_to_join", "clicks_to_join")
    for view in views:
        tables.execute_sql(statement(JobName.EVENTS, view))
    rules = LabelRules(LABEL_WAIT_MS, flink.task.attribution_window_ms, negative_keep=1.0)
    shown, clicked = (internal_rows(tables, view) for view in views)
    join_labels(tables, shown, clicked, rules)
    tables.execute_sql(
        "INSERT INTO hole SELECT request_id, ad_id, user_id, inputs, label FROM joined"
    ).wait()


def whole_job(flink: Flink) -> None:
    """The events job with all its sinks, which does not end."""
    task = flink.task
    target = RedisTarget(task.redis_url, SPEC, task.rest_port + 1, "WARNING")
    settings = StreamingSettings.load(data=task.folder)
    options = events_job.EventsJobOptions(
        kafka=task.bootstrap,
        token_keys=TOKEN_KEYS,
        redis=target,
        lake=task.folder / "lake",
        rules=LabelRules(LABEL_WAIT_MS, task.attribution_window_ms, negative_keep=1.0),
        out_of_order_ms=1_000,
        ahead_seconds=600,
        count_ms=settings.count_ms,
        batch_ms=settings.batch_ms,
    )
    events_job.build(flink.tables, options)
    flink.stream.execute("events")


def plain_sql(flink: Flink) -> None:
    """Two interval joins: no repeats dropped, no first label before a correction."""
    flink.read_events()
    flink.tables.execute_sql(f"INSERT INTO hole {PLAIN_SQL}").wait()


def python_function(flink: Flink) -> None:
    """A keyed function in Python that does no more than remember and match."""
    flink.read_events()
    impressions, clicks = (
        flink.tables.to_data_stream(
            flink.tables.sql_query(f"SELECT CONCAT(request_id, ad_id) AS id, {column} FROM {table}")
        ).key_by(lambda row: row[0], Types.STRING())
        for table, column in (("impressions", "inputs"), ("clicks", "ts"))
    )
    impressions.connect(clicks).process(_Match(), Types.STRING())
    flink.stream.execute("python")


class _Match(KeyedCoProcessFunction):  # type: ignore[misc]
    def open(self, runtime_context: RuntimeContext) -> None:
        inputs = ValueStateDescriptor("inputs", Types.PICKLED_BYTE_ARRAY())
        self._inputs = runtime_context.get_state(inputs)

    def process_element1(self, value: Any, ctx: Any) -> Iterator[str]:
        self._inputs.update(value[1])
        yield value[0]

    def process_element2(self, value: Any, ctx: Any) -> Iterator[str]:
        if self._inputs.value() is not None:
            yield value[0]


def flink_options(backend: str, rest_port: int, folder: Path) -> dict[str, str]:
    """Those of the events job in production, but for what is said here."""
    settings = StreamingSettings.load(data=folder, state_backend=backend, managed_memory_mb=1024)
    return {
        **graph_options(settings),
        **run_options(JobName.EVENTS, settings, None),
        "rest.port": str(rest_port),
        "rest.bind-address": "127.0.0.1",
        "metrics.fetcher.update-interval": "500 ms",
        "taskmanager.memory.managed.size": f"{settings.managed_memory_mb}mb",
    }


VARIANTS: dict[str, Callable[[Flink], None]] = {
    "source": source,
    "label-join": label_join,
    "events-job": whole_job,
    "plain-sql": plain_sql,
    "python": python_function,
}


def main() -> None:
    """See the module's text."""
    task = Task.parse(sys.argv[1:])
    os.environ["LOG4J_PROPERTIES"] = str(LOGGING)
    os.environ["FLINK_LOG_DIR"] = str(task.folder)
    os.environ["JVM_ARGS"] = f"-Xms6g -Xmx6g {os.environ.get('BENCH_JVM_OPTIONS', '')}"
    VARIANTS[task.variant](Flink(task))


if __name__ == "__main__":
    main()
