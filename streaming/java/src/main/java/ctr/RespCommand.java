package ctr;

import java.nio.charset.StandardCharsets;

/** A command in Redis' protocol, whose arguments are added one by one. */
final class RespCommand {
  private static final byte[] LINE = {'\r', '\n'};

  private final ByteColumn arguments = new ByteColumn();
  private int count;

  RespCommand add(byte[] argument) {
    return add(argument, argument, 0, 0);
  }

  /** One argument in two parts: a whole array, and {@code length} bytes of another. */
  RespCommand add(byte[] head, byte[] tail, int start, int length) {
    arguments.add((byte) '$').addText(head.length + length).add(LINE);
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
