package ctr;

import java.io.Serializable;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.data.binary.BinarySection;
import org.apache.flink.table.data.binary.BinarySegmentUtils;
import org.apache.flink.table.runtime.typeutils.RowDataSerializer;

/** Where the join finds things in the rows of one of its inputs. */
final class EventColumns implements Serializable {
  private static final long serialVersionUID = 1L;

  private final int ts;
  private final int error;
  private final int[] source;

  EventColumns(Columns columns) {
    ts = columns.index("ts");
    error = columns.index("error");
    source = columns.indexes(JoinedRow.SOURCE.getFieldNames());
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

  /** A row of {@link JoinedRow#SOURCE}. */
  RowData source(RowData event) {
    return GenericRowData.of(
        event.getString(source[0]),
        event.getInt(source[1]),
        event.getLong(source[2]),
        event.isNullAt(source[3]) ? null : event.getBinary(source[3]),
        event.isNullAt(source[4]) ? null : event.getBinary(source[4]));
  }

  /** The same as bytes, to be kept. */
  byte[] keptSource(RowData event) {
    return bytes(new RowDataSerializer(JoinedRow.SOURCE).toBinaryRow(source(event)));
  }

  /** Of a row in Flink's binary form. */
  static byte[] bytes(BinarySection row) {
    return BinarySegmentUtils.copyToBytes(
        row.getSegments(), row.getOffset(), row.getSizeInBytes());
  }
}
