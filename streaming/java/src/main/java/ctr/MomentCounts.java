package ctr;

import java.util.Arrays;
import org.apache.flink.table.data.binary.BinaryStringData;

/**
 * Counts by key and tile, in arrays: a hash table of objects takes several times as long, most of it
 * to wait for memory. Keys are bytes in one column.
 */
final class MomentCounts {
  private static final int MOST_COUNTS = 200_000;
  private static final int MOST_KEY_BYTES = 16 << 20;
  private static final long NO_CLICK = Long.MAX_VALUE;
  private static final int TILE = 0;
  private static final int TS = 1;
  private static final int IMPRESSIONS = 2;
  private static final int CLICKS = 3;
  private static final int CLICK_TS = 4;
  // Where the key begins, and its length.
  private static final int KEY = 5;
  private static final int NUMBERS = 6;

  private final ByteColumn keys = new ByteColumn();
  private long[] numbers = new long[1_024 * NUMBERS];
  // At the place that its hash tells, or after it: the hash, and the number of the entry + 1.
  private long[] places = new long[2_048];
  private int size;

  /** Takes what {@link #forEach} has found. {@code clickTs} is the oldest click, or null. */
  interface Listener {
    void counted(BinaryStringData key, long ts, long impressions, long clicks, Long clickTs);
  }

  int size() {
    return size;
  }

  /** Whether it is time to empty it, which bounds the memory. */
  boolean isFull() {
    return size >= MOST_COUNTS || keys.size() >= MOST_KEY_BYTES;
  }

  /** One impression or click of a key, at a time within the tile. */
  void add(byte[] key, long tile, long ts, boolean isClick) {
    int at = entry(key, tile) * NUMBERS;
    numbers[at + TS] = Math.max(numbers[at + TS], ts);
    if (isClick) {
      numbers[at + CLICKS]++;
      numbers[at + CLICK_TS] = Math.min(numbers[at + CLICK_TS], ts);
    } else {
      numbers[at + IMPRESSIONS]++;
    }
  }

  /** In the order in which they came first. */
  void forEach(Listener listener) {
    for (int at = 0; at < size * NUMBERS; at += NUMBERS) {
      int start = (int) (numbers[at + KEY] >>> 32);
      byte[] key = keys.toArray(start, start + (int) numbers[at + KEY]);
      long clickTs = numbers[at + CLICK_TS];
      listener.counted(
          BinaryStringData.fromBytes(key),
          numbers[at + TS],
          numbers[at + IMPRESSIONS],
          numbers[at + CLICKS],
          clickTs == NO_CLICK ? null : (Long) clickTs);
    }
  }

  void clear() {
    keys.clear();
    Arrays.fill(places, 0);
    size = 0;
  }

  private int entry(byte[] key, long tile) {
    int hash = mix(31 * Arrays.hashCode(key) + Long.hashCode(tile));
    int mask = places.length - 1;
    int place = hash & mask;
    for (long found = places[place]; found != 0; found = places[place]) {
      int entry = (int) found - 1;
      if ((int) (found >>> 32) == hash && isOf(entry, key, tile)) {
        return entry;
      }
      place = (place + 1) & mask;
    }
    places[place] = (long) hash << 32 | size + 1;
    add(key, tile);
    if (2 * size > places.length) {
      rehash();
    }
    return size - 1;
  }

  private boolean isOf(int entry, byte[] key, long tile) {
    int at = entry * NUMBERS;
    return numbers[at + TILE] == tile
        && keys.equals((int) (numbers[at + KEY] >>> 32), (int) numbers[at + KEY], key);
  }

  private void add(byte[] key, long tile) {
    int at = size++ * NUMBERS;
    if (at == numbers.length) {
      numbers = Arrays.copyOf(numbers, 2 * at);
    }
    numbers[at + TILE] = tile;
    numbers[at + TS] = Long.MIN_VALUE;
    numbers[at + IMPRESSIONS] = 0;
    numbers[at + CLICKS] = 0;
    numbers[at + CLICK_TS] = NO_CLICK;
    numbers[at + KEY] = (long) keys.size() << 32 | key.length;
    keys.add(key);
  }

  private void rehash() {
    long[] old = places;
    places = new long[2 * old.length];
    int mask = places.length - 1;
    for (long found : old) {
      if (found != 0) {
        int place = (int) (found >>> 32) & mask;
        while (places[place] != 0) {
          place = (place + 1) & mask;
        }
        places[place] = found;
      }
    }
  }

  /** The finalizer of MurmurHash3: texts that differ in their last digits fall far apart. */
  private static int mix(int hash) {
    int mixed = (hash ^ hash >>> 16) * 0x85ebca6b;
    mixed = (mixed ^ mixed >>> 13) * 0xc2b2ae35;
    return mixed ^ mixed >>> 16;
  }
}
