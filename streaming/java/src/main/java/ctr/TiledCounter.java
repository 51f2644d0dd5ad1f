package ctr;

import java.util.Arrays;

/**
 * Impressions and clicks of one key over sliding windows. A window of length w is cut into tiles of
 * w / 15; at event time T it sums the tiles {@code (T / tile) - 14 .. T / tile}, so it covers between
 * 14/15 and all of w. Only tiles that hold something are kept.
 */
public final class TiledCounter {
  static final long[] WINDOWS_MS = {900_000L, 3_600_000L, 86_400_000L, 604_800_000L};
  static final int TILES_PER_WINDOW = 15;

  // Four numbers for each tile: window, tile, impressions, clicks.
  private static final int ENTRY = 4;

  private long version;
  private long[] entries;

  /** A counter as it was taken apart by {@link #version} and {@link #entries}. */
  TiledCounter(long version, long[] entries) {
    this.version = version;
    this.entries = entries;
  }

  /** Event time, in ms, that the sums stand for; it never goes back. */
  long version() {
    return version;
  }

  long[] entries() {
    return entries;
  }

  boolean isEmpty() {
    return entries.length == 0;
  }

  /** Counts events of time {@code ts}; late ones go to the tiles that still hold their time. */
  void add(long ts, long impressions, long clicks) {
    advanceTo(ts);
    for (int window = 0; window < WINDOWS_MS.length; window++) {
      long tile = Math.floorDiv(ts, tileMs(window));
      if (expiry(window, tile) > version) {
        int at = find(window, tile);
        entries[at + 2] += impressions;
        entries[at + 3] += clicks;
      }
    }
  }

  /** Moves to {@code time} and drops what is expired there. */
  void advanceTo(long time) {
    version = Math.max(version, time);
    int kept = 0;
    for (int at = 0; at < entries.length; at += ENTRY) {
      if (expiry((int) entries[at], entries[at + 1]) > version) {
        System.arraycopy(entries, at, entries, kept, ENTRY);
        kept += ENTRY;
      }
    }
    entries = kept == entries.length ? entries : Arrays.copyOf(entries, kept);
  }

  /** When the next tile expires, or Long.MAX_VALUE. */
  long nextExpiry() {
    long next = Long.MAX_VALUE;
    for (int at = 0; at < entries.length; at += ENTRY) {
      next = Math.min(next, expiry((int) entries[at], entries[at + 1]));
    }
    return next;
  }

  /** Impressions per window. */
  Long[] impressions() {
    return sums(2);
  }

  /** Clicks per window. */
  Long[] clicks() {
    return sums(3);
  }

  private Long[] sums(int column) {
    Long[] sums = new Long[WINDOWS_MS.length];
    Arrays.fill(sums, 0L);
    for (int at = 0; at < entries.length; at += ENTRY) {
      sums[(int) entries[at]] += entries[at + column];
    }
    return sums;
  }

  private int find(int window, long tile) {
    for (int at = 0; at < entries.length; at += ENTRY) {
      if (entries[at] == window && entries[at + 1] == tile) {
        return at;
      }
    }
    int at = entries.length;
    entries = Arrays.copyOf(entries, at + ENTRY);
    entries[at] = window;
    entries[at + 1] = tile;
    return at;
  }

  private static long expiry(int window, long tile) {
    return (tile + TILES_PER_WINDOW) * tileMs(window);
  }

  private static long tileMs(int window) {
    return WINDOWS_MS[window] / TILES_PER_WINDOW;
  }
}
