package ctr;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.util.Utf8;
import org.apache.flink.table.data.ArrayData;
import org.apache.flink.table.data.GenericArrayData;
import org.apache.flink.table.data.StringData;

/**
 * Values between Avro's generic form and Flink's internal one: string and enum = STRING, bytes =
 * BYTES, array of strings = ARRAY, numbers and null as they are.
 */
final class AvroValues {
  static final int LONGEST_TEXT = 0xFFFF;

  private AvroValues() {}

  static Object toFlink(Object value, String field) throws EventFault {
    if (value instanceof Utf8 text) {
      return text(text, field);
    }
    if (value instanceof ByteBuffer buffer) {
      byte[] bytes = new byte[buffer.remaining()];
      buffer.duplicate().get(bytes);
      return bytes;
    }
    if (value instanceof GenericData.EnumSymbol symbol) {
      return StringData.fromString(symbol.toString());
    }
    if (value instanceof List<?> list) {
      Object[] items = new Object[list.size()];
      for (int i = 0; i < items.length; i++) {
        items[i] = toFlink(list.get(i), field);
      }
      return new GenericArrayData(items);
    }
    return value;
  }

  static Object toAvro(Schema schema, Object value) {
    return switch (schema.getType()) {
      case UNION -> value == null ? null : toAvro(valueOf(schema), value);
      case STRING -> new Utf8(((StringData) value).toBytes());
      case ENUM -> new GenericData.EnumSymbol(schema, value.toString());
      case BYTES -> ByteBuffer.wrap((byte[]) value);
      case ARRAY -> strings((ArrayData) value);
      default -> value;
    };
  }

  /**
   * Ids end up in Redis keys and Python strings, and in rows that have two bytes for their length:
   * what is not UTF-8, or is longer, must stop at the door.
   */
  private static StringData text(Utf8 text, String field) throws EventFault {
    byte[] bytes = text.getBytes();
    int length = text.getByteLength();
    if (length > LONGEST_TEXT) {
      throw new EventFault("too-long", "field " + field + " has " + length + " bytes");
    }
    for (int i = 0; i < length; i++) {
      if (bytes[i] < 0) {
        try {
          StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes, 0, length));
        } catch (CharacterCodingException error) {
          throw new EventFault("not-utf8", "field " + field);
        }
        break;
      }
    }
    return StringData.fromBytes(bytes, 0, length);
  }

  private static Schema valueOf(Schema union) {
    return union.getTypes().stream()
        .filter(type -> type.getType() != Schema.Type.NULL)
        .findFirst()
        .orElseThrow();
  }

  private static List<Utf8> strings(ArrayData array) {
    List<Utf8> items = new ArrayList<>(array.size());
    for (int i = 0; i < array.size(); i++) {
      items.add(new Utf8(array.getString(i).toBytes()));
    }
    return items;
  }
}
