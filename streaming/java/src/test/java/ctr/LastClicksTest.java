package ctr;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class LastClicksTest {
  private record Click(String ad, long ts) {}

  @Test
  void keepsTheNewestWhateverTheOrderOfArrival() {
    Random random = new Random(3);
    LastClicks.Clicks state = new LastClicks.Clicks();
    state.ts = new Long[0];
    state.ad_ids = new String[0];
    List<Click> all = new ArrayList<>();
    for (int i = 0; i < 500; i++) {
      Click click = new Click("ad" + random.nextInt(20), 1_000_000 + random.nextInt(200));
      all.add(click);
      LastClicks.insert(state, click.ad, click.ts, 50);
      String[] expected =
          all.stream()
              .sorted(Comparator.comparingLong(Click::ts).reversed().thenComparing(Click::ad))
              .limit(50)
              .map(Click::ad)
              .toArray(String[]::new);
      assertArrayEquals(expected, state.ad_ids);
    }
  }
}
