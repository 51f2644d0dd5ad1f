package ctr;

import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.BiConsumer;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.runtime.state.KeyedStateBackend;
import org.apache.flink.runtime.state.VoidNamespace;
import org.apache.flink.runtime.state.VoidNamespaceSerializer;
import org.apache.flink.runtime.state.heap.HeapKeyedStateBackend;
import org.apache.flink.streaming.api.operators.sorted.state.BatchExecutionKeyedStateBackend;

/**
 * The state of impressions, the newest of which are held back from a backend that is not memory
 * itself. Most of what happens to an impression happens soon: until a checkpoint comes, RocksDB need
 * not hear of it, nor be asked.
 *
 * <p>{@link #flush} must come before every snapshot of the backend.
 */
final class PendingStore {
  /** Of a task. */
  static final int MOST_BYTES = 64 << 20;

  /** Of the objects around an impression's bytes. */
  private static final int ENTRY_BYTES = 250;

  private final KeyedStateBackend<ImpressionId> backend;
  private final ValueState<Pending> state;
  private final long mostBytes;
  private final boolean isHolding;
  // In the order in which they came.
  private final LinkedHashMap<ImpressionId, Held> newest = new LinkedHashMap<>();
  private long bytes;
  private final KnownIds stored = new KnownIds();

  /** {@code isStored}: the backend has the impression, if in an older version. */
  private static final class Held {
    Pending pending;
    int bytes;
    boolean isStored;
    boolean isChanged;
  }

  /** Holds back about {@code mostBytes}. */
  PendingStore(
      KeyedStateBackend<ImpressionId> backend, ValueState<Pending> state, long mostBytes) {
    this.backend = backend;
    this.state = state;
    this.mostBytes = mostBytes;
    isHolding =
        !(backend instanceof HeapKeyedStateBackend
            || backend instanceof BatchExecutionKeyedStateBackend);
  }

  /** Of the current key; null if there is nothing. To be changed only if it is put or cleared. */
  Pending get() throws Exception {
    Held held = isHolding ? newest.get(backend.getCurrentKey()) : null;
    if (held != null) {
      return held.pending;
    }
    return !isHolding || stored.contains(backend.getCurrentKey()) ? state.value() : null;
  }

  /** Tells of all that the backend has; to be called once, before anything else. */
  void restore(ValueStateDescriptor<Pending> name, BiConsumer<ImpressionId, Pending> listener)
      throws Exception {
    backend.applyToAllKeys(
        VoidNamespace.INSTANCE,
        VoidNamespaceSerializer.INSTANCE,
        name,
        (id, restored) -> {
          if (isHolding) {
            stored.add(id);
          }
          listener.accept(id, restored.value());
        });
  }

  /** For the current key. */
  void put(Pending pending) throws Exception {
    if (!isHolding) {
      state.update(pending);
      return;
    }
    ImpressionId id = backend.getCurrentKey();
    Held held = newest.get(id);
    if (held == null) {
      held = new Held();
      held.isStored = stored.contains(id);
      newest.put(id, held);
    }
    bytes -= held.bytes;
    held.bytes = ENTRY_BYTES + id.bytes.length + length(pending);
    bytes += held.bytes;
    held.pending = pending;
    held.isChanged = true;
    if (bytes > mostBytes) {
      release();
      backend.setCurrentKey(id);
    }
  }

  void clear() throws Exception {
    if (!isHolding) {
      state.clear();
      return;
    }
    ImpressionId id = backend.getCurrentKey();
    Held held = newest.remove(id);
    if (held != null) {
      bytes -= held.bytes;
    }
    if (held == null ? stored.contains(id) : held.isStored) {
      state.clear();
      stored.remove(id);
    }
  }

  /** Tells the backend all. */
  void flush() throws Exception {
    for (Map.Entry<ImpressionId, Held> entry : newest.entrySet()) {
      write(entry.getKey(), entry.getValue());
    }
  }

  /** The older half goes. */
  private void release() throws Exception {
    Iterator<Map.Entry<ImpressionId, Held>> entries = newest.entrySet().iterator();
    while (bytes > mostBytes / 2) {
      Map.Entry<ImpressionId, Held> entry = entries.next();
      write(entry.getKey(), entry.getValue());
      bytes -= entry.getValue().bytes;
      entries.remove();
    }
  }

  private void write(ImpressionId id, Held held) throws Exception {
    if (held.isChanged) {
      backend.setCurrentKey(id);
      state.update(held.pending);
      held.isChanged = false;
      if (!held.isStored) {
        held.isStored = true;
        stored.add(id);
      }
    }
  }

  private static int length(Pending pending) {
    return (pending.impression == null ? 0 : pending.impression.length)
        + (pending.clickSource == null ? 0 : pending.clickSource.length);
  }
}
