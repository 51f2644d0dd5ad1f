package ctr;

import static org.apache.flink.table.annotation.ArgumentTrait.SET_SEMANTIC_TABLE;

import org.apache.flink.table.annotation.ArgumentHint;
import org.apache.flink.table.annotation.DataTypeHint;
import org.apache.flink.table.annotation.StateHint;
import org.apache.flink.table.functions.ProcessTableFunction;
import org.apache.flink.types.Row;

/**
 * Holds a POSITIVE back until its impression's label wait is over, which is when negatives of the
 * same age come; everything else passes at once. A model that learnt clicks as they come would see,
 * at the start of a stream and for every new ad, nothing but clicks for the length of the wait.
 * Entering both at the end of the wait is what ES-DFM assumes (Yang et al., AAAI'21, arXiv
 * 2012.03245, section 3). The clock is the newest label's time.
 */
@DataTypeHint(BalancedLabels.TYPE)
public final class BalancedLabels extends ProcessTableFunction<Row> {
  static final String TYPE =
      "ROW<outcome INT, inputs BYTES, label INT, sample_weight FLOAT, shown_position INT,"
          + " click_ts BIGINT, label_ts BIGINT>";
  /** Timers end state; a wall clock would end it while event time stands still. */
  private static final String NEVER = "0 ms";

  private static final String[] COLUMNS = {
    "outcome", "inputs", "label", "sample_weight", "shown_position", "click_ts", "label_ts"
  };

  /** A sample that waits; nothing else is remembered of an impression. */
  public static class Held {
    public Integer outcome;
    public byte[] inputs;
    public Integer label;
    public Float sample_weight;
    public Integer shown_position;
    public Long click_ts;
    public Long label_ts;
  }

  public void eval(
      Context context,
      @StateHint(ttl = NEVER) Held held,
      @ArgumentHint(value = SET_SEMANTIC_TABLE, name = "samples") Row sample,
      @ArgumentHint(name = "label_wait_ms") Long labelWaitMs) {
    TimeContext<Long> time = context.timeContext(Long.class);
    Long clock = time.currentWatermark();
    long due = (Long) sample.getField("ts") + labelWaitMs;
    if (!(Boolean) sample.getField("is_positive") || (clock != null && due <= clock)) {
      collect(Row.project(sample, COLUMNS));
      return;
    }
    held.outcome = (Integer) sample.getField("outcome");
    held.inputs = (byte[]) sample.getField("inputs");
    held.label = (Integer) sample.getField("label");
    held.sample_weight = (Float) sample.getField("sample_weight");
    held.shown_position = (Integer) sample.getField("shown_position");
    held.click_ts = (Long) sample.getField("click_ts");
    held.label_ts = (Long) sample.getField("label_ts");
    time.registerOnTime(due);
  }

  /** The wait is over. */
  public void onTimer(OnTimerContext context, Held held) {
    if (held.outcome == null) {
      return;
    }
    collect(
        Row.of(
            held.outcome,
            held.inputs,
            held.label,
            held.sample_weight,
            held.shown_position,
            held.click_ts,
            held.label_ts));
    context.clearAllState();
  }
}
