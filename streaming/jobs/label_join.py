"""The label join between two SQL views: a Java function over Flink's internal rows."""

from dataclasses import dataclass
from typing import Any

from pyflink.java_gateway import get_gateway
from pyflink.table import Schema, StreamTableEnvironment
from pyflink.util.java_utils import get_java_class

JOINED = "joined"


@dataclass(frozen=True, slots=True)
class LabelRules:
    """Times in ms of event time; ``mature`` repeats every final label at the window's end."""

    label_wait_ms: int
    attribution_window_ms: int
    negative_keep: float
    mature: bool = False


def join_labels(
    tables: StreamTableEnvironment, impressions: str, clicks: str, rules: LabelRules
) -> None:
    """Join two views into the view ``joined``, whose columns are those of JoinedRow.java.

    It is a DataStream, so that the planner sees one source instead of planning the join once more
    for each of its readers. Watermarks pass through it.
    """
    shown, shown_columns = _internal_rows(tables, impressions)
    clicked, clicked_columns = _internal_rows(tables, clicks)
    stream = get_gateway().jvm.ctr.LabelJoin.join(
        shown,
        shown_columns,
        clicked,
        clicked_columns,
        rules.label_wait_ms,
        rules.attribution_window_ms,
        rules.negative_keep,
        rules.mature,
    )
    schema = (
        Schema.new_builder()
        .column_by_expression("event_time", "TO_TIMESTAMP_LTZ(COALESCE(ts, CAST(0 AS BIGINT)), 3)")
        .column_by_expression("arrived", "PROCTIME()")
        .watermark("event_time", "SOURCE_WATERMARK()")
        .build()
    )
    tables._j_tenv.createTemporaryView(JOINED, stream, schema._j_schema)


def _internal_rows(tables: StreamTableEnvironment, view: str) -> tuple[Any, str]:
    """A Java DataStream of RowData, not turned into anything else, and its columns."""
    table = tables.from_path(view)._j_table
    row_data = get_java_class(get_gateway().jvm.org.apache.flink.table.data.RowData)
    kind = table.getResolvedSchema().toPhysicalRowDataType().bridgedTo(row_data)
    columns = ",".join(table.getResolvedSchema().getColumnNames())
    return tables._j_tenv.toDataStream(table, kind), columns
