package ctr;

import static org.apache.flink.table.annotation.ArgumentTrait.SET_SEMANTIC_TABLE;

import java.util.Arrays;
import org.apache.flink.table.annotation.ArgumentHint;
import org.apache.flink.table.annotation.DataTypeHint;
import org.apache.flink.table.annotation.StateHint;
import org.apache.flink.table.functions.ProcessTableFunction;
import org.apache.flink.types.Row;

/**
 * The ads that one user clicked last, newest first by event time (ties by ad id), as an absolute
 * list after every click. A user who does not click for {@code idle_ms} is forgotten: the list that
 * is emitted then is empty.
 */
@DataTypeHint("ROW<version_ms BIGINT, ad_ids ARRAY<STRING>>")
public final class LastClicks extends ProcessTableFunction<Row> {
  /** Timers end state; a wall clock would end it while event time stands still. */
  private static final String NEVER = "0 ms";

  private static final String[] NO_ADS = {};
  private static final Long[] NO_TIMES = {};

  /** Parallel arrays, newest first. */
  public static class Clicks {
    public String[] ad_ids;
    public Long[] ts;
    public Long forget_ts;
  }

  public void eval(
      Context context,
      @StateHint(ttl = NEVER) Clicks clicks,
      @ArgumentHint(value = SET_SEMANTIC_TABLE, name = "clicks") Row click,
      @ArgumentHint(name = "length") Integer length,
      @ArgumentHint(name = "idle_ms") Long idleMs) {
    if (clicks.ts == null) {
      clicks.ts = NO_TIMES;
      clicks.ad_ids = NO_ADS;
    }
    insert(clicks, (String) click.getField("ad_id"), (Long) click.getField("ts"), length);
    long newest = clicks.ts[0];
    clicks.forget_ts = newest + idleMs;
    TimeContext<Long> time = context.timeContext(Long.class);
    time.registerOnTime("forget", clicks.forget_ts);
    collect(Row.of(newest, clicks.ad_ids));
  }

  /** The user has been idle. The end of the stream is no time: it forgets nobody. */
  public void onTimer(OnTimerContext context, Clicks clicks) {
    TimeContext<Long> time = context.timeContext(Long.class);
    if (clicks.forget_ts == null || time.currentWatermark() == Long.MAX_VALUE) {
      return;
    }
    collect(Row.of(clicks.forget_ts, NO_ADS));
    context.clearAllState();
  }

  static void insert(Clicks clicks, String adId, long ts, int length) {
    int at = 0;
    while (at < clicks.ts.length && isBefore(clicks, at, adId, ts)) {
      at++;
    }
    int size = Math.min(clicks.ts.length + 1, length);
    if (at >= size) {
      return;
    }
    String[] adIds = Arrays.copyOf(clicks.ad_ids, size);
    Long[] times = Arrays.copyOf(clicks.ts, size);
    System.arraycopy(clicks.ad_ids, at, adIds, at + 1, size - at - 1);
    System.arraycopy(clicks.ts, at, times, at + 1, size - at - 1);
    adIds[at] = adId;
    times[at] = ts;
    clicks.ad_ids = adIds;
    clicks.ts = times;
  }

  private static boolean isBefore(Clicks clicks, int at, String adId, long ts) {
    return clicks.ts[at] > ts
        || (clicks.ts[at] == ts && clicks.ad_ids[at].compareTo(adId) <= 0);
  }
}
