package ctr;

import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.SingleOutputStreamOperator;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;

/**
 * The ads that one user clicked last, as an absolute list after every click. A user who does not
 * click for {@code idle_ms} is forgotten: the list that is emitted then is empty.
 */
public final class LastClicks extends RowKeeper<byte[]> {
  private static final long serialVersionUID = 1L;

  private final int ts;
  private final int adId;
  private final int length;
  private final long idleMs;

  private LastClicks(Columns columns, int length, long idleMs) {
    super("last-clicks", PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO);
    this.ts = columns.index("ts");
    this.adId = columns.index("ad_id");
    this.length = length;
    this.idleMs = idleMs;
  }

  /** Rows for Redis from clicks with columns user_id, ad_id and ts, among {@code columns}. */
  public static SingleOutputStreamOperator<RowData> of(
      DataStream<RowData> clicks,
      String columns,
      int length,
      long idleMs,
      DataStream<RowData> requests) {
    Columns names = Columns.parse(columns);
    LastClicks keeper = new LastClicks(names, length, idleMs);
    return transform(keeper, clicks, names.index("user_id"), requests);
  }

  @Override
  RowData row(StringData key, byte[] state) {
    ClickList clicks = ClickList.of(state);
    return RedisRow.of(key, clicks.newestTs(), clicks.packedAds(), null);
  }

  @Override
  void update(RowData click) throws Exception {
    byte[] old = state();
    ClickList clicks = ClickList.of(old);
    boolean wasEmpty = old == null;
    long due = wasEmpty ? 0 : clicks.newestTs() + idleMs;
    clicks.insert(click.getString(adId).toBytes(), click.getLong(ts), length);
    keep(clicks.packed());
    if (wasEmpty || clicks.newestTs() + idleMs != due) {
      wakeAt(clicks.newestTs() + idleMs);
    }
    emit(RedisRow.of(key(), clicks.newestTs(), clicks.packedAds(), null));
  }

  /** The user has been idle, or has clicked since. The end of the stream is no time. */
  @Override
  void timeHasCome() throws Exception {
    byte[] old = state();
    if (old == null || watermark() == Long.MAX_VALUE) {
      return;
    }
    long forgetTs = ClickList.of(old).newestTs() + idleMs;
    if (forgetTs <= watermark()) {
      emit(RedisRow.of(key(), forgetTs, new byte[0], null));
      keep(null);
    }
  }
}
