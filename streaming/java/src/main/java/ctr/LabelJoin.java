package ctr;

import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.SingleOutputStreamOperator;
import org.apache.flink.streaming.api.functions.co.KeyedCoProcessFunction;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.data.binary.NestedRowData;
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
    extends KeyedCoProcessFunction<RowData, RowData, RowData, RowData> {
  private static final long serialVersionUID = 1L;
  private static final StringData IMPRESSION = StringData.fromString("IMPRESSION");
  private static final StringData CLICK = StringData.fromString("CLICK");
  private static final StringData POSITIVE = StringData.fromString("POSITIVE");
  private static final StringData NEGATIVE = StringData.fromString("NEGATIVE");
  private static final StringData CORRECTION = StringData.fromString("CORRECTION");
  private static final StringData MATURE = StringData.fromString("MATURE");

  private final EventColumns impressions;
  private final int impression;
  private final EventColumns clicks;
  private final long labelWaitMs;
  private final long attributionWindowMs;
  private final double negativeKeep;
  private final boolean mature;

  private transient ValueState<Pending> state;

  private LabelJoin(
      EventColumns impressions,
      int impression,
      EventColumns clicks,
      long labelWaitMs,
      long attributionWindowMs,
      double negativeKeep,
      boolean mature) {
    this.impressions = impressions;
    this.impression = impression;
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
            new EventColumns(ofImpressions),
            ofImpressions.index("impression"),
            new EventColumns(ofClicks),
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
    state = getRuntimeContext().getState(new ValueStateDescriptor<>("pending", PendingSerializer.INSTANCE));
  }

  @Override
  public void processElement1(RowData event, Context context, Collector<RowData> out)
      throws Exception {
    if (impressions.isRefused(event)) {
      out.collect(impressions.refused(event));
      return;
    }
    long now = context.timerService().currentWatermark();
    Pending pending = state.value();
    if (pending == null) {
      pending = new Pending();
    } else if (pending.hasImpression()) {
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
    pending.impression =
        ((NestedRowData) event.getRow(impression, JoinedRow.IMPRESSION.getFieldCount())).copy();
    pending.negativeWeight =
        NegativeSampling.weight(
            ImpressionKey.requestId(key), ImpressionKey.adId(key), negativeKeep);
    out.collect(JoinedRow.engagement(key, IMPRESSION, pending.impression, ts));
    if (pending.hasClick()) {
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
    long now = context.timerService().currentWatermark();
    Pending pending = state.value();
    if (pending == null) {
      pending = new Pending();
    }
    long ts = clicks.ts(event);
    if (!pending.hasImpression()) {
      if (pending.hasClick() && pending.clickTs <= ts) {
        return;
      }
      pending.clickTs = ts;
      pending.clickSource = clicks.keptSource(event);
    } else if (Math.abs(ts - pending.ts) > attributionWindowMs) {
      // Also after the final label: whether that is still remembered depends on the order of arrival.
      out.collect(JoinedRow.deadLetter(clicks.source(event), JoinedRow.ORPHAN));
      return;
    } else if (pending.stage == Pending.FINAL) {
      return;
    } else if (!pending.hasClick()) {
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
    Pending pending = state.value();
    if (pending != null) {
      settle(context, pending, context.timerService().currentWatermark(), out);
    }
  }

  /** Emits all that is due by {@code now}; keeps what is still needed, and sets the next timer. */
  private void settle(Context context, Pending pending, long now, Collector<RowData> out)
      throws Exception {
    if (pending.hasImpression()) {
      label(context.getCurrentKey(), pending, now, out);
    }
    if (forgetTs(pending) > now) {
      state.update(pending);
      context.timerService().registerEventTimeTimer(nextDue(pending));
      return;
    }
    if (!pending.hasImpression()) {
      refuseWaitingClick(pending, out);
    } else if (mature) {
      mature(context.getCurrentKey(), pending, out);
    }
    state.clear();
  }

  private void label(RowData key, Pending pending, long now, Collector<RowData> out) {
    long clickTs = pending.clickTs;
    long negativeDueTs = pending.ts + labelWaitMs;
    if (pending.stage == Pending.UNLABELLED) {
      if (pending.hasClick() && clickTs <= negativeDueTs) {
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
    if (pending.stage == Pending.NEGATIVE && pending.hasClick() && clickTs <= now) {
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
      out.collect(JoinedRow.sample(key, MATURE, pending, label, forgetTs(pending)));
    }
  }

  private long nextDue(Pending pending) {
    if (!pending.hasImpression() || pending.stage == Pending.FINAL) {
      return forgetTs(pending);
    }
    if (pending.stage == Pending.UNLABELLED) {
      return pending.ts + labelWaitMs;
    }
    return pending.hasClick() ? pending.clickTs : forgetTs(pending);
  }

  /** Event time at which nothing of an impression, or of a click without one, is kept. */
  private long forgetTs(Pending pending) {
    return (pending.hasImpression() ? pending.ts : pending.clickTs) + attributionWindowMs;
  }

  /** The impression stays known until its window ends, so that a repetition is recognised. */
  private void finish(Pending pending) {
    pending.stage = Pending.FINAL;
    if (!mature) {
      pending.impression = null;
      pending.clickTs = Pending.NONE;
    }
  }

  private static void refuseWaitingClick(Pending pending, Collector<RowData> out) {
    out.collect(JoinedRow.deadLetter(pending.clickSource, JoinedRow.ORPHAN));
    pending.clickTs = Pending.NONE;
  }
}
