package ctr;

import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.java.functions.KeySelector;
import org.apache.flink.api.java.typeutils.ResultTypeQueryable;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.data.binary.BinaryRowData;
import org.apache.flink.table.data.writer.BinaryRowWriter;
import org.apache.flink.table.runtime.typeutils.InternalTypeInfo;
import org.apache.flink.table.types.logical.RowType;
import org.apache.flink.table.types.logical.VarCharType;

/** The identity of an impression, (request_id, ad_id), as bytes: no string is decoded for it. */
final class ImpressionKey implements KeySelector<RowData, RowData>, ResultTypeQueryable<RowData> {
  private static final long serialVersionUID = 1L;
  private static final RowType TYPE =
      RowType.of(new VarCharType(VarCharType.MAX_LENGTH), new VarCharType(VarCharType.MAX_LENGTH));

  private final int requestId;
  private final int adId;

  ImpressionKey(Columns columns) {
    requestId = columns.index("request_id");
    adId = columns.index("ad_id");
  }

  @Override
  public RowData getKey(RowData event) {
    BinaryRowData key = new BinaryRowData(2);
    BinaryRowWriter writer = new BinaryRowWriter(key, 64);
    writer.writeString(0, event.getString(requestId));
    writer.writeString(1, event.getString(adId));
    writer.complete();
    return key;
  }

  static StringData requestId(RowData key) {
    return key.getString(0);
  }

  static StringData adId(RowData key) {
    return key.getString(1);
  }

  @Override
  public TypeInformation<RowData> getProducedType() {
    return InternalTypeInfo.of(TYPE);
  }
}
