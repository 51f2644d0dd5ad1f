package ctr;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Arrays;

/** Bytes that are added at the end; a ByteArrayOutputStream would take a lock each time. */
final class ByteColumn {
  private static final VarHandle INTS = littleEndian(int[].class);
  private static final VarHandle LONGS = littleEndian(long[].class);

  private byte[] bytes = new byte[256];
  private int size;

  int size() {
    return size;
  }

  ByteColumn add(byte value) {
    reserve(1);
    bytes[size++] = value;
    return this;
  }

  ByteColumn add(byte[] values) {
    return add(values, 0, values.length);
  }

  ByteColumn add(byte[] values, int start, int length) {
    reserve(length);
    System.arraycopy(values, start, bytes, size, length);
    size += length;
    return this;
  }

  ByteColumn add(ByteColumn other) {
    return add(other, 0, other.size);
  }

  ByteColumn add(ByteColumn other, int start, int end) {
    return add(other.bytes, start, end - start);
  }

  /** Little-endian. */
  ByteColumn addInt(int value) {
    reserve(Integer.BYTES);
    INTS.set(bytes, size, value);
    size += Integer.BYTES;
    return this;
  }

  /** Little-endian. */
  ByteColumn addLong(long value) {
    reserve(Long.BYTES);
    LONGS.set(bytes, size, value);
    size += Long.BYTES;
    return this;
  }

  /** A number below 2^31 as decimal text. */
  ByteColumn addText(int number) {
    reserve(10);
    int digits = 1;
    for (int rest = number; rest >= 10; rest /= 10) {
      digits++;
    }
    int rest = number;
    for (int at = size + digits - 1; at >= size; at--) {
      bytes[at] = (byte) ('0' + rest % 10);
      rest /= 10;
    }
    size += digits;
    return this;
  }

  byte at(int index) {
    return bytes[index];
  }

  /** What {@link #addInt} put there. */
  int intAt(int index) {
    return (int) INTS.get(bytes, index);
  }

  /** What {@link #addLong} put there. */
  long longAt(int index) {
    return (long) LONGS.get(bytes, index);
  }

  /** Whether these bytes of the column are all those of {@code values}. */
  boolean equals(int start, int length, byte[] values) {
    return length == values.length
        && Arrays.equals(bytes, start, start + length, values, 0, length);
  }

  byte[] toArray() {
    return toArray(0, size);
  }

  byte[] toArray(int start, int end) {
    return Arrays.copyOfRange(bytes, start, end);
  }

  void clear() {
    size = 0;
  }

  private void reserve(int length) {
    if (size + length > bytes.length) {
      bytes = Arrays.copyOf(bytes, Math.max(size + length, 2 * bytes.length));
    }
  }

  private static VarHandle littleEndian(Class<?> numbers) {
    return MethodHandles.byteArrayViewVarHandle(numbers, ByteOrder.LITTLE_ENDIAN);
  }
}
