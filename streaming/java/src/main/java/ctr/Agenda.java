package ctr;

import java.util.Map;
import java.util.TreeMap;

/**
 * Impressions and when each is to be looked at, in event time. The join would need two of Flink's
 * timers for an impression, each an object in a heap and in a hash table, all of which a checkpoint
 * of RocksDB waits for; here it is some bytes at the end of an array. Nothing is saved: the agenda
 * follows from the state of the impressions.
 *
 * <p>An entry cannot be taken back. Who is told looks whether it is still right.
 */
final class Agenda {
  private static final long SLOT_MS = 10_000;
  private static final int HEAD_BYTES = 8 + 1 + 4 + 4;

  /** By number of slot, in any order within. Entry: time, is last, start of the ad id, length, id. */
  private final TreeMap<Long, ByteColumn> slots = new TreeMap<>();

  /** Takes what has become due; it may add to the agenda what comes later. */
  interface Listener {
    void due(ImpressionId id, long ts, boolean isLast) throws Exception;
  }

  /** {@code isLast}: then nothing of the impression is needed any more. */
  void add(ImpressionId id, long ts, boolean isLast) {
    slot(Math.floorDiv(ts, SLOT_MS))
        .addLong(ts)
        .add((byte) (isLast ? 1 : 0))
        .addInt(id.adStart)
        .addInt(id.bytes.length)
        .add(id.bytes);
  }

  /** Tells of all entries up to and including {@code now}, slot by slot, and forgets them. */
  void tell(long now, Listener listener) throws Exception {
    long current = Math.floorDiv(now, SLOT_MS);
    while (!slots.isEmpty() && slots.firstKey() <= current) {
      Map.Entry<Long, ByteColumn> slot = slots.pollFirstEntry();
      ByteColumn later = tell(slot.getValue(), now, listener);
      if (later.size() > 0) {
        slot(slot.getKey()).add(later);
      }
      if (slot.getKey() == current) {
        return;
      }
    }
  }

  private static ByteColumn tell(ByteColumn entries, long now, Listener listener)
      throws Exception {
    ByteColumn later = new ByteColumn();
    for (int at = 0, end; at < entries.size(); at = end) {
      long ts = entries.longAt(at);
      int idAt = at + HEAD_BYTES;
      end = idAt + entries.intAt(idAt - 4);
      if (ts <= now) {
        ImpressionId id = new ImpressionId(entries.toArray(idAt, end), entries.intAt(idAt - 8));
        listener.due(id, ts, entries.at(at + 8) == 1);
      } else {
        later.add(entries, at, end);
      }
    }
    return later;
  }

  private ByteColumn slot(long number) {
    return slots.computeIfAbsent(number, unused -> new ByteColumn());
  }
}
