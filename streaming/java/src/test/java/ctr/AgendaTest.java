package ctr;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import org.apache.flink.table.data.StringData;
import org.junit.jupiter.api.Test;

/** Entries come once, when they are due; the obvious list of all entries is the oracle. */
class AgendaTest {
  private record Entry(String id, long ts, boolean isLast) {}

  private final Agenda agenda = new Agenda();

  @Test
  void entriesComeOnceWhenTheirTimeHasCome() throws Exception {
    Random random = new Random(1);
    List<Entry> waiting = new ArrayList<>();
    long now = -50_000;
    for (int round = 0; round < 200; round++) {
      for (int i = random.nextInt(20); i > 0; i--) {
        Entry entry = new Entry("r" + i, now + 1 + random.nextInt(60_000), random.nextBoolean());
        add(entry);
        waiting.add(entry);
      }
      now += random.nextInt(15_000);
      long time = now;
      List<Entry> due = waiting.stream().filter(entry -> entry.ts <= time).toList();
      assertEquals(sorted(due), sorted(told(now)));
      due.forEach(waiting::remove);
    }
    assertEquals(sorted(waiting), sorted(told(Long.MAX_VALUE)));
  }

  @Test
  void theListenerMayAddToTheSlotThatIsTold() throws Exception {
    add(new Entry("first", 1_000, false));
    List<Entry> told = new ArrayList<>();
    agenda.tell(
        2_000,
        (id, ts, isLast) -> {
          told.add(new Entry(id.toString(), ts, isLast));
          agenda.add(id, ts + 2_000, true);
        });
    assertEquals(List.of(new Entry("first/ad", 1_000, false)), told);
    assertEquals(List.of(new Entry("first", 3_000, true)), told(3_000));
  }

  private void add(Entry entry) {
    StringData id = StringData.fromString(entry.id);
    agenda.add(ImpressionId.of(id, StringData.fromString("ad")), entry.ts, entry.isLast);
  }

  private List<Entry> told(long now) throws Exception {
    List<Entry> entries = new ArrayList<>();
    agenda.tell(
        now, (id, ts, isLast) -> entries.add(new Entry(id.requestId().toString(), ts, isLast)));
    return entries;
  }

  private static List<Entry> sorted(List<Entry> entries) {
    Comparator<Entry> order = Comparator.comparingLong(Entry::ts);
    return entries.stream().sorted(order.thenComparing(Entry::id)).toList();
  }
}
