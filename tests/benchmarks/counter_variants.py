"""Engagements that are made up in the JVM -> counters -> a real Redis, or one of its parts alone.

``python -m tests.benchmarks.counter_variants VARIANT BACKEND REDIS_URL REST_PORT FOLDER ENGAGEMENTS
PER_SECOND COUNT_MS BATCH_MS METRICS_PORT``: ads are drawn from a Zipf law with exponent 1 (a
million of them), users evenly, and each engagement moves the four counters of the feature set
``world``.
"""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pyflink.common import Configuration
from pyflink.datastream import StreamExecutionEnvironment
from pyflink.table import StreamTableEnvironment

from schemas.features import FeatureSpec
from streaming.jobs import events_job
from streaming.jobs.counting import Gathering, count
from streaming.jobs.internal_rows import internal_rows, name_stream
from streaming.jobs.job_environment import LOGGING
from streaming.jobs.redis_rows import RedisTarget, write_batches
from streaming.readiness import require_jars
from tests.benchmarks.join_variants import ROOT, flink_options

ADS, USERS = 1_000_000, 100_000
#: Only every twentieth engagement is a click.
CLICK_EVERY = 20
UNPACED = 1_000_000_000

DRAWN = """
CREATE TEMPORARY TABLE drawn (
  event_time TIMESTAMP_LTZ(3), u DOUBLE, v INT, c INT,
  WATERMARK FOR event_time AS event_time - INTERVAL '1' SECOND
) WITH (
  'connector' = 'datagen', 'rows-per-second' = '{per_second}',
  'number-of-rows' = '{rows}', 'fields.u.min' = '0', 'fields.u.max' = '1',
  'fields.v.min' = '0', 'fields.v.max' = '{last_user}',
  'fields.c.min' = '1', 'fields.c.max' = '{click_every}'
)
"""
#: The inverse of the Zipf law's distribution, ln k / ln N, takes even numbers to ranks.
MADE_UP = f"""
CREATE TEMPORARY VIEW made_up AS
SELECT
  'ENGAGEMENT' AS `output`, IF(c = 1, 'CLICK', 'IMPRESSION') AS kind,
  EXTRACT(EPOCH FROM event_time) * 1000 + EXTRACT(MILLISECOND FROM event_time) AS ts,
  CONCAT('user-', `user`) AS user_id, CONCAT('ad-', CAST(ad AS STRING)) AS ad_id,
  ARRAY[
    CONCAT('ad:ad-', CAST(ad AS STRING)),
    CONCAT('advertiser:', CAST(MOD(ad, 20000) AS STRING)),
    CONCAT('user:user-', `user`),
    CONCAT('segment_category:', CAST(MOD(v, 8) AS STRING), '|', CAST(MOD(ad, 30) AS STRING))
  ] AS counter_keys,
  event_time AS moment
FROM (
  SELECT c, v, CAST(v AS STRING) AS `user`, event_time,
    CAST(POWER({ADS}, u) AS INT) AS ad
  FROM drawn
)
"""
NO_REQUESTS = """
CREATE TEMPORARY VIEW no_requests AS
SELECT request FROM (VALUES ('none')) AS requests (request) WHERE request = 'some'
"""
#: The obvious counters: each window by itself, and no row where nothing new comes.
SLIDING = """
SELECT
  counter_key, COUNT(*) FILTER (WHERE kind = 'IMPRESSION'), COUNT(*) FILTER (WHERE kind = 'CLICK')
FROM TABLE(HOP(TABLE keyed, DESCRIPTOR(event_time), {slide}, {size}))
GROUP BY counter_key, window_start, window_end
"""
SLIDING_WINDOWS = (
    ("INTERVAL '1' MINUTE", "INTERVAL '15' MINUTE"),
    ("INTERVAL '4' MINUTE", "INTERVAL '1' HOUR"),
    ("INTERVAL '96' MINUTE", "INTERVAL '1' DAY"),
    ("INTERVAL '672' MINUTE(3)", "INTERVAL '7' DAY"),
)


@dataclass(frozen=True, slots=True)
class Run:
    """What a variant is told."""

    tables: StreamTableEnvironment
    environment: StreamExecutionEnvironment
    redis_url: str
    gathering: Gathering
    metrics_port: int


def counters(run: Run) -> None:
    """The events job's own counters, last clicks and sink."""
    spec = FeatureSpec.load("world")
    run.tables.execute_sql(NO_REQUESTS)
    requests = internal_rows(run.tables, "no_requests").stream
    rows, clicks = count(run.tables, spec, requests, run.gathering)
    write_batches(rows, [clicks], RedisTarget(run.redis_url, spec, run.metrics_port, "WARNING"))
    run.environment.execute("counters")


def source(run: Run) -> None:
    """What it costs to make the engagements up."""
    run.tables.execute_sql(
        "CREATE TEMPORARY TABLE hole (ts BIGINT, ad_id STRING, counter_keys ARRAY<STRING>) "
        "WITH ('connector' = 'blackhole')"
    )
    run.tables.execute_sql("INSERT INTO hole SELECT ts, ad_id, counter_keys FROM joined").wait()


def sliding_sql(run: Run) -> None:
    """SQL's own sliding windows, written nowhere."""
    tables = run.tables
    tables.execute_sql(
        "CREATE TEMPORARY VIEW keyed AS SELECT counter_key, kind, event_time FROM joined "
        "CROSS JOIN UNNEST(counter_keys) AS counter_keys (counter_key)"
    )
    tables.execute_sql(
        "CREATE TEMPORARY TABLE hole (counter_key STRING, impressions BIGINT, clicks BIGINT) "
        "WITH ('connector' = 'blackhole')"
    )
    inserts = tables.create_statement_set()
    for slide, size in SLIDING_WINDOWS:
        inserts.add_insert_sql("INSERT INTO hole " + SLIDING.format(slide=slide, size=size))
    inserts.execute().wait()


VARIANTS: dict[str, Callable[[Run], None]] = {
    "counters": counters,
    "source": source,
    "sliding-sql": sliding_sql,
}


def main() -> None:
    """See the module's text."""
    variant, backend, url, rest_port, folder, *numbers = sys.argv[1:]
    engagements, per_second, count_ms, batch_ms, metrics_port = map(int, numbers)
    os.environ["LOG4J_PROPERTIES"] = str(LOGGING)
    os.environ["FLINK_LOG_DIR"] = folder
    os.environ["JVM_ARGS"] = f"-Xms6g -Xmx6g {os.environ.get('BENCH_JVM_OPTIONS', '')}"
    configuration = Configuration()
    options = {**flink_options(backend, int(rest_port), Path(folder)), **events_job.CONFIGURATION}
    for key, value in options.items():
        configuration.set_string(key, value)
    environment = StreamExecutionEnvironment.get_execution_environment(configuration)
    environment.add_jars(*(jar.as_uri() for jar in require_jars(ROOT / ".build" / "flink")))
    tables = StreamTableEnvironment.create(environment)
    tables.execute_sql(
        DRAWN.format(
            per_second=per_second, rows=engagements, last_user=USERS - 1, click_every=CLICK_EVERY
        )
    )
    tables.execute_sql(MADE_UP)
    rows = internal_rows(tables, "made_up")
    name_stream(tables, "joined", rows.stream, "TO_TIMESTAMP_LTZ(ts, 3)")
    gathering = Gathering(count_ms, batch_ms)
    VARIANTS[variant](Run(tables, environment, url, gathering, metrics_port))


if __name__ == "__main__":
    main()
