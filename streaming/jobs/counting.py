"""Engagements -> rows of sliding counters and last clicks, as batches for Redis."""

from dataclasses import dataclass
from typing import Any

from pyflink.java_gateway import get_gateway
from pyflink.table import StreamTableEnvironment

from schemas.features import FeatureSpec
from schemas.redis_keys import USER_TTL_SECONDS
from schemas.windows import LAST_CLICKS
from streaming.jobs.internal_rows import internal_rows
from streaming.jobs.redis_rows import batches
from streaming.jobs.statements import statement
from streaming.settings import JobName


@dataclass(frozen=True, slots=True)
class Gathering:
    """How long engagements are counted before the counters are looked up, and how long the rows
    that come of it are gathered for one batch; in ms. The longer, the fewer rows and batches, and
    the older what Redis has."""

    count_ms: int
    batch_ms: int


def count(
    tables: StreamTableEnvironment, spec: FeatureSpec, requests: Any, gathering: Gathering
) -> tuple[Any, Any]:
    """Batches of counters and of last clicks, from the view ``joined``.

    ``requests`` is a Java stream of internal rows with one text: each asks for all rows once more.
    """
    jvm = get_gateway().jvm
    tables.execute_sql(statement(JobName.EVENTS, "counted"))
    counted = internal_rows(tables, "counted")
    counts = jvm.ctr.EngagementCounts.of(counted.stream, counted.columns, gathering.count_ms)
    counters = jvm.ctr.WindowCounters.of(counts, requests)
    tables.execute_sql(statement(JobName.EVENTS, "user_clicks"))
    clicked = internal_rows(tables, "user_clicks")
    idle_ms = USER_TTL_SECONDS * 1_000
    clicks = jvm.ctr.LastClicks.of(clicked.stream, clicked.columns, LAST_CLICKS, idle_ms, requests)
    return (
        batches(counters, "counters", spec, gathering.batch_ms),
        batches(clicks, "clicks", spec, gathering.batch_ms),
    )
