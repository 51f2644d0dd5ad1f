package ctr;

import static org.apache.flink.table.api.DataTypes.ARRAY;
import static org.apache.flink.table.api.DataTypes.BIGINT;
import static org.apache.flink.table.api.DataTypes.BYTES;
import static org.apache.flink.table.api.DataTypes.FIELD;
import static org.apache.flink.table.api.DataTypes.FLOAT;
import static org.apache.flink.table.api.DataTypes.INT;
import static org.apache.flink.table.api.DataTypes.ROW;
import static org.apache.flink.table.api.DataTypes.STRING;

import java.time.Instant;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.runtime.typeutils.InternalTypeInfo;
import org.apache.flink.table.types.DataType;
import org.apache.flink.table.types.logical.RowType;

/**
 * The rows that {@link LabelJoin} gives: three kinds in one type, told apart by {@code output}
 * (ENGAGEMENT, SAMPLE, DEAD_LETTER); columns of the other kinds are null.
 */
final class JoinedRow {
  private static final DataType IMPRESSION_COLUMNS =
      ROW(
          FIELD("user_id", STRING()),
          FIELD("position", INT()),
          FIELD("price", BIGINT()),
          FIELD("variant", STRING()),
          FIELD("model_version", STRING()),
          FIELD("predicted_ctr", FLOAT()),
          FIELD("propensity", FLOAT()),
          FIELD("feature_fingerprint", STRING()),
          FIELD("counter_keys", ARRAY(STRING())),
          FIELD("inputs", BYTES()));
  private static final DataType SOURCE_COLUMNS =
      ROW(
          FIELD("topic", STRING()),
          FIELD("partition", INT()),
          FIELD("offset", BIGINT()),
          FIELD("message_key", BYTES()),
          FIELD("raw", BYTES()));
  private static final DataType COLUMNS =
      ROW(
          FIELD("request_id", STRING()),
          FIELD("ad_id", STRING()),
          FIELD("output", STRING()),
          FIELD("kind", STRING()),
          FIELD("ts", BIGINT()),
          FIELD("impression", IMPRESSION_COLUMNS),
          FIELD("label", INT()),
          FIELD("label_ts", BIGINT()),
          FIELD("click_ts", BIGINT()),
          FIELD("sample_weight", FLOAT()),
          FIELD("source", SOURCE_COLUMNS),
          FIELD("reason", STRING()));
  private static final RowType TYPE = (RowType) COLUMNS.getLogicalType();

  /** What an impression and its token say, besides the impression's identity and time. */
  static final RowType IMPRESSION = (RowType) IMPRESSION_COLUMNS.getLogicalType();

  /** Where a record came from, and the record itself. */
  static final RowType SOURCE = (RowType) SOURCE_COLUMNS.getLogicalType();

  static final StringData ORPHAN =
      StringData.fromString("orphan-click: no impression within the attribution window");

  private static final String LATE =
      "too-late: older than the attribution window at event time ";
  private static final StringData ENGAGEMENT = StringData.fromString("ENGAGEMENT");
  private static final StringData SAMPLE = StringData.fromString("SAMPLE");
  private static final StringData DEAD_LETTER = StringData.fromString("DEAD_LETTER");

  private JoinedRow() {}

  static TypeInformation<RowData> type() {
    return InternalTypeInfo.of(TYPE);
  }

  static RowData engagement(ImpressionId id, StringData kind, RowData impression, long ts) {
    return of(id, ENGAGEMENT, kind, impression, ts);
  }

  /** A label of 0 has no click and carries the weight of the negatives that were not kept. */
  static RowData sample(ImpressionId id, StringData kind, Pending of, int label, long labelTs) {
    GenericRowData row = of(id, SAMPLE, kind, of.impression(), of.ts);
    row.setField(6, label);
    row.setField(7, labelTs);
    row.setField(8, label == 0 ? null : of.clickTs);
    row.setField(9, label == 0 ? of.negativeWeight : 1f);
    return row;
  }

  static RowData tooLate(RowData source, long watermark) {
    String reason = LATE + Instant.ofEpochMilli(watermark);
    return deadLetter(source, StringData.fromString(reason));
  }

  /** {@code source} is a row of {@link #SOURCE}. */
  static RowData deadLetter(RowData source, StringData reason) {
    GenericRowData row = new GenericRowData(TYPE.getFieldCount());
    row.setField(2, DEAD_LETTER);
    row.setField(10, source);
    row.setField(11, reason);
    return row;
  }

  private static GenericRowData of(
      ImpressionId id, StringData output, StringData kind, RowData impression, long ts) {
    GenericRowData row = new GenericRowData(TYPE.getFieldCount());
    row.setField(0, id.requestId());
    row.setField(1, id.adId());
    row.setField(2, output);
    row.setField(3, kind);
    row.setField(4, ts);
    row.setField(5, impression);
    return row;
  }
}
