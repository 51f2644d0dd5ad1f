package ctr;

import java.io.Serializable;
import java.util.List;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;

/** Where the join finds things in the rows of one of its inputs. */
final class EventColumns implements Serializable {
  private static final long serialVersionUID = 1L;

  private final int ts;
  private final int error;
  private final int[] source;
  private final int[] payload;

  EventColumns(Columns columns, List<String> payload) {
    ts = columns.index("ts");
    error = columns.index("error");
    source = columns.indexes(Pending.SOURCE);
    this.payload = columns.indexes(payload);
  }

  boolean isRefused(RowData event) {
    return !event.isNullAt(error);
  }

  RowData refused(RowData event) {
    StringData reason = event.getString(error);
    return JoinedRow.deadLetter(source(event), reason);
  }

  long ts(RowData event) {
    return event.getLong(ts);
  }

  /** Columns of {@link Pending#SOURCE}. */
  RowData source(RowData event) {
    return GenericRowData.of(
        event.getString(source[0]),
        event.getInt(source[1]),
        event.getLong(source[2]),
        event.isNullAt(source[3]) ? null : event.getBinary(source[3]),
        event.isNullAt(source[4]) ? null : event.getBinary(source[4]));
  }

  /** Columns of {@link Pending#IMPRESSION}. */
  RowData payload(RowData event) {
    return Pending.compact(
        GenericRowData.of(
        event.getString(payload[0]),
        event.getInt(payload[1]),
        event.getLong(payload[2]),
        event.getString(payload[3]),
        event.getString(payload[4]),
        event.getFloat(payload[5]),
        event.getFloat(payload[6]),
        event.getString(payload[7]),
        event.getArray(payload[8]),
        event.getBinary(payload[9])));
  }
}
