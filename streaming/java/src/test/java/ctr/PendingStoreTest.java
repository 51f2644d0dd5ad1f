package ctr;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.lang.reflect.Proxy;
import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.runtime.state.KeyedStateBackend;
import org.apache.flink.table.data.StringData;
import org.junit.jupiter.api.Test;

class PendingStoreTest {
  private static final int HELD_BACK = 20_000;

  private final Map<ImpressionId, Pending> stored = new HashMap<>();
  private ImpressionId current;

  @Test
  void givesWhatWasPutAndTheBackendHasItAllAfterAFlush() throws Exception {
    Random random = new Random(13);
    Map<ImpressionId, Long> expected = new HashMap<>();
    PendingStore store = new PendingStore(backend(), state(), HELD_BACK);
    for (int i = 0; i < 50_000; i++) {
      ImpressionId id = id(random.nextInt(500));
      current = id;
      switch (random.nextInt(4)) {
        case 0 -> {
          store.clear();
          expected.remove(id);
        }
        case 1 -> {
          Pending pending = new Pending();
          pending.ts = i;
          store.put(pending);
          expected.put(id, (long) i);
        }
        default -> {
          Pending found = store.get();
          assertEquals(expected.get(id), found == null ? null : (Long) found.ts);
        }
      }
      assertEquals(id, current);
      if (random.nextInt(5_000) == 0) {
        store.flush();
        assertStored(expected);
      }
    }
  }

  private void assertStored(Map<ImpressionId, Long> expected) {
    Map<ImpressionId, Long> found = new HashMap<>();
    stored.forEach((id, pending) -> found.put(id, pending.ts));
    assertEquals(expected, found);
  }

  /** Knows the current key and nothing else. */
  @SuppressWarnings("unchecked")
  private KeyedStateBackend<ImpressionId> backend() {
    return (KeyedStateBackend<ImpressionId>)
        Proxy.newProxyInstance(
            getClass().getClassLoader(),
            new Class<?>[] {KeyedStateBackend.class},
            (proxy, method, arguments) -> {
              if (method.getName().equals("setCurrentKey")) {
                current = (ImpressionId) arguments[0];
              }
              return method.getName().equals("getCurrentKey") ? current : null;
            });
  }

  private ValueState<Pending> state() {
    return new ValueState<>() {
      @Override
      public Pending value() {
        return stored.get(current);
      }

      @Override
      public void update(Pending pending) {
        stored.put(current, pending.copy());
      }

      @Override
      public void clear() {
        stored.remove(current);
      }
    };
  }

  private static ImpressionId id(int number) {
    return ImpressionId.of(StringData.fromString("r" + number), StringData.fromString("a"));
  }
}
