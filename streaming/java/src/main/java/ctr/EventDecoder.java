package ctr;

import java.nio.ByteBuffer;
import java.util.List;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericRecord;
import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;

/**
 * Turns the bytes of one record into a row; it throws only while a schema registry is away. Columns are matched by name: fields of
 * the record; for impressions the fields of the token, too; {@code raw} (the bytes as they came),
 * {@code encoded} (the record in the current version, for those who know no other) and {@code error}
 * (why the record is refused; every field is null then). A null value, the tombstone of a compacted
 * topic, gives a row of nulls.
 */
public final class EventDecoder implements DeserializationSchema<RowData> {
  private static final long serialVersionUID = 1L;
  private static final long YEAR_2000_MS = 946_684_800_000L;
  private static final long YEAR_10000_MS = 253_402_300_800_000L;
  private static final String RAW = "raw";
  private static final String ENCODED = "encoded";
  private static final String ERROR = "error";

  private final String record;
  private final List<String> columns;
  private final String tokenKeys;
  private final String featureFingerprint;
  private final String schemaFolder;
  private final String schemaRegistry;
  private final TypeInformation<RowData> type;

  private transient SingleObject events;
  private transient TokenReader tokens;
  private transient int[] recordFields;
  private transient int[] tokenFields;
  private transient boolean isEncodedWanted;

  EventDecoder(
      String record,
      List<String> columns,
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
  }

  @Override
  public void open(InitializationContext context) {
    WriterSchemas writers = new WriterSchemas(schemaFolder, schemaRegistry);
    events = new SingleObject(Schemas.current(record), writers);
    recordFields = positions(events.schema());
    isEncodedWanted = columns.contains(ENCODED);
    if (tokenKeys != null) {
      tokens = new TokenReader(tokenKeys, featureFingerprint, writers);
      tokenFields = positions(Schemas.current("served"));
    }
  }

  @Override
  public RowData deserialize(byte[] message) {
    GenericRowData row = new GenericRowData(columns.size());
    if (message == null) {
      return row;
    }
    try {
      fill(row, message);
    } catch (EventFault fault) {
      row = new GenericRowData(columns.size());
      set(row, ERROR, StringData.fromString(fault.getMessage()));
    }
    set(row, RAW, message);
    return row;
  }

  private void fill(GenericRowData row, byte[] message) throws EventFault {
    GenericRecord event = events.decode(message, message.length);
    checkTime(event);
    copy(event, recordFields, row);
    if (isEncodedWanted) {
      set(row, ENCODED, events.current(message, event));
    }
    if (tokens != null) {
      ByteBuffer token = (ByteBuffer) event.get("token");
      byte[] bytes = new byte[token.remaining()];
      token.duplicate().get(bytes);
      copy(tokens.read(bytes, event.get("request_id"), event.get("ad_id")), tokenFields, row);
    }
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

  private void copy(GenericRecord source, int[] fields, GenericRowData row) throws EventFault {
    for (int column = 0; column < fields.length; column++) {
      if (fields[column] >= 0) {
        row.setField(column, AvroValues.toFlink(source.get(fields[column]), columns.get(column)));
      }
    }
  }

  private int[] positions(Schema schema) {
    return columns.stream()
        .mapToInt(
            column -> {
              Schema.Field field = schema.getField(column);
              return field == null ? -1 : field.pos();
            })
        .toArray();
  }

  private void set(GenericRowData row, String column, Object value) {
    int position = columns.indexOf(column);
    if (position >= 0) {
      row.setField(position, value);
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
}
