package ctr;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

class MomentCountsTest {
  private record Tile(String key, long number) {}

  @Test
  void countsAsAMapDoesAgainAndAgain() {
    Random random = new Random(5);
    MomentCounts counts = new MomentCounts();
    for (int round = 0; round < 3; round++) {
      Map<Tile, long[]> expected = new HashMap<>();
      for (int i = 0; i < 20_000; i++) {
        String key = "ad:" + (int) Math.pow(10_000, random.nextDouble());
        long ts = random.nextInt(300);
        boolean isClick = random.nextInt(20) == 0;
        counts.add(key.getBytes(StandardCharsets.UTF_8), ts / 100, ts, isClick);
        long[] numbers =
            expected.computeIfAbsent(
                new Tile(key, ts / 100), unused -> new long[] {0, 0, 0, Long.MAX_VALUE});
        numbers[0] = Math.max(numbers[0], ts);
        numbers[isClick ? 2 : 1]++;
        numbers[3] = isClick ? Math.min(numbers[3], ts) : numbers[3];
      }
      List<String> found = new ArrayList<>();
      counts.forEach(
          (key, ts, impressions, clicks, clickTs) ->
              found.add(key.toString() + Arrays.asList(ts, impressions, clicks, clickTs)));
      assertEquals(expected.size(), counts.size());
      assertEquals(expected.entrySet().stream().map(this::text).sorted().toList(), sorted(found));
      counts.clear();
    }
    counts.forEach((key, ts, impressions, clicks, clickTs) -> assertEquals("", key.toString()));
  }

  private String text(Map.Entry<Tile, long[]> tile) {
    long[] numbers = tile.getValue();
    Long clickTs = numbers[3] == Long.MAX_VALUE ? null : (Long) numbers[3];
    return tile.getKey().key + Arrays.asList(numbers[0], numbers[1], numbers[2], clickTs);
  }

  private static List<String> sorted(List<String> texts) {
    return texts.stream().sorted().toList();
  }
}
