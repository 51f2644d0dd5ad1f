package ctr;

import java.time.Instant;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.runtime.typeutils.InternalTypeInfo;
import org.apache.flink.table.types.logical.RowType;

/**
 * The rows that {@link LabelJoin} gives: three kinds in one type, told apart by {@code output}
 * (ENGAGEMENT, SAMPLE, DEAD_LETTER); columns of the other kinds are null.
 */
final class JoinedRow {
  static final StringData ORPHAN =
      StringData.fromString("orphan-click: no impression within the attribution window");

  private static final String LATE =
      "too-late: older than the attribution window at event time ";
  private static final StringData ENGAGEMENT = StringData.fromString("ENGAGEMENT");
  private static final StringData SAMPLE = StringData.fromString("SAMPLE");
  private static final StringData DEAD_LETTER = StringData.fromString("DEAD_LETTER");
  private static final int COLUMNS = 25;

  private JoinedRow() {}

  static TypeInformation<RowData> type() {
    return InternalTypeInfo.of(
        (RowType)
            DataTypes.ROW(
                    DataTypes.FIELD("request_id", DataTypes.STRING()),
                    DataTypes.FIELD("ad_id", DataTypes.STRING()),
                    DataTypes.FIELD("output", DataTypes.STRING()),
                    DataTypes.FIELD("kind", DataTypes.STRING()),
                    DataTypes.FIELD("ts", DataTypes.BIGINT()),
                    DataTypes.FIELD("user_id", DataTypes.STRING()),
                    DataTypes.FIELD("position", DataTypes.INT()),
                    DataTypes.FIELD("price", DataTypes.BIGINT()),
                    DataTypes.FIELD("variant", DataTypes.STRING()),
                    DataTypes.FIELD("model_version", DataTypes.STRING()),
                    DataTypes.FIELD("predicted_ctr", DataTypes.FLOAT()),
                    DataTypes.FIELD("propensity", DataTypes.FLOAT()),
                    DataTypes.FIELD("feature_fingerprint", DataTypes.STRING()),
                    DataTypes.FIELD("counter_keys", DataTypes.ARRAY(DataTypes.STRING())),
                    DataTypes.FIELD("inputs", DataTypes.BYTES()),
                    DataTypes.FIELD("label", DataTypes.INT()),
                    DataTypes.FIELD("label_ts", DataTypes.BIGINT()),
                    DataTypes.FIELD("click_ts", DataTypes.BIGINT()),
                    DataTypes.FIELD("sample_weight", DataTypes.FLOAT()),
                    DataTypes.FIELD("topic", DataTypes.STRING()),
                    DataTypes.FIELD("partition", DataTypes.INT()),
                    DataTypes.FIELD("offset", DataTypes.BIGINT()),
                    DataTypes.FIELD("message_key", DataTypes.BYTES()),
                    DataTypes.FIELD("raw", DataTypes.BYTES()),
                    DataTypes.FIELD("reason", DataTypes.STRING()))
                .getLogicalType());
  }

  static RowData engagement(RowData key, StringData kind, RowData impression, long ts) {
    return of(key, ENGAGEMENT, kind, impression, ts);
  }

  /** A label of 0 has no click and carries the weight of the negatives that were not kept. */
  static RowData sample(RowData key, StringData kind, Pending of, int label, long labelTs) {
    GenericRowData row = of(key, SAMPLE, kind, of.impression, of.ts);
    row.setField(15, label);
    row.setField(16, labelTs);
    row.setField(17, label == 0 ? null : of.clickTs);
    row.setField(18, label == 0 ? of.negativeWeight : 1f);
    return row;
  }

  static RowData tooLate(RowData source, long watermark) {
    String reason = LATE + Instant.ofEpochMilli(watermark);
    return deadLetter(source, StringData.fromString(reason));
  }

  /** {@code source} has the columns of {@link Pending#SOURCE}. */
  static RowData deadLetter(RowData source, StringData reason) {
    GenericRowData row = new GenericRowData(COLUMNS);
    row.setField(2, DEAD_LETTER);
    row.setField(19, source.getString(0));
    row.setField(20, source.getInt(1));
    row.setField(21, source.getLong(2));
    row.setField(22, source.isNullAt(3) ? null : source.getBinary(3));
    row.setField(23, source.isNullAt(4) ? null : source.getBinary(4));
    row.setField(24, reason);
    return row;
  }

  private static GenericRowData of(
      RowData key, StringData output, StringData kind, RowData impression, long ts) {
    GenericRowData row = new GenericRowData(COLUMNS);
    row.setField(0, ImpressionKey.requestId(key));
    row.setField(1, ImpressionKey.adId(key));
    row.setField(2, output);
    row.setField(3, kind);
    row.setField(4, ts);
    row.setField(5, impression.getString(0));
    row.setField(6, impression.getInt(1));
    row.setField(7, impression.getLong(2));
    row.setField(8, impression.getString(3));
    row.setField(9, impression.getString(4));
    row.setField(10, impression.getFloat(5));
    row.setField(11, impression.getFloat(6));
    row.setField(12, impression.getString(7));
    row.setField(13, impression.getArray(8));
    row.setField(14, impression.getBinary(9));
    return row;
  }
}
