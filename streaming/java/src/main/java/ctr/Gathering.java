package ctr;

import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.BoundedOneInput;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.table.data.RowData;

/**
 * Gathers rows for a moment of wall-clock time, then emits what they came to. Nothing of it is
 * state: before a checkpoint, and when the input ends, it emits what it has.
 */
abstract class Gathering<OUT> extends AbstractStreamOperator<OUT>
    implements OneInputStreamOperator<RowData, OUT>, BoundedOneInput {
  private static final long serialVersionUID = 1L;

  private final long gatherMs;
  private transient boolean timerIsSet;

  Gathering(long gatherMs) {
    this.gatherMs = gatherMs;
  }

  /** Takes a row in, which is used again afterwards. True if it is time to emit at once. */
  abstract boolean gather(RowData row);

  /** Emits all and forgets it; there may be nothing. */
  abstract void emit();

  @Override
  public void processElement(StreamRecord<RowData> record) {
    if (gather(record.getValue())) {
      emit();
    } else if (!timerIsSet) {
      timerIsSet = true;
      long now = getProcessingTimeService().getCurrentProcessingTime();
      getProcessingTimeService().registerTimer(now + gatherMs, time -> timeIsOver());
    }
  }

  private void timeIsOver() {
    timerIsSet = false;
    emit();
  }

  @Override
  public void prepareSnapshotPreBarrier(long checkpoint) {
    emit();
  }

  @Override
  public void processWatermark(Watermark mark) throws Exception {
    if (mark.equals(Watermark.MAX_WATERMARK)) {
      emit();
    }
    super.processWatermark(mark);
  }

  @Override
  public void endInput() {
    emit();
  }
}
