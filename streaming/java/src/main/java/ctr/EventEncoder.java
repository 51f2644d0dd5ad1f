package ctr;

import java.util.List;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericRecord;
import org.apache.flink.api.common.serialization.SerializationSchema;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.types.logical.LogicalType;

/** Turns a row into the bytes of one record, columns matched to the record's fields by name. */
public final class EventEncoder implements SerializationSchema<RowData> {
  private static final long serialVersionUID = 1L;

  private final String record;
  private final List<String> columns;
  private final List<LogicalType> types;

  private transient SingleObject events;
  private transient RowData.FieldGetter[] getters;

  EventEncoder(String record, List<String> columns, List<LogicalType> types) {
    this.record = record;
    this.columns = columns;
    this.types = types;
  }

  @Override
  public void open(InitializationContext context) {
    events = new SingleObject(record);
    List<Schema.Field> fields = events.schema().getFields();
    getters = new RowData.FieldGetter[fields.size()];
    for (Schema.Field field : fields) {
      int column = columns.indexOf(field.name());
      if (column < 0) {
        throw new IllegalArgumentException(
            "the table has no column '" + field.name() + "' of record " + record);
      }
      getters[field.pos()] = RowData.createFieldGetter(types.get(column), column);
    }
  }

  @Override
  public byte[] serialize(RowData row) {
    GenericRecord value = new GenericData.Record(events.schema());
    for (Schema.Field field : events.schema().getFields()) {
      Object internal = getters[field.pos()].getFieldOrNull(row);
      value.put(field.pos(), AvroValues.toAvro(field.schema(), internal));
    }
    return events.encode(value);
  }
}
