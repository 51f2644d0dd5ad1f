package ctr;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class ClickListTest {
  private record Click(String ad, long ts) {}

  @Test
  void keepsTheNewestWhateverTheOrderOfArrival() {
    Random random = new Random(3);
    byte[] state = null;
    List<Click> all = new ArrayList<>();
    for (int i = 0; i < 500; i++) {
      Click click = new Click("ad" + random.nextInt(20), 1_000_000 + random.nextInt(200));
      all.add(click);
      ClickList clicks = ClickList.of(state);
      clicks.insert(click.ad.getBytes(StandardCharsets.UTF_8), click.ts, 50);
      state = clicks.packed();
      List<Click> expected =
          all.stream()
              .sorted(Comparator.comparingLong(Click::ts).reversed().thenComparing(Click::ad))
              .limit(50)
              .toList();
      assertEquals(expected.get(0).ts, clicks.newestTs());
      assertArrayEquals(packed(expected), clicks.packedAds());
    }
  }

  private static byte[] packed(List<Click> clicks) {
    ByteBuffer bytes = ByteBuffer.allocate(10_000).order(ByteOrder.LITTLE_ENDIAN);
    for (Click click : clicks) {
      bytes.putShort((short) click.ad.length()).put(click.ad.getBytes(StandardCharsets.UTF_8));
    }
    byte[] used = new byte[bytes.position()];
    bytes.flip().get(used);
    return used;
  }
}
