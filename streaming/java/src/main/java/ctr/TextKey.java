package ctr;

import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.java.functions.KeySelector;
import org.apache.flink.api.java.typeutils.ResultTypeQueryable;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.data.binary.BinaryStringData;
import org.apache.flink.table.runtime.typeutils.InternalTypeInfo;
import org.apache.flink.table.types.logical.VarCharType;

/** A text column as key, as bytes of its own: rows are reused. */
record TextKey(int column)
    implements KeySelector<RowData, StringData>, ResultTypeQueryable<StringData> {
  private static final long serialVersionUID = 1L;

  @Override
  public StringData getKey(RowData row) {
    return copy(row.getString(column));
  }

  static BinaryStringData copy(StringData text) {
    return ((BinaryStringData) text).copy();
  }

  @Override
  public TypeInformation<StringData> getProducedType() {
    return InternalTypeInfo.of(new VarCharType(VarCharType.MAX_LENGTH));
  }
}
