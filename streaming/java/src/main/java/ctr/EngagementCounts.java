package ctr;

import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.SingleOutputStreamOperator;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.data.ArrayData;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.binary.BinaryStringData;
import org.apache.flink.table.runtime.typeutils.InternalTypeInfo;
import org.apache.flink.table.types.logical.RowType;

/**
 * Engagements to counts of a moment by counter key and smallest tile: a popular key comes once, not
 * a thousand times.
 */
public final class EngagementCounts extends Gathering<RowData> {
  static final int KEY = 0;
  static final int TS = 1;
  static final int IMPRESSIONS = 2;
  static final int CLICKS = 3;
  static final int CLICK_TS = 4;

  private static final long serialVersionUID = 1L;
  private static final BinaryStringData CLICK = BinaryStringData.fromString("CLICK");

  private final int kind;
  private final int ts;
  private final int counterKeys;
  private transient MomentCounts counts;

  private EngagementCounts(Columns columns, long gatherMs) {
    super(gatherMs);
    kind = columns.index("kind");
    ts = columns.index("ts");
    counterKeys = columns.index("counter_keys");
  }

  /** Counts of engagements with columns kind, ts and counter_keys, among {@code columns}. */
  public static SingleOutputStreamOperator<RowData> of(
      DataStream<RowData> engagements, String columns, long gatherMs) {
    EngagementCounts operator = new EngagementCounts(Columns.parse(columns), gatherMs);
    return engagements.transform("engagement-counts", type(), operator).uid("engagement-counts");
  }

  private static TypeInformation<RowData> type() {
    return InternalTypeInfo.of(
        (RowType)
            DataTypes.ROW(
                    DataTypes.FIELD("counter_key", DataTypes.STRING()),
                    DataTypes.FIELD("ts", DataTypes.BIGINT()),
                    DataTypes.FIELD("impressions", DataTypes.BIGINT()),
                    DataTypes.FIELD("clicks", DataTypes.BIGINT()),
                    DataTypes.FIELD("click_ts", DataTypes.BIGINT()))
                .getLogicalType());
  }

  @Override
  public void open() throws Exception {
    super.open();
    counts = new MomentCounts();
  }

  @Override
  boolean gather(RowData engagement) {
    boolean isClick = CLICK.equals(engagement.getString(kind));
    long time = engagement.getLong(ts);
    long tile = Math.floorDiv(time, TiledCounter.SMALLEST_TILE_MS);
    ArrayData keys = engagement.getArray(counterKeys);
    for (int i = 0; i < keys.size(); i++) {
      counts.add(keys.getString(i).toBytes(), tile, time, isClick);
    }
    return counts.isFull();
  }

  @Override
  void emit() {
    StreamRecord<RowData> record = new StreamRecord<>(null);
    counts.forEach(
        (key, latest, impressions, clicks, clickTs) ->
            output.collect(
                record.replace(GenericRowData.of(key, latest, impressions, clicks, clickTs))));
    counts.clear();
  }
}
