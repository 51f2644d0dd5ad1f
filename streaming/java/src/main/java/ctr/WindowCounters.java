package ctr;

import static org.apache.flink.table.annotation.ArgumentTrait.SET_SEMANTIC_TABLE;

import org.apache.flink.table.annotation.ArgumentHint;
import org.apache.flink.table.annotation.DataTypeHint;
import org.apache.flink.table.annotation.StateHint;
import org.apache.flink.table.functions.ProcessTableFunction;
import org.apache.flink.types.Row;

/**
 * Sliding counters of one key, as absolute values: a row when events change it and, without any
 * event, when something expires; the last one is all zero, then the state is dropped. Input rows
 * (ts, impressions, clicks, click_ts) may stand for many events of one minute, the smallest tile.
 * {@code version_ms} is event time and never goes back; {@code click_ts} is the oldest click behind
 * the row, null if it has none.
 */
@DataTypeHint(
    "ROW<version_ms BIGINT, impressions ARRAY<BIGINT>, clicks ARRAY<BIGINT>, click_ts BIGINT>")
public final class WindowCounters extends ProcessTableFunction<Row> {
  /** Timers end state; a wall clock would end it while event time stands still. */
  private static final String NEVER = "0 ms";

  private static final long[] NO_ENTRIES = {};

  /** A {@link TiledCounter} taken apart. */
  public static class Tiles {
    public Long version_ms;
    public long[] entries;
  }

  public void eval(
      Context context,
      @StateHint(ttl = NEVER) Tiles tiles,
      @ArgumentHint(value = SET_SEMANTIC_TABLE, name = "events") Row event) {
    TimeContext<Long> time = context.timeContext(Long.class);
    TiledCounter counter = counter(tiles);
    boolean wasEmpty = counter.isEmpty();
    counter.add(
        (Long) event.getField("ts"),
        (Long) event.getField("impressions"),
        (Long) event.getField("clicks"));
    expire(counter, time);
    if (!wasEmpty || !counter.isEmpty()) {
      emit(counter, (Long) event.getField("click_ts"));
    }
    keep(context, time, tiles, counter);
  }

  /** Something expires. */
  public void onTimer(OnTimerContext context, Tiles tiles) {
    TimeContext<Long> time = context.timeContext(Long.class);
    TiledCounter counter = counter(tiles);
    if (expire(counter, time)) {
      emit(counter, null);
      keep(context, time, tiles, counter);
    }
  }

  /** True if the watermark passed an expiry. The end of the stream is no time: it expires nothing. */
  private static boolean expire(TiledCounter counter, TimeContext<Long> time) {
    Long watermark = time.currentWatermark();
    if (watermark == null || watermark == Long.MAX_VALUE) {
      return false;
    }
    boolean expired = false;
    while (counter.nextExpiry() <= watermark) {
      counter.advanceTo(counter.nextExpiry());
      expired = true;
    }
    return expired;
  }

  private void emit(TiledCounter counter, Long clickTs) {
    collect(Row.of(counter.version(), counter.impressions(), counter.clicks(), clickTs));
  }

  private static void keep(
      Context context, TimeContext<Long> time, Tiles tiles, TiledCounter counter) {
    if (counter.isEmpty()) {
      context.clearAllState();
      return;
    }
    tiles.version_ms = counter.version();
    tiles.entries = counter.entries();
    time.registerOnTime(counter.nextExpiry());
  }

  private static TiledCounter counter(Tiles tiles) {
    return tiles.version_ms == null
        ? new TiledCounter(Long.MIN_VALUE, NO_ENTRIES)
        : new TiledCounter(tiles.version_ms, tiles.entries);
  }
}
