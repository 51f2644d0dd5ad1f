package ctr;

import java.util.List;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.runtime.state.FunctionInitializationContext;
import org.apache.flink.runtime.state.FunctionSnapshotContext;
import org.apache.flink.streaming.api.checkpoint.CheckpointedFunction;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.SingleOutputStreamOperator;
import org.apache.flink.streaming.api.functions.co.KeyedCoProcessFunction;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.util.Collector;

/**
 * Joins impressions and clicks of one (request_id, ad_id) and labels them. Every impression gives
 * one IMPRESSION engagement and exactly one first label: POSITIVE as soon as a click within the
 * label wait is known, else NEGATIVE when the wait is over. A click within the attribution window
 * gives one CLICK engagement and, after a NEGATIVE, one CORRECTION. With {@code mature} the final
 * label comes once more, as MATURE, at the end of the window. Order of arrival does not matter:
 * event times decide. A click without an impression becomes a dead letter when the window is over,
 * and so do rows that came with an error and impressions that are older than the window, of which it
 * is no longer known whether they were labelled. Of several clicks that come before their impression
 * only the earliest is remembered; the others are repetitions.
 *
 * <p>A DataStream function over Flink's internal rows, because a ProcessTableFunction turns every
 * row and the state of every key into Java objects and back.
 */
public final class LabelJoin
    extends KeyedCoProcessFunction<RowData, RowData, RowData, RowData>
    implements CheckpointedFunction {
  private static final long serialVersionUID = 1L;
  private static final StringData IMPRESSION = StringData.fromString("IMPRESSION");
  private static final StringData CLICK = StringData.fromString("CLICK");
  private static final StringData POSITIVE = StringData.fromString("POSITIVE");
  private static final StringData NEGATIVE = StringData.fromString("NEGATIVE");
  private static final StringData CORRECTION = StringData.fromString("CORRECTION");
  private static final StringData MATURE = StringData.fromString("MATURE");

  private final EventColumns impressions;
  private final EventColumns clicks;
  private final long labelWaitMs;
  private final long attributionWindowMs;
  private final double negativeKeep;
  private final boolean mature;

  private transient ValueState<RowData> state;

  /** Event time that was reached: Flink forgets it in a restart, when old impressions are not new. */
  private transient ListState<Long> reachedState;

  private transient long reachedTs;

  private LabelJoin(
      EventColumns impressions,
      EventColumns clicks,
      long labelWaitMs,
      long attributionWindowMs,
      double negativeKeep,
      boolean mature) {
    this.impressions = impressions;
    this.clicks = clicks;
    this.labelWaitMs = labelWaitMs;
    this.attributionWindowMs = attributionWindowMs;
    this.negativeKeep = negativeKeep;
    this.mature = mature;
  }

  /**
   * The joined stream of two streams of internal rows, whose columns have these names (with commas
   * between them).
   */
  public static SingleOutputStreamOperator<RowData> join(
      DataStream<RowData> impressions,
      String impressionColumns,
      DataStream<RowData> clicks,
      String clickColumns,
      long labelWaitMs,
      long attributionWindowMs,
      double negativeKeep,
      boolean mature) {
    Columns ofImpressions = Columns.parse(impressionColumns);
    Columns ofClicks = Columns.parse(clickColumns);
    LabelJoin join =
        new LabelJoin(
            new EventColumns(ofImpressions, Pending.IMPRESSION),
            new EventColumns(ofClicks, List.of()),
            labelWaitMs,
            attributionWindowMs,
            negativeKeep,
            mature);
    return impressions
        .keyBy(new ImpressionKey(ofImpressions))
        .connect(clicks.keyBy(new ImpressionKey(ofClicks)))
        .process(join, JoinedRow.type())
        .uid("label-join")
        .name("label-join");
  }

  @Override
  public void open(OpenContext context) {
    state = getRuntimeContext().getState(new ValueStateDescriptor<>("pending", Pending.type()));
  }

  @Override
  public void initializeState(FunctionInitializationContext context) throws Exception {
    reachedState =
        context
            .getOperatorStateStore()
            .getUnionListState(new ListStateDescriptor<>("reached", Long.class));
    reachedTs = Long.MIN_VALUE;
    for (long ts : reachedState.get()) {
      reachedTs = Math.max(reachedTs, ts);
    }
  }

  @Override
  public void snapshotState(FunctionSnapshotContext context) throws Exception {
    reachedState.update(List.of(reachedTs));
  }

  @Override
  public void processElement1(RowData event, Context context, Collector<RowData> out)
      throws Exception {
    if (impressions.isRefused(event)) {
      out.collect(impressions.refused(event));
      return;
    }
    long now = now(context);
    RowData row = state.value();
    Pending pending = row == null ? new Pending() : Pending.of(row);
    if (pending.ts != null) {
      return;
    }
    long ts = impressions.ts(event);
    if (ts + attributionWindowMs <= now) {
      out.collect(JoinedRow.tooLate(impressions.source(event), now));
      return;
    }
    RowData key = context.getCurrentKey();
    pending.ts = ts;
    pending.stage = Pending.UNLABELLED;
    pending.impression = impressions.payload(event);
    pending.negativeWeight =
        NegativeSampling.weight(
            ImpressionKey.requestId(key), ImpressionKey.adId(key), negativeKeep);
    pending.forgetTs = ts + attributionWindowMs;
    out.collect(JoinedRow.engagement(key, IMPRESSION, pending.impression, ts));
    if (pending.clickTs != null) {
      if (Math.abs(pending.clickTs - ts) > attributionWindowMs) {
        refuseWaitingClick(pending, out);
      } else {
        out.collect(JoinedRow.engagement(key, CLICK, pending.impression, pending.clickTs));
      }
      pending.clickSource = null;
    }
    settle(context, pending, now, out);
  }

  @Override
  public void processElement2(RowData event, Context context, Collector<RowData> out)
      throws Exception {
    if (clicks.isRefused(event)) {
      out.collect(clicks.refused(event));
      return;
    }
    long now = now(context);
    RowData row = state.value();
    Pending pending = row == null ? new Pending() : Pending.of(row);
    long ts = clicks.ts(event);
    if (pending.ts == null) {
      if (pending.clickTs != null && pending.clickTs <= ts) {
        return;
      }
      pending.clickTs = ts;
      pending.clickSource = clicks.source(event);
      pending.forgetTs = ts + attributionWindowMs;
    } else if (Math.abs(ts - pending.ts) > attributionWindowMs) {
      // Also after the final label: whether that is still remembered depends on the order of arrival.
      out.collect(JoinedRow.deadLetter(clicks.source(event), JoinedRow.ORPHAN));
      return;
    } else if (pending.stage == Pending.FINAL) {
      return;
    } else if (pending.clickTs == null) {
      pending.clickTs = ts;
      RowData key = context.getCurrentKey();
      out.collect(JoinedRow.engagement(key, CLICK, pending.impression, ts));
      if (pending.stage == Pending.NEGATIVE) {
        correct(key, pending, out);
      }
    } else {
      pending.clickTs = Math.min(pending.clickTs, ts);
    }
    settle(context, pending, now, out);
  }

  /** Labels that become due when the watermark passes, and the end of the window. */
  @Override
  public void onTimer(long timer, OnTimerContext context, Collector<RowData> out)
      throws Exception {
    RowData row = state.value();
    if (row != null) {
      settle(context, Pending.of(row), now(context), out);
    }
  }

  private long now(Context context) {
    reachedTs = Math.max(reachedTs, context.timerService().currentWatermark());
    return reachedTs;
  }

  /** Emits all that is due by {@code now}; keeps what is still needed, and sets the next timer. */
  private void settle(Context context, Pending pending, long now, Collector<RowData> out)
      throws Exception {
    if (pending.ts != null) {
      label(context.getCurrentKey(), pending, now, out);
    }
    if (pending.forgetTs > now) {
      state.update(pending.toRow());
      context.timerService().registerEventTimeTimer(nextDue(pending));
      return;
    }
    if (pending.ts == null) {
      refuseWaitingClick(pending, out);
    } else if (mature) {
      mature(context.getCurrentKey(), pending, out);
    }
    state.clear();
  }

  private void label(RowData key, Pending pending, long now, Collector<RowData> out) {
    Long clickTs = pending.clickTs;
    long negativeDueTs = pending.ts + labelWaitMs;
    if (pending.stage == Pending.UNLABELLED) {
      if (clickTs != null && clickTs <= negativeDueTs) {
        long labelTs = Math.max(clickTs, pending.ts);
        out.collect(JoinedRow.sample(key, POSITIVE, pending, 1, labelTs));
        finish(pending);
      } else if (negativeDueTs <= now) {
        if (pending.negativeWeight > 0) {
          out.collect(JoinedRow.sample(key, NEGATIVE, pending, 0, negativeDueTs));
        }
        pending.stage = Pending.NEGATIVE;
      }
    }
    // A late click may be known before the NEGATIVE is due, as in a replay: the correction then
    // waits for the click's own time.
    if (pending.stage == Pending.NEGATIVE && clickTs != null && clickTs <= now) {
      correct(key, pending, out);
    }
  }

  private void correct(RowData key, Pending pending, Collector<RowData> out) {
    long labelTs = Math.max(pending.clickTs, pending.ts + labelWaitMs);
    out.collect(JoinedRow.sample(key, CORRECTION, pending, 1, labelTs));
    finish(pending);
  }

  private void mature(RowData key, Pending pending, Collector<RowData> out) {
    int label = pending.stage == Pending.FINAL ? 1 : 0;
    if (label == 1 || pending.negativeWeight > 0) {
      out.collect(JoinedRow.sample(key, MATURE, pending, label, pending.forgetTs));
    }
  }

  private long nextDue(Pending pending) {
    if (pending.ts == null || pending.stage == Pending.FINAL) {
      return pending.forgetTs;
    }
    if (pending.stage == Pending.UNLABELLED) {
      return pending.ts + labelWaitMs;
    }
    return pending.clickTs == null ? pending.forgetTs : pending.clickTs;
  }

  /** The impression stays known until its window ends, so that a repetition is recognised. */
  private void finish(Pending pending) {
    pending.stage = Pending.FINAL;
    if (!mature) {
      pending.impression = null;
      pending.clickTs = null;
    }
  }

  private static void refuseWaitingClick(Pending pending, Collector<RowData> out) {
    out.collect(JoinedRow.deadLetter(pending.clickSource, JoinedRow.ORPHAN));
    pending.clickTs = null;
  }
}
