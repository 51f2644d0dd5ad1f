package ctr;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.util.Utf8;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.types.logical.RowType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A producer one version ahead: two fields are added, one is removed. */
class SchemaEvolutionTest {
  private static final Schema CURRENT = Schemas.current("impression");
  private static final Schema NEXT = next();
  private static final RowType COLUMNS =
      (RowType)
          DataTypes.ROW(
                  DataTypes.FIELD("request_id", DataTypes.STRING()),
                  DataTypes.FIELD("price", DataTypes.BIGINT()),
                  DataTypes.FIELD("position", DataTypes.INT()),
                  DataTypes.FIELD("error", DataTypes.STRING()),
                  DataTypes.FIELD("raw", DataTypes.BYTES()),
                  DataTypes.FIELD("encoded", DataTypes.BYTES()))
              .getLogicalType();

  @TempDir Path folder;

  @Test
  void readsAProducerThatIsAhead() throws IOException, EventFault {
    byte[] ahead = new SingleObject(NEXT, WriterSchemas.shipped()).encode(impression(NEXT));
    Files.writeString(folder.resolve("next.avsc"), NEXT.toString());
    RowData row = decoder(folder.toString(), "").deserialize(ahead);
    assertEquals("r", row.getString(0).toString());
    assertEquals(0, row.getLong(1), "the default of the field that is gone");
    assertEquals(2, row.getInt(2));
    assertArrayEquals(ahead, row.getBinary(4));
    GenericRecord current = new SingleObject("impression").decode(row.getBinary(5), row.getBinary(5).length);
    assertEquals(new Utf8("r"), current.get("request_id"));
    assertEquals(0L, current.get("price"));
  }

  @Test
  void isReadByAConsumerThatIsAhead() throws EventFault {
    byte[] behind = new SingleObject("impression").encode(impression(CURRENT));
    GenericRecord read = new SingleObject(NEXT, WriterSchemas.shipped()).decode(behind, behind.length);
    assertEquals(new Utf8(""), read.get("placement"));
    assertNull(read.get("device"));
    assertFalse(read.hasField("price"));
  }

  @Test
  void currentBytesStayAsTheyAre() {
    byte[] bytes = new SingleObject("impression").encode(impression(CURRENT));
    RowData row = decoder("", "").deserialize(bytes);
    assertEquals(7, row.getLong(1));
    assertArrayEquals(bytes, row.getBinary(5));
  }

  @Test
  void namesTheFingerprintThatNobodyKnows() {
    byte[] ahead = new SingleObject(NEXT, WriterSchemas.shipped()).encode(impression(NEXT));
    long fingerprint = Long.reverseBytes(Schemas.fingerprint(NEXT));
    assertEquals(
        "unknown-schema: fingerprint " + String.format("%016x", fingerprint),
        error(decoder(folder.toString(), ""), ahead));
  }

  @Test
  void saysWhatAVersionLacks() throws IOException {
    Schema without = fields(List.of("price"), CURRENT, false);
    Schema lacking = fields(List.of("position"), without, false);
    byte[] bytes = new SingleObject(lacking, WriterSchemas.shipped()).encode(impression(lacking));
    Files.writeString(folder.resolve("lacking.avsc"), lacking.toString());
    String error = error(decoder(folder.toString(), ""), bytes);
    assertEquals(
        "incompatible-schema: Found ctr.v1.Impression, expecting ctr.v1.Impression, "
            + "missing required field position",
        error);
  }

  @Test
  void refusesAFolderThatHoldsSomethingElse() throws IOException {
    Files.writeString(folder.resolve("broken.avsc"), "{");
    String text = folder.toString();
    assertThrows(UncheckedIOException.class, () -> decoder(text, ""));
  }

  @Test
  void goesOnWhenAFileOfTheFolderBreaksLater() throws Exception {
    Files.writeString(folder.resolve("next.avsc"), NEXT.toString());
    WriterSchemas writers = new WriterSchemas(folder.toString(), null, 0);
    Files.writeString(folder.resolve("half.avsc"), "{");
    assertThrows(EventFault.class, () -> writers.of(42));
    assertEquals(NEXT, writers.of(Schemas.fingerprint(NEXT)));
  }

  @Test
  void readsTheWireFormatOfARegistry() throws IOException {
    try (RegistryServer server = new RegistryServer()) {
      server.put(70_000, NEXT);
      server.put(2, Schemas.current("click"));
      EventDecoder decoder = decoder("", server.url());
      byte[] body = body(NEXT);
      byte[] wire = ByteBuffer.allocate(5 + body.length).put((byte) 0).putInt(70_000).put(body).array();
      for (int i = 0; i < 3; i++) {
        RowData row = decoder.deserialize(wire);
        assertEquals("r", row.getString(0).toString());
        assertEquals(0, row.getLong(1));
      }
      assertEquals(1, server.requests.get(), "a schema is asked for once");
      byte[] unknown = wire.clone();
      unknown[4]++;
      String absent = "unknown-schema: the registry has no schema id 70001";
      assertEquals(absent, error(decoder, unknown));
      assertEquals(absent, error(decoder, unknown));
      assertEquals(2, server.requests.get());
      byte[] click = ByteBuffer.allocate(9).put((byte) 0).putInt(2).array();
      assertEquals("wrong-record: expected Impression, got Click", error(decoder, click));
      assertEquals("not-avro: no single-object marker C3 01", error(decoder, new byte[4]));
      byte[] single = new SingleObject("impression").encode(impression(CURRENT));
      assertEquals(7, decoder.deserialize(single).getLong(1), "both encodings in one topic");
    }
  }

  @Test
  void withoutARegistryItsWireFormatIsUnknown() {
    byte[] wire = ByteBuffer.allocate(20).put((byte) 0).putInt(1).array();
    assertEquals("not-avro: no single-object marker C3 01", error(decoder("", ""), wire));
  }

  @Test
  void waitsForARegistryThatIsAway() throws IOException {
    byte[] body = body(NEXT);
    byte[] wire = ByteBuffer.allocate(5 + body.length).put((byte) 0).putInt(9).put(body).array();
    try (RegistryServer server = new RegistryServer()) {
      server.put(9, NEXT);
      server.failures.set(3);
      assertEquals(2, decoder("", server.url()).deserialize(wire).getInt(2));
      assertEquals(4, server.requests.get());
      server.failures.set(Integer.MAX_VALUE);
      EventDecoder decoder = decoder("", server.url());
      String message =
          assertThrows(UncheckedIOException.class, () -> decoder.deserialize(wire)).getMessage();
      assertEquals(
          "java.io.IOException: schema registry "
              + server.url()
              + " does not answer (HTTP status 503); a record with schema id 9 waits for it",
          message);
      server.failures.set(0);
      assertEquals(2, decoder.deserialize(wire).getInt(2), "nothing was lost");
    }
  }

  private static String error(EventDecoder decoder, byte[] message) {
    RowData row = decoder.deserialize(message);
    assertArrayEquals(message, row.getBinary(4));
    return row.getString(3).toString();
  }

  private static EventDecoder decoder(String folder, String registry) {
    EventDecoder decoder =
        new EventDecoder("impression", COLUMNS, null, null, folder, registry, null);
    decoder.open(null);
    return decoder;
  }

  private static byte[] body(Schema schema) {
    byte[] bytes = new SingleObject(schema, WriterSchemas.shipped()).encode(impression(schema));
    ByteArrayOutputStream body = new ByteArrayOutputStream();
    body.write(bytes, SingleObject.HEADER_BYTES, bytes.length - SingleObject.HEADER_BYTES);
    return body.toByteArray();
  }

  private static GenericRecord impression(Schema schema) {
    GenericRecord value = new GenericData.Record(schema);
    for (Schema.Field field : schema.getFields()) {
      switch (field.name()) {
        case "ts" -> value.put("ts", 1_700_000_000_000L);
        case "position" -> value.put("position", 2);
        case "price" -> value.put("price", 7L);
        case "token" -> value.put("token", ByteBuffer.allocate(0));
        default -> value.put(field.pos(), field.name().substring(0, 1));
      }
    }
    return value;
  }

  private static Schema next() {
    return fields(List.of("price"), CURRENT, true);
  }

  /** The same record without some fields and, when {@code added}, with two more. */
  private static Schema fields(List<String> removed, Schema of, boolean added) {
    List<Schema.Field> fields = new ArrayList<>();
    for (Schema.Field field : of.getFields()) {
      if (!removed.contains(field.name())) {
        fields.add(new Schema.Field(field, field.schema()));
      }
    }
    if (added) {
      Schema text = Schema.create(Schema.Type.STRING);
      Schema optional = Schema.createUnion(Schema.create(Schema.Type.NULL), text);
      fields.add(1, new Schema.Field("placement", text, null, ""));
      fields.add(
          new Schema.Field("device", optional, null, Schema.Field.NULL_DEFAULT_VALUE));
    }
    return Schema.createRecord(of.getName(), null, of.getNamespace(), false, fields);
  }
}
