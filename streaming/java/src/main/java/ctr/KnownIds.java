package ctr;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/**
 * Which impressions have a state, as 64 bits of each: an open hash table in one array. It may say
 * of an unknown impression that it is known (of ten million once in a million million), never the
 * other way round: equal bits are kept as often as they were added.
 */
final class KnownIds {
  private static final VarHandle LONGS =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

  private long[] places = new long[1_024];
  private int size;

  boolean contains(ImpressionId id) {
    return places[find(bits(id))] != 0;
  }

  void add(ImpressionId id) {
    if (++size > places.length / 3 * 2) {
      grow();
    }
    long bits = bits(id);
    places[firstFree(bits)] = bits;
  }

  /** Once; nothing happens if it is unknown. */
  void remove(ImpressionId id) {
    int free = find(bits(id));
    if (places[free] == 0) {
      return;
    }
    size--;
    // What stands behind moves up, unless it would come before its own place.
    int mask = places.length - 1;
    for (int at = free + 1 & mask; places[at] != 0; at = at + 1 & mask) {
      int own = (int) places[at] & mask;
      if ((at - own & mask) >= (at - free & mask)) {
        places[free] = places[at];
        free = at;
      }
    }
    places[free] = 0;
  }

  private int find(long bits) {
    int mask = places.length - 1;
    int at = (int) bits & mask;
    while (places[at] != 0 && places[at] != bits) {
      at = at + 1 & mask;
    }
    return at;
  }

  private int firstFree(long bits) {
    int mask = places.length - 1;
    int at = (int) bits & mask;
    while (places[at] != 0) {
      at = at + 1 & mask;
    }
    return at;
  }

  private void grow() {
    long[] old = places;
    places = new long[2 * old.length];
    for (long bits : old) {
      if (bits != 0) {
        places[firstFree(bits)] = bits;
      }
    }
  }

  /** Not 0, which is a free place. */
  private static long bits(ImpressionId id) {
    byte[] bytes = id.bytes;
    long hash = mix(bytes.length * 0x9E3779B97F4A7C15L + id.adStart);
    int at = 0;
    for (; at + 8 <= bytes.length; at += 8) {
      hash = mix(hash ^ (long) LONGS.get(bytes, at));
    }
    long rest = 0;
    for (; at < bytes.length; at++) {
      rest = rest << 8 | bytes[at] & 0xFF;
    }
    hash = mix(hash ^ rest);
    return hash == 0 ? 1 : hash;
  }

  /** The finalizer of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014). */
  private static long mix(long hash) {
    long mixed = (hash ^ hash >>> 30) * 0xBF58476D1CE4E5B9L;
    mixed = (mixed ^ mixed >>> 27) * 0x94D049BB133111EBL;
    return mixed ^ mixed >>> 31;
  }
}
