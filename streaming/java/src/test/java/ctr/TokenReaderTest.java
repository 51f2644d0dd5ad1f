package ctr;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.List;
import org.apache.avro.util.Utf8;
import org.junit.jupiter.api.Test;

/** Tokens are judged as Python judges them; the lines are those of tests/golden/tokens.txt. */
class TokenReaderTest {
  private static final Path TOKENS = Path.of("../../tests/golden/tokens.txt");

  @Test
  void judgesAsPythonDoes() throws IOException {
    List<String> lines = Files.readAllLines(TOKENS);
    assertTrue(lines.size() > 10, "golden tokens");
    for (String line : lines) {
      String[] parts = line.split(" ", 3);
      assertEquals(parts[2], judgement(parts[0], HexFormat.of().parseHex(parts[1])), line);
    }
  }

  @Test
  void refusesATokenOfAnotherImpression() throws IOException {
    String[] good = Files.readAllLines(TOKENS).get(0).split(" ", 3);
    byte[] token = HexFormat.of().parseHex(good[1]);
    TokenReader reader = new TokenReader(good[0], null, WriterSchemas.shipped());
    EventFault fault =
        assertThrows(
            EventFault.class, () -> reader.read(token, new Utf8("r-2"), new Utf8("7")));
    assertTrue(fault.getMessage().startsWith("token-mismatch"), fault.getMessage());
  }

  private static String judgement(String keys, byte[] token) {
    try {
      new TokenReader(keys, null, WriterSchemas.shipped())
          .read(token, new Utf8("r-1"), new Utf8("7"));
      return "ok";
    } catch (EventFault fault) {
      return fault.getMessage();
    }
  }
}
