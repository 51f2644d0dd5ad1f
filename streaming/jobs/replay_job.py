"""The label join over archived events of the lake, as a batch: impressions, clicks -> samples.

Operators in order: lake_impressions, lake_clicks (Parquet sources) → sort keys (Java) → label-join
(Java, as in the events job) → lake (Parquet sink).

In batch mode Flink sorts the events of each impression and tells the join all of them before event
time passes: no state backend, no watermark, and every event counts as if it had come in time. So
the samples are those of the live job, except for events that came later than event time there: a
click within the label wait then is a POSITIVE, where live it was a NEGATIVE and a CORRECTION.
"""

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from pyflink.common import Configuration
from pyflink.datastream import RuntimeExecutionMode, StreamExecutionEnvironment
from pyflink.java_gateway import get_gateway
from pyflink.table import StreamTableEnvironment

from schemas.lake import CLICKS, IMPRESSIONS, LANDING, SAMPLES
from stores.lake.folders import Hour
from streaming.jobs.internal_rows import InternalRows, internal_rows
from streaming.jobs.job_environment import java_errors, start_jvm
from streaming.jobs.label_join import LabelRules, join_labels
from streaming.jobs.statements import lake_table, statement
from streaming.readiness import require_jars
from streaming.settings import JobName, StreamingSettings

_events_sql = partial(statement, JobName.EVENTS)
_sql = partial(statement, "replay")

NAME = "replay"
#: More than any offset: clicks come after their impression.
AFTER_IMPRESSIONS = 1 << 60


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """Impressions of the hours [first, end) of ``lake`` are labelled into the lake ``into``."""

    lake: Path
    into: Path
    first: Hour
    end: Hour
    rules: LabelRules

    @property
    def first_click(self) -> Hour:
        """First hour of clicks that may belong to the impressions."""
        return Hour.of(self.first.begin - self._window)

    @property
    def end_click(self) -> Hour:
        """The hour after the last one of such clicks."""
        return Hour.of(self.end.end + self._window)

    @property
    def _window(self) -> timedelta:
        return timedelta(milliseconds=self.rules.attribution_window_ms)


def run(settings: StreamingSettings, options: ReplayOptions) -> None:
    """Until all is labelled. Raises NotReady or JobFailed."""
    start_jvm(settings, is_command=True)
    configuration = Configuration()
    for key, value in _flink(settings).items():
        configuration.set_string(key, value)
    with java_errors(NAME):
        environment = StreamExecutionEnvironment.get_execution_environment(configuration)
        environment.set_runtime_mode(RuntimeExecutionMode.BATCH)
        environment.add_jars(*(jar.as_uri() for jar in require_jars(settings.jars)))
        build(StreamTableEnvironment.create(environment), options)
        environment.execute(NAME)


def build(tables: StreamTableEnvironment, options: ReplayOptions) -> None:
    """Add the job's operators to the environment; the caller executes it."""
    for table in (IMPRESSIONS, CLICKS):
        path = (options.lake.absolute() / table.name).as_uri()
        tables.execute_sql(lake_table(f"lake_{table.name}", path))
    tables.execute_sql(_sql("impressions", first=options.first, end=options.end))
    tables.execute_sql(
        _sql(
            "clicks",
            first=options.first_click,
            end=options.end_click,
            after_impressions=AFTER_IMPRESSIONS,
        )
    )
    join_labels(tables, _sorted(tables, "impressions"), _sorted(tables, "clicks"), options.rules)
    landing = (options.into.absolute() / LANDING / SAMPLES.name).as_uri()
    tables.execute_sql(lake_table("lake_sink", landing))
    inserts = tables.create_statement_set()
    inserts.add_insert_sql(_events_sql("lake"))
    inserts.attach_as_datastream()


def _sorted(tables: StreamTableEnvironment, view: str) -> InternalRows:
    rows = internal_rows(tables, view)
    order: Any = get_gateway().jvm.ctr.SortKey
    stream = order.of(rows.stream, rows.columns, "sort_key", f"sort-{view}")
    return InternalRows(stream, rows.columns)


def _flink(settings: StreamingSettings) -> dict[str, str]:
    return {
        "parallelism.default": str(settings.parallelism),
        "pipeline.max-parallelism": "128",
        "pipeline.object-reuse": "true",
        "rest.bind-address": "127.0.0.1",
        "rest.bind-port": "0",
        "taskmanager.numberOfTaskSlots": str(settings.parallelism),
        "taskmanager.memory.managed.size": f"{settings.managed_memory_mb}mb",
        "table.local-time-zone": "UTC",
    }
