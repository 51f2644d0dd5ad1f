package ctr;

import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.runtime.typeutils.InternalTypeInfo;
import org.apache.flink.table.types.logical.BigIntType;
import org.apache.flink.table.types.logical.FloatType;
import org.apache.flink.table.types.logical.IntType;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.RowType;
import org.apache.flink.table.types.logical.VarBinaryType;

/** A row of what the learner is given: see sql/learning/read_samples.sql. */
final class Label {
  static final RowType TYPE =
      RowType.of(
          new LogicalType[] {
            new IntType(),
            new VarBinaryType(VarBinaryType.MAX_LENGTH),
            new IntType(),
            new FloatType(),
            new IntType(),
            new BigIntType(),
            new BigIntType()
          },
          new String[] {
            "outcome", "inputs", "label", "sample_weight", "shown_position", "click_ts", "label_ts"
          });

  private Label() {}

  static InternalTypeInfo<RowData> type() {
    return InternalTypeInfo.of(TYPE);
  }

  static int outcome(RowData label) {
    return label.getInt(0);
  }

  static long labelTs(RowData label) {
    return label.getLong(6);
  }

  /** One that does not change with the row it was read from. */
  static GenericRowData copy(RowData label) {
    return withOutcome(label, outcome(label));
  }

  static GenericRowData withOutcome(RowData label, int outcome) {
    return GenericRowData.of(
        outcome,
        label.getBinary(1),
        label.getInt(2),
        label.getFloat(3),
        label.getInt(4),
        label.getLong(5),
        labelTs(label));
  }
}
