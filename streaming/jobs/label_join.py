"""The label join of two streams: a Java function over Flink's internal rows."""

from dataclasses import dataclass

from pyflink.java_gateway import get_gateway
from pyflink.table import StreamTableEnvironment

from streaming.jobs.internal_rows import InternalRows, name_stream

JOINED = "joined"
#: Of rows that may be refused ones.
EVENT_TIME = "TO_TIMESTAMP_LTZ(COALESCE(ts, CAST(0 AS BIGINT)), 3)"


@dataclass(frozen=True, slots=True)
class LabelRules:
    """Times in ms of event time; ``mature`` repeats every final label at the window's end."""

    label_wait_ms: int
    attribution_window_ms: int
    negative_keep: float
    mature: bool = False


def join_labels(
    tables: StreamTableEnvironment, shown: InternalRows, clicked: InternalRows, rules: LabelRules
) -> None:
    """Join two streams into the view ``joined``, whose columns are those of JoinedRow.java.

    It is a DataStream, so that the planner sees one source instead of planning the join once more
    for each of its readers. Watermarks pass through it.
    """
    stream = get_gateway().jvm.ctr.LabelJoin.join(
        shown.stream,
        shown.columns,
        clicked.stream,
        clicked.columns,
        rules.label_wait_ms,
        rules.attribution_window_ms,
        rules.negative_keep,
        rules.mature,
    )
    name_stream(tables, JOINED, stream, EVENT_TIME)
