package ctr;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;

/**
 * Impressions and clicks of one key over sliding windows. A window of length w is cut into tiles of
 * w / 15; at event time T it sums the tiles {@code (T / tile) - 14 .. T / tile}, so it covers between
 * 14/15 and all of w. Only tiles that hold something are kept.
 *
 * <p>All of it is one array, so that state is read and written without objects: the version, then
 * three numbers for each tile.
 */
final class TiledCounter {
  static final long[] WINDOWS_MS = {900_000L, 3_600_000L, 86_400_000L, 604_800_000L};
  static final int TILES_PER_WINDOW = 15;

  /** The smallest tile: events of one of them need not be told apart. */
  static final long SMALLEST_TILE_MS = WINDOWS_MS[0] / TILES_PER_WINDOW;

  private static final long[] TILES_MS =
      Arrays.stream(WINDOWS_MS).map(window -> window / TILES_PER_WINDOW).toArray();
  private static final int WINDOWS = WINDOWS_MS.length;
  private static final int FIRST = 1;
  // Three numbers for each tile: which (its number * WINDOWS + window), impressions, clicks.
  private static final int ENTRY = 3;
  private static final byte[] NOTHING = {};

  private long[] numbers;

  /** A counter as {@link #numbers} gave it, or an empty one for null. */
  TiledCounter(long[] numbers) {
    this.numbers = numbers == null ? new long[] {Long.MIN_VALUE} : numbers;
  }

  /** Event time, in ms, that the sums stand for; it never goes back. */
  long version() {
    return numbers[0];
  }

  long[] numbers() {
    return numbers;
  }

  boolean isEmpty() {
    return numbers.length == FIRST;
  }

  /** Counts events of time {@code ts}; late ones go to the tiles that still hold their time. */
  void add(long ts, long impressions, long clicks) {
    advanceTo(ts);
    for (int window = 0; window < WINDOWS; window++) {
      long entry = Math.floorDiv(ts, TILES_MS[window]) * WINDOWS + window;
      if (expiry(entry) > version()) {
        int at = find(entry);
        numbers[at + 1] += impressions;
        numbers[at + 2] += clicks;
      }
    }
  }

  /** Moves to {@code time} and drops what is expired there. */
  void advanceTo(long time) {
    if (time <= numbers[0]) {
      return;
    }
    numbers[0] = time;
    int kept = FIRST;
    for (int at = FIRST; at < numbers.length; at += ENTRY) {
      if (expiry(numbers[at]) > time) {
        if (kept < at) {
          System.arraycopy(numbers, at, numbers, kept, ENTRY);
        }
        kept += ENTRY;
      }
    }
    numbers = kept == numbers.length ? numbers : Arrays.copyOf(numbers, kept);
  }

  /** When the next tile expires, or Long.MAX_VALUE. */
  long nextExpiry() {
    long next = Long.MAX_VALUE;
    for (int at = FIRST; at < numbers.length; at += ENTRY) {
      next = Math.min(next, expiry(numbers[at]));
    }
    return next;
  }

  /** Impressions of each window, then clicks of each window. */
  long[] sums() {
    long[] sums = new long[2 * WINDOWS];
    for (int at = FIRST; at < numbers.length; at += ENTRY) {
      int window = (int) Math.floorMod(numbers[at], (long) WINDOWS);
      sums[window] += numbers[at + 1];
      sums[WINDOWS + window] += numbers[at + 2];
    }
    return sums;
  }

  /** The sums as CounterRow of schemas.redis_values packs them; empty if nothing is left. */
  byte[] packed() {
    if (isEmpty()) {
      return NOTHING;
    }
    long[] sums = sums();
    ByteBuffer packed = ByteBuffer.allocate(8 * sums.length).order(ByteOrder.LITTLE_ENDIAN);
    packed.asLongBuffer().put(sums);
    return packed.array();
  }

  private int find(long entry) {
    // The newest tiles were added last.
    for (int at = numbers.length - ENTRY; at >= FIRST; at -= ENTRY) {
      if (numbers[at] == entry) {
        return at;
      }
    }
    int at = numbers.length;
    numbers = Arrays.copyOf(numbers, at + ENTRY);
    numbers[at] = entry;
    return at;
  }

  private static long expiry(long entry) {
    long tile = Math.floorDiv(entry, (long) WINDOWS);
    return (tile + TILES_PER_WINDOW) * TILES_MS[(int) (entry - tile * WINDOWS)];
  }
}
