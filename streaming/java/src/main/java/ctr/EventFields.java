package ctr;

import java.util.List;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericRecord;
import org.apache.flink.table.data.GenericRowData;

/** Which field of a record goes to which column: the one of the same name. */
final class EventFields {
  private static final int NONE = -1;

  private final List<String> columns;
  private final int[] fields;

  EventFields(Schema record, List<String> columns) {
    this.columns = columns;
    fields = columns.stream().mapToInt(column -> position(record, column)).toArray();
  }

  /** Fills the columns that the record has. */
  void copy(GenericRecord record, GenericRowData row) throws EventFault {
    for (int column = 0; column < fields.length; column++) {
      if (fields[column] != NONE) {
        Object value = record.get(fields[column]);
        row.setField(column, AvroValues.toFlink(value, columns.get(column)));
      }
    }
  }

  private static int position(Schema record, String column) {
    Schema.Field field = record.getField(column);
    return field == null ? NONE : field.pos();
  }
}
