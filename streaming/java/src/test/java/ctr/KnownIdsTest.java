package ctr;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.HashSet;
import java.util.Random;
import java.util.Set;
import org.apache.flink.table.data.StringData;
import org.junit.jupiter.api.Test;

class KnownIdsTest {
  @Test
  void knowsWhatASetKnows() {
    Random random = new Random(11);
    KnownIds known = new KnownIds();
    Set<Integer> expected = new HashSet<>();
    for (int i = 0; i < 100_000; i++) {
      int number = random.nextInt(5_000);
      if (random.nextInt(3) == 0) {
        known.remove(id(number));
        expected.remove(number);
      } else if (expected.add(number)) {
        known.add(id(number));
      }
      int asked = random.nextInt(5_000);
      assertEquals(expected.contains(asked), known.contains(id(asked)));
    }
  }

  private static ImpressionId id(int number) {
    StringData requestId = StringData.fromString("request-" + number);
    return ImpressionId.of(requestId, StringData.fromString("ad-" + number % 7));
  }
}
