"""The events job: impressions and clicks -> labels, counters and last clicks; catalogue -> Redis.

Operators in order: impressions, clicks (Kafka sources) → label-join (Java) → the stream
``joined``, which everything else reads:
  engagements, samples, dead letters (Kafka sinks), lake (Parquet sink);
  engagement-counts → window-counters → counters-batches (Java);
  last-clicks → clicks-batches (Java).
Beside it: ads, users (Kafka sources) → ``catalogue_rows`` → ads-batches, users-batches (Java).
All batches → redis (Python). rows-watch (Python), once a second, asks window-counters and
last-clicks for all their rows when Redis may have lost some.
With ``archive``, what goes into the join also goes to Parquet, for streaming.jobs.replay_job.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pyflink.table import StreamTableEnvironment

from schemas import topics
from schemas.addresses import KafkaAddress
from schemas.features import FeatureSpec
from schemas.lake import CLICKS, IMPRESSIONS, LANDING, SAMPLES
from streaming.jobs.counting import Gathering, count
from streaming.jobs.internal_rows import internal_rows, name_stream
from streaming.jobs.label_join import EVENT_TIME, LabelRules, join_labels
from streaming.jobs.redis_rows import RedisTarget, batches, write_batches
from streaming.jobs.rewrite_requests import WatchedRedis, rewrite_requests
from streaming.jobs.statements import folder_option, kafka_options, lake_table, seconds, statement
from streaming.settings import EVENTS_GROUP, JobName

_sql = partial(statement, JobName.EVENTS)

#: Of the job's Flink configuration, what this job needs besides the common part.
CONFIGURATION = {
    # A row is a batch: write it when it comes.
    "python.fn-execution.bundle.size": "1",
}


@dataclass(frozen=True, slots=True)
class EventsJobOptions:
    """``token_keys`` as in CTR_TOKEN_KEYS; times in ms as in StreamingSettings."""

    kafka: KafkaAddress | str
    token_keys: str
    redis: RedisTarget
    lake: Path
    rules: LabelRules
    out_of_order_ms: int
    ahead_seconds: int
    count_ms: int
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
    _sources(tables, options)
    _join(tables, options)
    redis = options.redis
    watched = WatchedRedis(
        redis.address,
        options.kafka,
        options.ahead_seconds,
        options.schema_folder,
        options.schema_registry,
        redis.log_level,
    )
    requests = rewrite_requests(tables, watched)
    gathering = Gathering(options.count_ms, options.batch_ms)
    counters, clicks = count(tables, options.spec, requests, gathering)
    write_batches(counters, [clicks, *_catalogue(tables, options)], redis)
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
                kafka=kafka_options(options.kafka),
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
            kafka=kafka_options(options.kafka),
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


def _catalogue(tables: StreamTableEnvironment, options: EventsJobOptions) -> list[Any]:
    """Batches of ads and of users; ``catalogue_rows`` has the faulty ones, too."""
    rows = tables.sql_query(_sql("catalogue_rows", ahead_seconds=options.ahead_seconds))
    tables.create_temporary_view("catalogue_rows", tables.to_data_stream(rows))
    found = []
    for topic in (topics.ADS, topics.USERS):
        tables.execute_sql(_sql("redis_catalogue", kind=topic.name))
        good = internal_rows(tables, f"redis_{topic.name}")
        found.append(batches(good.stream, topic.name, options.spec, options.batch_ms))
    return found


def _sinks(tables: StreamTableEnvironment, options: EventsJobOptions) -> None:
    inserts = tables.create_statement_set()
    by_name = {
        "engagements": topics.ENGAGEMENTS,
        "samples": topics.TRAINING_SAMPLES,
        "dead_letters": topics.DEAD_LETTERS,
    }
    for name, topic in by_name.items():
        kafka = kafka_options(options.kafka)
        if topic.max_bytes is not None:
            kafka["properties.max.request.size"] = str(topic.max_bytes)
        tables.execute_sql(_sql(f"{name}_sink", topic=topic.name, kafka=kafka))
        inserts.add_insert_sql(_sql(name))
    tables.execute_sql(lake_table("lake_sink", _landing(options, SAMPLES.name)))
    inserts.add_insert_sql(_sql("lake"))
    inserts.attach_as_datastream()


def _archive(tables: StreamTableEnvironment, options: EventsJobOptions) -> None:
    inserts = tables.create_statement_set()
    for table in (IMPRESSIONS, CLICKS):
        tables.execute_sql(lake_table(f"lake_{table.name}", _landing(options, table.name)))
        inserts.add_insert_sql(_sql(f"archive_{table.name}"))
    inserts.attach_as_datastream()


def _landing(options: EventsJobOptions, table: str) -> str:
    return (options.lake.absolute() / LANDING / table).as_uri()
