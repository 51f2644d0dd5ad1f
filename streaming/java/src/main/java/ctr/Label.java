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

/**
 * A row of what the learner is given: see sql/learning/read_samples.sql. Types and order of the
 * columns are those of samples that wait in savepoints.
 */
final class Label {
  static final RowType TYPE =
      RowType.of(
          new LogicalType[] {
            new BigIntType(),
            new VarBinaryType(VarBinaryType.MAX_LENGTH),
            new IntType(),
            new BigIntType(),
            new IntType(),
            new FloatType(),
            new IntType()
          },
          new String[] {
            "click_ts", "inputs", "label", "label_ts", "outcome", "sample_weight", "shown_position"
          });

  private Label() {}

  static InternalTypeInfo<RowData> type() {
    return InternalTypeInfo.of(TYPE);
  }

  static int outcome(RowData label) {
    return label.getInt(4);
  }

  static long labelTs(RowData label) {
    return label.getLong(3);
  }

  /** One that does not change with the row it was read from. */
  static GenericRowData copy(RowData label) {
    return withOutcome(label, outcome(label));
  }

  static GenericRowData withOutcome(RowData label, int outcome) {
    return GenericRowData.of(
        label.getLong(0),
        label.getBinary(1),
        label.getInt(2),
        labelTs(label),
        outcome,
        label.getFloat(5),
        label.getInt(6));
  }
}
