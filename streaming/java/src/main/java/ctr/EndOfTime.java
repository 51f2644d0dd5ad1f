package ctr;

import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.BoundedOneInput;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.runtime.watermarkstatus.WatermarkStatus;
import org.apache.flink.table.data.RowData;

/**
 * Passes rows on and, when the job is drained, makes sure that event time ends. Flink sends the last
 * watermark by itself, but an input that is idle at that moment is not listened to, and labels that
 * are still due would never come.
 */
public final class EndOfTime extends AbstractStreamOperator<RowData>
    implements OneInputStreamOperator<RowData, RowData>, BoundedOneInput {
  private static final long serialVersionUID = 1L;

  private EndOfTime() {}

  /** The same stream; {@code uid} names the operator, which has no state. */
  public static DataStream<RowData> of(DataStream<RowData> rows, String uid) {
    return rows.transform(uid, rows.getType(), new EndOfTime()).uid(uid);
  }

  @Override
  public void processElement(StreamRecord<RowData> row) {
    output.collect(row);
  }

  /** Called when a job is drained or a bounded source ends, not when it is stopped to go on. */
  @Override
  public void endInput() {
    output.emitWatermarkStatus(WatermarkStatus.ACTIVE);
    output.emitWatermark(Watermark.MAX_WATERMARK);
  }
}
