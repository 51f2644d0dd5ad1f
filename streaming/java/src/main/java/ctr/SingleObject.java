package ctr;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.apache.avro.AvroRuntimeException;
import org.apache.avro.AvroTypeException;
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
 * schema (8 bytes, little-endian), body. Reads every known version, writes the current one. With a
 * registry, Confluent's wire format is read, too: 0, id of the writer's schema (4 bytes,
 * big-endian), body. Not thread-safe.
 */
final class SingleObject {
  static final int HEADER_BYTES = 10;
  private static final byte MARKER_0 = (byte) 0xC3;
  private static final byte MARKER_1 = 0x01;

  private static final int WIRE_HEADER_BYTES = 5;

  private final Schema schema;
  private final WriterSchemas writers;
  private final byte[] header;
  private final Map<Long, GenericDatumReader<GenericRecord>> readers = new HashMap<>();
  private final Map<Integer, GenericDatumReader<GenericRecord>> readersById = new HashMap<>();
  private final GenericDatumWriter<GenericRecord> writer;
  private final ByteArrayOutputStream buffer = new ByteArrayOutputStream(512);
  private BinaryDecoder decoder;
  private BinaryEncoder encoder;

  SingleObject(String record) {
    this(Schemas.current(record), WriterSchemas.shipped());
  }

  SingleObject(Schema schema, WriterSchemas writers) {
    this.schema = schema;
    this.writers = writers;
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

  /**
   * The record in {@code bytes[0, length)}. Whatever comes, it throws nothing but EventFault, unless
   * the registry is away.
   */
  GenericRecord decode(byte[] bytes, int length) throws EventFault {
    if (length >= WIRE_HEADER_BYTES && bytes[0] == 0 && writers.hasRegistry()) {
      return read(readerById(bytes), bytes, WIRE_HEADER_BYTES, length);
    }
    if (length < HEADER_BYTES || bytes[0] != MARKER_0 || bytes[1] != MARKER_1) {
      throw new EventFault("not-avro", "no single-object marker C3 01");
    }
    return read(reader(bytes), bytes, HEADER_BYTES, length);
  }

  /** The bytes if they are as this class writes, else the value that was read from them, encoded. */
  byte[] current(byte[] bytes, GenericRecord value) {
    boolean isCurrent =
        bytes.length >= HEADER_BYTES
            && Arrays.equals(bytes, 0, HEADER_BYTES, header, 0, HEADER_BYTES);
    return isCurrent ? bytes : encode(value);
  }

  private GenericRecord read(
      GenericDatumReader<GenericRecord> reader, byte[] bytes, int from, int length)
      throws EventFault {
    try {
      decoder = DecoderFactory.get().binaryDecoder(bytes, from, length - from, decoder);
      GenericRecord value = reader.read(null, decoder);
      if (!decoder.isEnd()) {
        throw new EventFault("truncated", "bytes are left after " + schema.getName());
      }
      return value;
    } catch (AvroTypeException error) {
      throw new EventFault("incompatible-schema", error.getMessage());
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

  private GenericDatumReader<GenericRecord> reader(byte[] bytes) throws EventFault {
    long fingerprint = ByteBuffer.wrap(bytes, 2, 8).order(ByteOrder.LITTLE_ENDIAN).getLong();
    GenericDatumReader<GenericRecord> reader = readers.get(fingerprint);
    if (reader == null) {
      reader = readerOf(writers.of(fingerprint));
      readers.put(fingerprint, reader);
    }
    return reader;
  }

  private GenericDatumReader<GenericRecord> readerById(byte[] bytes) throws EventFault {
    int id = ByteBuffer.wrap(bytes, 1, 4).getInt();
    GenericDatumReader<GenericRecord> reader = readersById.get(id);
    if (reader == null) {
      reader = readerOf(writers.ofId(id));
      readersById.put(id, reader);
    }
    return reader;
  }

  private GenericDatumReader<GenericRecord> readerOf(Schema written) throws EventFault {
    if (!written.getFullName().equals(schema.getFullName())) {
      throw new EventFault(
          "wrong-record", "expected " + schema.getName() + ", got " + written.getName());
    }
    return new GenericDatumReader<>(written, schema);
  }
}
