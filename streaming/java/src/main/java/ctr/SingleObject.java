package ctr;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.HashMap;
import java.util.Map;
import org.apache.avro.AvroRuntimeException;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;

/**
 * Avro single-object encoding of one kind of record: marker C3 01, fingerprint of the writer's
 * schema (8 bytes, little-endian), body. Reads every shipped version, writes the current one. Not
 * thread-safe.
 */
final class SingleObject {
  static final int HEADER_BYTES = 10;
  private static final byte MARKER_0 = (byte) 0xC3;
  private static final byte MARKER_1 = 0x01;

  private final Schema schema;
  private final byte[] header;
  private final Map<Long, GenericDatumReader<GenericRecord>> readers = new HashMap<>();
  private final GenericDatumWriter<GenericRecord> writer;
  private final ByteArrayOutputStream buffer = new ByteArrayOutputStream(512);
  private BinaryDecoder decoder;
  private BinaryEncoder encoder;

  SingleObject(String record) {
    schema = Schemas.current(record);
    writer = new GenericDatumWriter<>(schema);
    header =
        ByteBuffer.allocate(HEADER_BYTES)
            .order(ByteOrder.LITTLE_ENDIAN)
            .put(MARKER_0)
            .put(MARKER_1)
            .putLong(Schemas.fingerprint(schema))
            .array();
  }

  Schema schema() {
    return schema;
  }

  /** The record in {@code bytes[0, length)}. Throws nothing but EventFault, whatever comes. */
  GenericRecord decode(byte[] bytes, int length) throws EventFault {
    if (length < HEADER_BYTES || bytes[0] != MARKER_0 || bytes[1] != MARKER_1) {
      throw new EventFault("not-avro", "no single-object marker C3 01");
    }
    long fingerprint =
        ByteBuffer.wrap(bytes, 2, 8).order(ByteOrder.LITTLE_ENDIAN).getLong();
    GenericDatumReader<GenericRecord> reader = readers.get(fingerprint);
    if (reader == null) {
      reader = new GenericDatumReader<>(writtenSchema(fingerprint), schema);
      readers.put(fingerprint, reader);
    }
    try {
      decoder =
          DecoderFactory.get()
              .binaryDecoder(bytes, HEADER_BYTES, length - HEADER_BYTES, decoder);
      GenericRecord value = reader.read(null, decoder);
      if (!decoder.isEnd()) {
        throw new EventFault("truncated", "bytes are left after " + schema.getName());
      }
      return value;
    } catch (IOException | RuntimeException error) {
      throw new EventFault("truncated", schema.getName() + " cannot be read: " + error);
    }
  }

  byte[] encode(GenericRecord value) {
    buffer.reset();
    buffer.writeBytes(header);
    encoder = EncoderFactory.get().binaryEncoder(buffer, encoder);
    try {
      writer.write(value, encoder);
      encoder.flush();
    } catch (IOException error) {
      throw new AvroRuntimeException(error);
    }
    return buffer.toByteArray();
  }

  private Schema writtenSchema(long fingerprint) throws EventFault {
    Schema written = Schemas.written(fingerprint);
    if (written == null) {
      throw new EventFault(
          "unknown-schema",
          "fingerprint " + String.format("%016x", Long.reverseBytes(fingerprint)));
    }
    if (!written.getFullName().equals(schema.getFullName())) {
      throw new EventFault(
          "wrong-record", "expected " + schema.getName() + ", got " + written.getName());
    }
    return written;
  }
}
