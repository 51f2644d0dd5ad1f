package ctr;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class TiledCounterTest {
  private record Event(long ts, long impressions, long clicks) {}

  /** The obvious version: every event is kept, every window is summed anew. */
  private static long[] bruteForce(List<Event> events, long time, boolean clicks) {
    long[] sums = new long[TiledCounter.WINDOWS_MS.length];
    for (int window = 0; window < sums.length; window++) {
      long tileMs = TiledCounter.WINDOWS_MS[window] / TiledCounter.TILES_PER_WINDOW;
      long current = time / tileMs;
      sums[window] =
          events.stream()
              .filter(e -> e.ts / tileMs > current - TiledCounter.TILES_PER_WINDOW)
              .mapToLong(e -> clicks ? e.clicks : e.impressions)
              .sum();
    }
    return sums;
  }

  @Test
  void agreesWithBruteForceOnRandomHistories() {
    for (int seed = 0; seed < 300; seed++) {
      Random random = new Random(seed);
      long[] steps = {1_000, 60_000, 600_000, 7_200_000, 200_000_000};
      long step = steps[seed % steps.length];
      TiledCounter counter = new TiledCounter(null);
      List<Event> events = new ArrayList<>();
      long time = 1_700_000_000_000L;
      for (int i = 0; i < 100; i++) {
        time += (long) (random.nextDouble() * step);
        long late = random.nextInt(4) == 0 ? (long) (random.nextDouble() * 5 * step) : 0;
        Event event = new Event(time - late, random.nextInt(3), random.nextInt(2));
        events.add(event);
        counter.add(event.ts, event.impressions, event.clicks);
        assertSame(events, counter);
        if (random.nextInt(3) == 0 && counter.nextExpiry() != Long.MAX_VALUE) {
          long expiry = counter.nextExpiry();
          assertArrayEquals(bruteForce(events, expiry - 1, false), impressions(counter));
          counter.advanceTo(expiry);
          time = Math.max(time, expiry);
          assertSame(events, counter);
        }
        counter = new TiledCounter(counter.numbers().clone());
      }
      while (!counter.isEmpty()) {
        counter.advanceTo(counter.nextExpiry());
        assertSame(events, counter);
      }
    }
  }

  @Test
  void holdsAtMostFifteenTilesOfEachWindow() {
    TiledCounter counter = new TiledCounter(null);
    for (long ts = 0; ts < 2_000_000_000L; ts += 60_000) {
      counter.add(ts, 1, 0);
    }
    assertEquals(1 + 4 * 3 * TiledCounter.TILES_PER_WINDOW, counter.numbers().length);
    assertTrue(counter.sums()[3] >= 14 * 672);
  }

  private static void assertSame(List<Event> events, TiledCounter counter) {
    assertArrayEquals(bruteForce(events, counter.version(), false), impressions(counter));
    assertArrayEquals(
        bruteForce(events, counter.version(), true),
        Arrays.copyOfRange(counter.sums(), 4, 8));
  }

  private static long[] impressions(TiledCounter counter) {
    return Arrays.copyOf(counter.sums(), 4);
  }
}
