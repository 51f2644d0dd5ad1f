"""Tables as Java streams of Flink's internal rows, and back: nothing is turned into objects."""

from dataclasses import dataclass
from typing import Any

from pyflink.java_gateway import get_gateway
from pyflink.table import Schema, StreamTableEnvironment
from pyflink.util.java_utils import get_java_class


@dataclass(frozen=True, slots=True)
class InternalRows:
    """A ``DataStream<RowData>`` and the names of its columns, with commas between them."""

    stream: Any
    columns: str


def internal_rows(tables: StreamTableEnvironment, view: str) -> InternalRows:
    """The rows of a view; its event time ends when the job is drained, see EndOfTime.java."""
    jvm = get_gateway().jvm
    table = tables.from_path(view)._j_table
    row_data = get_java_class(jvm.org.apache.flink.table.data.RowData)
    kind = table.getResolvedSchema().toPhysicalRowDataType().bridgedTo(row_data)
    stream = tables._j_tenv.toDataStream(table, kind)
    columns = ",".join(table.getResolvedSchema().getColumnNames())
    return InternalRows(jvm.ctr.EndOfTime.of(stream, f"end-of-{view}"), columns)


def name_stream(tables: StreamTableEnvironment, name: str, stream: Any, event_time: str) -> None:
    """Name a stream of internal rows; ``event_time`` is SQL for its column of that name.

    The column ``arrived`` is processing time. Watermarks are those of the stream.
    """
    schema = (
        Schema.new_builder()
        .column_by_expression("event_time", event_time)
        .column_by_expression("arrived", "PROCTIME()")
        .watermark("event_time", "SOURCE_WATERMARK()")
        .build()
    )
    tables._j_tenv.createTemporaryView(name, stream, schema._j_schema)
