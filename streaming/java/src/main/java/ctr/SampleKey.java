package ctr;

import org.apache.flink.api.java.functions.KeySelector;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.KeyedStream;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.binary.BinaryRowData;
import org.apache.flink.table.data.writer.BinaryRowWriter;
import org.apache.flink.table.runtime.typeutils.InternalTypeInfo;
import org.apache.flink.table.types.logical.RowType;
import org.apache.flink.table.types.logical.VarCharType;

/** The impression of a sample as Flink's SQL makes keys: state of older releases is found by it. */
final class SampleKey implements KeySelector<RowData, RowData> {
  private static final long serialVersionUID = 1L;

  private static final RowType TYPE =
      RowType.of(
          new VarCharType(VarCharType.MAX_LENGTH), new VarCharType(VarCharType.MAX_LENGTH));

  private final int sampleId;
  private final int adId;

  private SampleKey(Columns columns) {
    sampleId = columns.index("sample_id");
    adId = columns.index("ad_id");
  }

  /** Samples with the columns sample_id and ad_id, of which the second may be null. */
  static KeyedStream<RowData, RowData> keyBy(DataStream<RowData> samples, Columns columns) {
    return samples.keyBy(new SampleKey(columns), InternalTypeInfo.of(TYPE));
  }

  @Override
  public RowData getKey(RowData sample) {
    BinaryRowData key = new BinaryRowData(TYPE.getFieldCount());
    BinaryRowWriter writer = new BinaryRowWriter(key);
    writer.writeString(0, sample.getString(sampleId));
    if (sample.isNullAt(adId)) {
      writer.setNullAt(1);
    } else {
      writer.writeString(1, sample.getString(adId));
    }
    writer.complete();
    return key;
  }
}
