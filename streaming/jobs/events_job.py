"""The events job: impressions and clicks -> labels, counters and last clicks; catalogue -> Redis.

Operators in order: impressions, clicks (Kafka sources) → label-join (Java) → the stream
``joined``, which everything else reads:
  engagements, samples, dead letters (Kafka sinks), lake (Parquet sink);
  counted → counts (window) → window-counters (Java) → counter batches (window);
  last-clicks (Java) → last-click batches (window).
Beside it: ads, users (Kafka sources) → ``catalogue_rows`` → catalogue batches (window).
All batches → redis (Python).
With ``archive``, what goes into the join also goes to Parquet, for streaming.jobs.replay_job.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pyflink.table import Schema, StreamTableEnvironment

from schemas import topics
from schemas.features import FeatureSpec
from schemas.lake import CLICKS, IMPRESSIONS, LANDING, SAMPLES
from schemas.redis_keys import USER_TTL_SECONDS
from schemas.windows import LAST_CLICKS
from streaming.jobs.internal_rows import internal_rows, name_stream
from streaming.jobs.label_join import EVENT_TIME, LabelRules, join_labels
from streaming.jobs.redis_rows import RedisTarget, write_rows
from streaming.jobs.statements import folder_option, seconds, statement
from streaming.settings import EVENTS_GROUP, JobName

_sql = partial(statement, JobName.EVENTS)

FUNCTIONS = {
    "WindowCounters": "ctr.WindowCounters",
    "LastClicks": "ctr.LastClicks",
}
#: Of the job's Flink configuration, what this job needs besides the common part.
CONFIGURATION = {
    # A row is a batch: write it when it comes.
    "python.fn-execution.bundle.size": "1",
}


@dataclass(frozen=True, slots=True)
class EventsJobOptions:
    """``token_keys`` as in CTR_TOKEN_KEYS; times in ms as in StreamingSettings."""

    kafka_bootstrap: str
    token_keys: str
    redis: RedisTarget
    lake: Path
    rules: LabelRules
    out_of_order_ms: int
    ahead_seconds: int
    batch_ms: int
    archive: bool = False
    schema_folder: Path | None = None
    schema_registry: str = ""

    @property
    def spec(self) -> FeatureSpec:
        """The feature declaration whose tokens are accepted."""
        return self.redis.spec


def build(tables: StreamTableEnvironment, options: EventsJobOptions) -> None:
    """Add the job's operators to the environment; the caller executes it."""
    for name, class_name in FUNCTIONS.items():
        tables.execute_sql(f"CREATE TEMPORARY FUNCTION {name} AS '{class_name}'")
    _sources(tables, options)
    _join(tables, options)
    _catalogue(tables, options)
    _counters(tables, options)
    _last_clicks(tables, options)
    write_rows(tables.to_data_stream(tables.sql_query(_sql("redis_batches"))), options.redis)
    _sinks(tables, options)
    if options.archive:
        # A statement set of its own, after all others, whose operators keep their uids.
        _archive(tables, options)


def _sources(tables: StreamTableEnvironment, options: EventsJobOptions) -> None:
    written = {
        "schema_folder": folder_option(options.schema_folder),
        "schema_registry": options.schema_registry,
    }
    for topic in (topics.IMPRESSIONS, topics.CLICKS):
        tables.execute_sql(
            _sql(
                topic.name,
                topic=topic.name,
                bootstrap=options.kafka_bootstrap,
                group=EVENTS_GROUP,
                token_keys=options.token_keys,
                fingerprint=options.spec.fingerprint,
                ahead_seconds=options.ahead_seconds,
                out_of_order_seconds=seconds(options.out_of_order_ms),
                **written,
            )
        )
    for topic in (topics.ADS, topics.USERS):
        text = _sql(
            "catalogue",
            name=topic.name,
            id=topic.key,
            topic=topic.name,
            record=topic.record.lower(),
            bootstrap=options.kafka_bootstrap,
            group=EVENTS_GROUP,
            **written,
        )
        tables.execute_sql(text)


def _join(tables: StreamTableEnvironment, options: EventsJobOptions) -> None:
    tables.execute_sql(_sql("impressions_to_join"))
    tables.execute_sql(_sql("clicks_to_join"))
    shown = internal_rows(tables, "impressions_to_join")
    clicked = internal_rows(tables, "clicks_to_join")
    join_labels(tables, shown, clicked, options.rules)
    if options.archive:
        # The same streams: as views they would be planned, and Kafka read, once more.
        name_stream(tables, "impressions_joined", shown.stream, EVENT_TIME)
        name_stream(tables, "clicks_joined", clicked.stream, EVENT_TIME)


def _catalogue(tables: StreamTableEnvironment, options: EventsJobOptions) -> None:
    rows = tables.sql_query(_sql("catalogue_rows", ahead_seconds=options.ahead_seconds))
    schema = Schema.new_builder().column_by_expression("arrived", "PROCTIME()").build()
    tables.create_temporary_view("catalogue_rows", tables.to_data_stream(rows), schema)
    tables.execute_sql(_batches("catalogue_batches", options))


def _counters(tables: StreamTableEnvironment, options: EventsJobOptions) -> None:
    tables.execute_sql(_sql("counted"))
    counts = tables.to_data_stream(tables.sql_query(_batches("counts", options)))
    # A window of processing time has no event time; watermarks pass through it all the same.
    schema = (
        Schema.new_builder()
        .column_by_expression("event_time", "TO_TIMESTAMP_LTZ(ts, 3)")
        .watermark("event_time", "SOURCE_WATERMARK()")
        .build()
    )
    tables.create_temporary_view("counts", counts, schema)
    tables.execute_sql(_sql("counters"))
    tables.execute_sql(_batches("counter_batches", options))


def _last_clicks(tables: StreamTableEnvironment, options: EventsJobOptions) -> None:
    tables.execute_sql(_sql("user_clicks"))
    tables.execute_sql(_sql("last_clicks", length=LAST_CLICKS, idle_ms=USER_TTL_SECONDS * 1000))
    tables.execute_sql(_batches("last_click_batches", options))


def _batches(name: str, options: EventsJobOptions) -> str:
    return _sql(name, batch_seconds=seconds(options.batch_ms))


def _sinks(tables: StreamTableEnvironment, options: EventsJobOptions) -> None:
    inserts = tables.create_statement_set()
    by_name = {
        "engagements": topics.ENGAGEMENTS.name,
        "samples": topics.TRAINING_SAMPLES.name,
        "dead_letters": topics.DEAD_LETTERS.name,
        "lake": "",
    }
    for name, topic in by_name.items():
        tables.execute_sql(
            _sql(
                f"{name}_sink",
                topic=topic,
                bootstrap=options.kafka_bootstrap,
                path=_landing(options, SAMPLES.name),
            )
        )
        inserts.add_insert_sql(_sql(name))
    inserts.attach_as_datastream()


def _archive(tables: StreamTableEnvironment, options: EventsJobOptions) -> None:
    inserts = tables.create_statement_set()
    for table in (IMPRESSIONS, CLICKS):
        tables.execute_sql(_sql(f"lake_{table.name}", path=_landing(options, table.name)))
        inserts.add_insert_sql(_sql(f"archive_{table.name}"))
    inserts.attach_as_datastream()


def _landing(options: EventsJobOptions, table: str) -> str:
    return (options.lake.absolute() / LANDING / table).as_uri()
