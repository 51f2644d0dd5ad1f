package ctr;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;

/** A command in Redis' protocol, whose arguments are added one by one. */
final class RespCommand {
  private static final byte[] LINE = {'\r', '\n'};

  private final ByteArrayOutputStream arguments = new ByteArrayOutputStream();
  private int count;

  RespCommand add(byte[] argument) {
    line('$', argument.length);
    arguments.writeBytes(argument);
    arguments.writeBytes(LINE);
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
    arguments.writeBytes(other.arguments.toByteArray());
    count += other.count;
    return this;
  }

  int count() {
    return count;
  }

  byte[] bytes() {
    byte[] head = ("*" + count + "\r\n").getBytes(StandardCharsets.US_ASCII);
    ByteArrayOutputStream whole = new ByteArrayOutputStream(head.length + arguments.size());
    whole.writeBytes(head);
    whole.writeBytes(arguments.toByteArray());
    return whole.toByteArray();
  }

  private void line(char type, int number) {
    arguments.write(type);
    if (number >= 100) {
      arguments.writeBytes(Integer.toString(number).getBytes(StandardCharsets.US_ASCII));
    } else {
      if (number >= 10) {
        arguments.write('0' + number / 10);
      }
      arguments.write('0' + number % 10);
    }
    arguments.writeBytes(LINE);
  }
}
