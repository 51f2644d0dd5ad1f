package ctr;

import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.BoundedOneInput;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.table.data.RowData;

/**
 * Gathers rows for a moment of wall-clock time, then emits what they came to. Unless a subclass has
 * other ideas nothing of it is state: before a checkpoint, and when the input ends, it emits what it
 * has.
 */
abstract class Gathering<OUT> extends AbstractStreamOperator<OUT>
    implements OneInputStreamOperator<RowData, OUT>, BoundedOneInput {
  private static final long serialVersionUID = 1L;

  private final long gatherMs;
  private transient boolean isGathering;
  private transient boolean timerIsSet;
  private transient long emitMs;

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
      emitAll();
    } else if (!isGathering) {
      firstRowCame();
    }
  }

  /** The first row is there. */
  final void firstRowCame() {
    isGathering = true;
    emitMs = getProcessingTimeService().getCurrentProcessingTime() + gatherMs;
    setTimer();
  }

  private void setTimer() {
    if (!timerIsSet) {
      timerIsSet = true;
      getProcessingTimeService().registerTimer(emitMs, time -> timeIsOver());
    }
  }

  /** Of these rows, or of some that were emitted early: then others have time of their own. */
  private void timeIsOver() {
    timerIsSet = false;
    if (!isGathering) {
      return;
    }
    if (getProcessingTimeService().getCurrentProcessingTime() < emitMs) {
      setTimer();
    } else {
      emitAll();
    }
  }

  private void emitAll() {
    isGathering = false;
    emit();
  }

  @Override
  public void prepareSnapshotPreBarrier(long checkpoint) {
    emitAll();
  }

  @Override
  public void processWatermark(Watermark mark) throws Exception {
    if (mark.equals(Watermark.MAX_WATERMARK)) {
      emitAll();
    }
    super.processWatermark(mark);
  }

  @Override
  public void endInput() {
    emitAll();
  }
}
