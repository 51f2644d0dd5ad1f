package ctr;

import static org.apache.flink.table.annotation.ArgumentTrait.SET_SEMANTIC_TABLE;

import org.apache.flink.table.annotation.ArgumentHint;
import org.apache.flink.table.annotation.DataTypeHint;
import org.apache.flink.table.annotation.StateHint;
import org.apache.flink.table.functions.ProcessTableFunction;
import org.apache.flink.types.Row;

/**
 * What the learner is given of an impression: at most one first label, one click and one MATURE,
 * and a POSITIVE not before its label wait is over, which is when negatives of the same age come. A
 * model that learnt clicks as they come would see, at the start of a stream and for every new ad,
 * nothing but clicks for the length of the wait. Entering both at the end of the wait is what ES-DFM
 * assumes (Yang et al., AAAI'21, arXiv 2012.03245, section 3). A CORRECTION waits for negatives up to
 * the time of its click: the join lets clicks through at once and negatives by event time, so that
 * when it catches up a stretch of clicks comes first. The clock is told by negatives, see
 * sql/learning/samples.sql.
 *
 * <p>Kafka holds labels again after the events job restarted, and where a click was behind event
 * time not even the same ones: NEGATIVE and CORRECTION before the crash may be POSITIVE after it, or
 * the other way round. What was learnt first stands: a POSITIVE after a NEGATIVE corrects it.
 */
@DataTypeHint(BalancedLabels.TYPE)
public final class BalancedLabels extends ProcessTableFunction<Row> {
  static final String TYPE =
      "ROW<outcome INT, inputs BYTES, label INT, sample_weight FLOAT, shown_position INT,"
          + " click_ts BIGINT, label_ts BIGINT>";

  /** Timers end this state; a wall clock would end it while event time stands still. */
  private static final String NEVER = "0 ms";

  private static final String[] COLUMNS = {
    "outcome", "inputs", "label", "sample_weight", "shown_position", "click_ts", "label_ts"
  };

  /** Positions in OUTCOMES of streaming/learning/sample_batch.py. */
  private static final int POSITIVE = 0, CORRECTION = 2;

  private static final int NEGATIVE_CAME = 1, CLICK_CAME = 2, MATURE_CAME = 4;

  /** Which labels have come, as bits; forgotten after table.exec.state.ttl. */
  public static class Known {
    public Integer labels;
  }

  /** A sample that waits. */
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
      @StateHint Known known,
      @StateHint(ttl = NEVER) Held held,
      @ArgumentHint(value = SET_SEMANTIC_TABLE, name = "samples") Row sample,
      @ArgumentHint(name = "label_wait_ms") Long labelWaitMs) {
    String kind = (String) sample.getField("kind");
    int before = known.labels == null ? 0 : known.labels;
    if (isRepeated(kind, before)) {
      return;
    }
    known.labels = before | came(kind);
    if (came(kind) == CLICK_CAME) {
      TimeContext<Long> time = context.timeContext(Long.class);
      Long clock = time.currentWatermark();
      if ((before & NEGATIVE_CAME) != 0 && sample.getField("outcome").equals(POSITIVE)) {
        sample.setField("outcome", CORRECTION);
      }
      long due =
          sample.getField("outcome").equals(CORRECTION)
              ? (Long) sample.getField("label_ts")
              : (Long) sample.getField("ts") + labelWaitMs;
      if (clock == null || clock < due) {
        hold(held, sample);
        time.registerOnTime(due);
        return;
      }
    }
    collect(Row.project(sample, COLUMNS));
  }

  /** The wait is over. */
  public void onTimer(OnTimerContext context, Known known, Held held) {
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
    context.clearState("held");
  }

  /** A sample without a kind could not be read: it is no label, and repeats nothing. */
  private static boolean isRepeated(String kind, int before) {
    int repeats = "NEGATIVE".equals(kind) ? NEGATIVE_CAME | CLICK_CAME : came(kind);
    return (before & repeats) != 0;
  }

  private static int came(String kind) {
    return switch (kind == null ? "" : kind) {
      case "NEGATIVE" -> NEGATIVE_CAME;
      case "POSITIVE", "CORRECTION" -> CLICK_CAME;
      case "MATURE" -> MATURE_CAME;
      default -> 0;
    };
  }

  private static void hold(Held held, Row sample) {
    held.outcome = (Integer) sample.getField("outcome");
    held.inputs = (byte[]) sample.getField("inputs");
    held.label = (Integer) sample.getField("label");
    held.sample_weight = (Float) sample.getField("sample_weight");
    held.shown_position = (Integer) sample.getField("shown_position");
    held.click_ts = (Long) sample.getField("click_ts");
    held.label_ts = (Long) sample.getField("label_ts");
  }
}
