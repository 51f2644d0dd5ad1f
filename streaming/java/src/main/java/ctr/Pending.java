package ctr;

import java.util.List;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.runtime.typeutils.InternalTypeInfo;
import org.apache.flink.table.runtime.typeutils.RowDataSerializer;
import org.apache.flink.table.types.logical.ArrayType;
import org.apache.flink.table.types.logical.BigIntType;
import org.apache.flink.table.types.logical.FloatType;
import org.apache.flink.table.types.logical.IntType;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.RowType;
import org.apache.flink.table.types.logical.VarBinaryType;
import org.apache.flink.table.types.logical.VarCharType;

/**
 * All that is remembered of one impression, or of a click that waits for it, in the form of one
 * state row. A change of its columns is a change of every savepoint.
 */
final class Pending {
  static final int UNLABELLED = 0;
  static final int NEGATIVE = 1;

  /** A POSITIVE or a CORRECTION is out: nothing can change any more. */
  static final int FINAL = 2;

  private static final LogicalType STRING = new VarCharType(VarCharType.MAX_LENGTH);
  private static final LogicalType BYTES = new VarBinaryType(VarBinaryType.MAX_LENGTH);
  private static final LogicalType LONG = new BigIntType();
  private static final LogicalType INT = new IntType();
  private static final LogicalType FLOAT = new FloatType();

  /** Of an impression, what its outputs say. */
  static final List<String> IMPRESSION =
      List.of(
          "user_id",
          "position",
          "price",
          "variant",
          "model_version",
          "predicted_ctr",
          "propensity",
          "feature_fingerprint",
          "counter_keys",
          "inputs");

  static final RowType IMPRESSION_TYPE =
      RowType.of(
          STRING, INT, LONG, STRING, STRING, FLOAT, FLOAT, STRING, new ArrayType(STRING), BYTES);

  /** Of a waiting click, where it came from. */
  static final List<String> SOURCE =
      List.of("topic", "partition", "offset", "message_key", "raw");

  static final RowType SOURCE_TYPE = RowType.of(STRING, INT, LONG, BYTES, BYTES);

  private static final RowType TYPE =
      RowType.of(LONG, INT, FLOAT, LONG, LONG, IMPRESSION_TYPE, SOURCE_TYPE);
  private static final ThreadLocal<RowDataSerializer> COMPACTOR =
      ThreadLocal.withInitial(() -> new RowDataSerializer(IMPRESSION_TYPE));

  /** Time of the impression; null until it is known. */
  Long ts;

  int stage;

  /** 1 / keep share, or 0 when down-sampling drops this impression's negative samples. */
  float negativeWeight;

  /** The earliest click; null without one. */
  Long clickTs;

  /** Event time at which all of this is dropped. */
  long forgetTs;

  /** Null when no output needs it any more. */
  RowData impression;

  /** Null unless a click waits for its impression. */
  RowData clickSource;

  static TypeInformation<RowData> type() {
    return InternalTypeInfo.of(TYPE);
  }

  /** A copy without the bytes around it: columns of an event are views of all of its bytes. */
  static RowData compact(RowData impression) {
    return COMPACTOR.get().toBinaryRow(impression).copy();
  }

  static Pending of(RowData row) {
    Pending pending = new Pending();
    pending.ts = row.isNullAt(0) ? null : row.getLong(0);
    pending.stage = row.getInt(1);
    pending.negativeWeight = row.getFloat(2);
    pending.clickTs = row.isNullAt(3) ? null : row.getLong(3);
    pending.forgetTs = row.getLong(4);
    pending.impression = row.isNullAt(5) ? null : row.getRow(5, IMPRESSION.size());
    pending.clickSource = row.isNullAt(6) ? null : row.getRow(6, SOURCE.size());
    return pending;
  }

  RowData toRow() {
    return GenericRowData.of(
        ts, stage, negativeWeight, clickTs, forgetTs, impression, clickSource);
  }
}
