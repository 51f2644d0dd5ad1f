package ctr;

import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.SingleOutputStreamOperator;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;

/**
 * Sliding counters of one key, as absolute values: a row when events change it and, without any
 * event, when something expires; the last one has no body, then the state is dropped. The version is
 * event time and never goes back.
 */
public final class WindowCounters extends RowKeeper<long[]> {
  private static final long serialVersionUID = 1L;

  private WindowCounters() {
    super("window-counters", PrimitiveArrayTypeInfo.LONG_PRIMITIVE_ARRAY_TYPE_INFO);
  }

  /** Rows for Redis from the counts that {@link EngagementCounts} gives. */
  public static SingleOutputStreamOperator<RowData> of(
      DataStream<RowData> counts, DataStream<RowData> requests) {
    return transform(new WindowCounters(), counts, EngagementCounts.KEY, requests);
  }

  @Override
  RowData row(StringData key, long[] numbers) {
    return row(key, new TiledCounter(numbers), null);
  }

  @Override
  void update(RowData count) throws Exception {
    TiledCounter counter = new TiledCounter(state());
    boolean wasEmpty = counter.isEmpty();
    long due = counter.nextExpiry();
    counter.add(
        count.getLong(EngagementCounts.TS),
        count.getLong(EngagementCounts.IMPRESSIONS),
        count.getLong(EngagementCounts.CLICKS));
    expire(counter);
    if (wasEmpty && counter.isEmpty()) {
      return;
    }
    boolean noClick = count.isNullAt(EngagementCounts.CLICK_TS);
    emit(row(key(), counter, noClick ? null : count.getLong(EngagementCounts.CLICK_TS)));
    keep(counter, due);
  }

  @Override
  void timeHasCome() throws Exception {
    TiledCounter counter = new TiledCounter(state());
    if (!counter.isEmpty() && expire(counter)) {
      emit(row(key(), counter, null));
      keep(counter, Long.MIN_VALUE);
    }
  }

  /** True if the watermark passed an expiry. The end of the stream is no time: it expires nothing. */
  private boolean expire(TiledCounter counter) {
    long watermark = watermark();
    boolean expired = false;
    while (watermark != Long.MAX_VALUE && counter.nextExpiry() <= watermark) {
      counter.advanceTo(counter.nextExpiry());
      expired = true;
    }
    return expired;
  }

  /** There is a timer at {@code due} already. */
  private void keep(TiledCounter counter, long due) throws Exception {
    keep(counter.isEmpty() ? null : counter.numbers());
    long next = counter.nextExpiry();
    if (next != due && !counter.isEmpty()) {
      wakeAt(next);
    }
  }

  private static RowData row(StringData key, TiledCounter counter, Long clickTs) {
    return RedisRow.of(key, counter.version(), counter.packed(), clickTs);
  }
}
