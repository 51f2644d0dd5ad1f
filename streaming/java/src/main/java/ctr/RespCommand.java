package ctr;

import java.nio.charset.StandardCharsets;
import java.util.stream.IntStream;

/** A command in Redis' protocol, whose arguments are added one by one. */
final class RespCommand {
  private static final byte[] LINE = {'\r', '\n'};

  /** What comes before short arguments, by their length. */
  private static final byte[][] HEADS =
      IntStream.range(0, 256)
          .mapToObj(length -> ("$" + length + "\r\n").getBytes(StandardCharsets.US_ASCII))
          .toArray(byte[][]::new);

  private final ByteColumn arguments = new ByteColumn();
  private int count;

  RespCommand add(byte[] argument) {
    return add(argument, argument, 0, 0);
  }

  /** One argument in two parts: a whole array, and {@code length} bytes of another. */
  RespCommand add(byte[] head, byte[] tail, int start, int length) {
    int size = head.length + length;
    if (size < HEADS.length) {
      arguments.add(HEADS[size]);
    } else {
      arguments.add((byte) '$').addText(size).add(LINE);
    }
    arguments.add(head).add(tail, start, length).add(LINE);
    count++;
    return this;
  }

  RespCommand add(String argument) {
    return add(argument.getBytes(StandardCharsets.UTF_8));
  }

  RespCommand add(long argument) {
    return add(Long.toString(argument));
  }

  /** All arguments of another one. */
  RespCommand addAll(RespCommand other) {
    arguments.add(other.arguments);
    count += other.count;
    return this;
  }

  int count() {
    return count;
  }

  byte[] bytes() {
    ByteColumn whole = new ByteColumn();
    return whole.add((byte) '*').addText(count).add(LINE).add(arguments).toArray();
  }
}
