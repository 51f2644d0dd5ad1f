package ctr;

import java.nio.ByteBuffer;
import java.util.List;
import org.apache.avro.generic.GenericRecord;
import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.runtime.typeutils.RowDataSerializer;
import org.apache.flink.table.types.logical.LogicalTypeRoot;
import org.apache.flink.table.types.logical.RowType;

/**
 * Turns the bytes of one record into a row; it throws only while a schema registry is away. Columns
 * are matched by name: fields of the record; for impressions the fields of the token, too; {@code
 * raw} (the bytes as they came), {@code encoded} (the record in the current version, for those who
 * know no other) and {@code error} (why the record is refused; every field is null then). A column
 * of type ROW, whatever its name, gathers such fields as one value, which is then moved as a whole.
 * A null value, the tombstone of a compacted topic, gives a row of nulls.
 */
public final class EventDecoder implements DeserializationSchema<RowData> {
  private static final long serialVersionUID = 1L;
  private static final long YEAR_2000_MS = 946_684_800_000L;
  private static final long YEAR_10000_MS = 253_402_300_800_000L;

  private final String record;
  private final RowType columns;
  private final String tokenKeys;
  private final String featureFingerprint;
  private final String schemaFolder;
  private final String schemaRegistry;
  private final TypeInformation<RowData> type;
  private final int raw;
  private final int encoded;
  private final int error;
  private final int gathered;

  private transient SingleObject events;
  private transient TokenReader tokens;
  private transient Target row;
  private transient Target gatheredRow;
  private transient RowDataSerializer gatherer;

  EventDecoder(
      String record,
      RowType columns,
      String tokenKeys,
      String featureFingerprint,
      String schemaFolder,
      String schemaRegistry,
      TypeInformation<RowData> type) {
    this.record = record;
    this.columns = columns;
    this.tokenKeys = tokenKeys;
    this.featureFingerprint = featureFingerprint;
    this.schemaFolder = schemaFolder;
    this.schemaRegistry = schemaRegistry;
    this.type = type;
    raw = columns.getFieldIndex("raw");
    encoded = columns.getFieldIndex("encoded");
    error = columns.getFieldIndex("error");
    gathered = firstRow(columns);
  }

  @Override
  public void open(InitializationContext context) {
    WriterSchemas writers = new WriterSchemas(schemaFolder, schemaRegistry);
    events = new SingleObject(Schemas.current(record), writers);
    if (tokenKeys != null) {
      tokens = new TokenReader(tokenKeys, featureFingerprint, writers);
    }
    row = new Target(columns.getFieldNames());
    if (gathered >= 0) {
      RowType names = (RowType) columns.getTypeAt(gathered);
      gatheredRow = new Target(names.getFieldNames());
      gatherer = new RowDataSerializer(names);
    }
  }

  @Override
  public RowData deserialize(byte[] message) {
    GenericRowData values = new GenericRowData(columns.getFieldCount());
    if (message == null) {
      return values;
    }
    try {
      fill(values, message);
    } catch (EventFault fault) {
      values = new GenericRowData(columns.getFieldCount());
      set(values, error, StringData.fromString(fault.getMessage()));
    }
    set(values, raw, message);
    return values;
  }

  private void fill(GenericRowData values, byte[] message) throws EventFault {
    GenericRecord event = events.decode(message, message.length);
    checkTime(event);
    GenericRecord token = tokens == null ? null : token(event);
    row.fill(values, event, token);
    if (gathered >= 0) {
      GenericRowData nested = new GenericRowData(gatherer.getArity());
      gatheredRow.fill(nested, event, token);
      values.setField(gathered, gatherer.toBinaryRow(nested, true));
    }
    if (encoded >= 0) {
      values.setField(encoded, events.current(message, event));
    }
  }

  private GenericRecord token(GenericRecord event) throws EventFault {
    ByteBuffer token = (ByteBuffer) event.get("token");
    byte[] bytes = new byte[token.remaining()];
    token.duplicate().get(bytes);
    return tokens.read(bytes, event.get("request_id"), event.get("ad_id"));
  }

  private static void checkTime(GenericRecord event) throws EventFault {
    if (!event.hasField("ts")) {
      return;
    }
    long ts = (Long) event.get("ts");
    if (ts < YEAR_2000_MS || ts >= YEAR_10000_MS) {
      throw new EventFault("impossible-time", "ts " + ts + " ms is outside the years 2000-9999");
    }
  }

  private static int firstRow(RowType columns) {
    for (int i = 0; i < columns.getFieldCount(); i++) {
      if (columns.getTypeAt(i).is(LogicalTypeRoot.ROW)) {
        return i;
      }
    }
    return -1;
  }

  private static void set(GenericRowData row, int column, Object value) {
    if (column >= 0) {
      row.setField(column, value);
    }
  }

  @Override
  public boolean isEndOfStream(RowData row) {
    return false;
  }

  @Override
  public TypeInformation<RowData> getProducedType() {
    return type;
  }

  /** Columns that are filled from a record and its token. */
  private final class Target {
    private final EventFields ofRecord;
    private final EventFields ofToken;

    Target(List<String> names) {
      ofRecord = new EventFields(events.schema(), names);
      ofToken = new EventFields(Schemas.current("served"), names);
    }

    void fill(GenericRowData row, GenericRecord event, GenericRecord token) throws EventFault {
      ofRecord.copy(event, row);
      if (token != null) {
        ofToken.copy(token, row);
      }
    }
  }
}
