package ctr;

import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.runtime.state.KeyedStateBackend;
import org.apache.flink.runtime.state.StateInitializationContext;
import org.apache.flink.runtime.state.StateSnapshotContext;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.SingleOutputStreamOperator;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.TimestampedCollector;
import org.apache.flink.streaming.api.operators.TwoInputStreamOperator;
import org.apache.flink.streaming.api.operators.sorted.state.BatchExecutionKeyedStateBackend;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.binary.NestedRowData;
import org.apache.flink.util.function.ThrowingRunnable;

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
 * <p>An operator over Flink's internal rows: a ProcessTableFunction turns every row and the state of
 * every key into Java objects and back. An {@link Agenda} stands in for timers; at the end of the
 * window the state is dropped without being read.
 */
public final class LabelJoin extends AbstractStreamOperator<RowData>
    implements TwoInputStreamOperator<RowData, RowData, RowData> {
  private static final long serialVersionUID = 1L;
  private static final String NAME = "label-join";

  private static final ValueStateDescriptor<Pending> PENDING =
      new ValueStateDescriptor<>("pending", PendingSerializer.INSTANCE);

  private final EventColumns impressions;
  private final int impression;
  private final EventColumns clicks;
  private final LabelRules rules;

  private transient PendingStore state;
  private transient Agenda agenda;
  private transient long watermark;
  private transient TimestampedCollector<RowData> out;
  private transient ReachedTime reached;

  private LabelJoin(
      EventColumns impressions, int impression, EventColumns clicks, LabelRules rules) {
    this.impressions = impressions;
    this.impression = impression;
    this.clicks = clicks;
    this.rules = rules;
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
      LabelRules rules) {
    Columns ofImpressions = Columns.parse(impressionColumns);
    Columns ofClicks = Columns.parse(clickColumns);
    LabelJoin join =
        new LabelJoin(
            new EventColumns(ofImpressions),
            ofImpressions.index("impression"),
            new EventColumns(ofClicks),
            rules);
    return ImpressionIdType.keyBy(impressions, ofImpressions)
        .connect(ImpressionIdType.keyBy(clicks, ofClicks))
        .transform(NAME, JoinedRow.type(), join)
        .uid(NAME);
  }

  @Override
  public void initializeState(StateInitializationContext context) throws Exception {
    super.initializeState(context);
    reached = new ReachedTime(context);
  }

  @Override
  public void snapshotState(StateSnapshotContext context) throws Exception {
    super.snapshotState(context);
    reached.snapshot(watermark);
    state.flush();
  }

  @Override
  public void open() throws Exception {
    super.open();
    watermark = Long.MIN_VALUE;
    agenda = new Agenda();
    KeyedStateBackend<ImpressionId> backend = getKeyedStateBackend();
    ValueState<Pending> stored = getRuntimeContext().getState(PENDING);
    state = new PendingStore(backend, stored, PendingStore.MOST_BYTES);
    state.restore(PENDING, this::enter);
    if (backend instanceof BatchExecutionKeyedStateBackend) {
      Runnable end = ThrowingRunnable.unchecked(this::endImpression);
      backend.registerKeySelectionListener(next -> end.run());
    }
    out = new TimestampedCollector<>(output);
    out.eraseTimestamp();
  }

  /** An impression. */
  @Override
  public void processElement1(StreamRecord<RowData> record) throws Exception {
    RowData event = record.getValue();
    if (impressions.isRefused(event)) {
      out.collect(impressions.refused(event));
      return;
    }
    long now = now();
    Pending pending = state.get();
    if (pending == null) {
      pending = new Pending();
    } else if (pending.hasImpression()) {
      return;
    }
    long ts = impressions.ts(event);
    if (rules.isTooLate(ts, now)) {
      out.collect(JoinedRow.tooLate(impressions.source(event), now));
      return;
    }
    ImpressionId id = id();
    pending.ts = ts;
    pending.stage = Pending.UNLABELLED;
    RowData shown = event.getRow(impression, JoinedRow.IMPRESSION.getFieldCount());
    pending.impression = EventColumns.bytes((NestedRowData) shown);
    pending.negativeWeight = rules.negativeWeight(id);
    out.collect(JoinedRow.engagement(id, Kind.IMPRESSION, shown, ts));
    if (pending.hasClick()) {
      if (!rules.isAttributed(pending.clickTs, ts)) {
        refuseWaitingClick(pending);
      } else {
        out.collect(JoinedRow.engagement(id, Kind.CLICK, shown, pending.clickTs));
      }
      pending.clickSource = null;
    }
    settle(pending, now);
  }

  /** A click. */
  @Override
  public void processElement2(StreamRecord<RowData> record) throws Exception {
    RowData event = record.getValue();
    if (clicks.isRefused(event)) {
      out.collect(clicks.refused(event));
      return;
    }
    Pending pending = state.get();
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
    } else if (!rules.isAttributed(ts, pending.ts)) {
      // Also after the final label: whether that is still remembered depends on the order of arrival.
      out.collect(JoinedRow.deadLetter(clicks.source(event), JoinedRow.ORPHAN));
      return;
    } else if (pending.stage == Pending.FINAL) {
      return;
    } else if (!pending.hasClick()) {
      pending.clickTs = ts;
      out.collect(JoinedRow.engagement(id(), Kind.CLICK, pending.impression(), ts));
      if (pending.stage == Pending.NEGATIVE) {
        correct(pending);
      }
    } else {
      pending.clickTs = Math.min(pending.clickTs, ts);
    }
    settle(pending, now());
  }

  @Override
  public void processWatermark(Watermark mark) throws Exception {
    watermark = mark.getTimestamp();
    agenda.tell(watermark, this::due);
    super.processWatermark(mark);
  }

  /** A batch has one impression's events after another's, and drops the state of each. */
  private void endImpression() throws Exception {
    watermark = Long.MAX_VALUE;
    agenda.tell(watermark, this::due);
    watermark = Long.MIN_VALUE;
  }

  private void due(ImpressionId id, long ts, boolean isLast) throws Exception {
    setCurrentKey(id);
    if (isLast) {
      state.clear();
      return;
    }
    Pending pending = state.get();
    if (pending != null && rules.nextTs(pending) == ts) {
      settle(pending, now());
    }
  }

  /** Emits all that is due by {@code now}; keeps what is still needed. */
  private void settle(Pending pending, long now) throws Exception {
    if (pending.hasImpression()) {
      label(pending, now);
    }
    if (rules.forgetTs(pending) > now) {
      state.put(pending);
      enter(id(), pending);
      return;
    }
    if (!pending.hasImpression()) {
      refuseWaitingClick(pending);
    } else if (rules.mature() && pending.impression != null) {
      // Of what was final while MATURE was not asked for, nothing was kept to repeat.
      mature(pending);
    }
    state.clear();
  }

  private void label(Pending pending, long now) {
    long clickTs = pending.clickTs;
    long negativeDueTs = rules.negativeDueTs(pending);
    if (pending.stage == Pending.UNLABELLED) {
      if (pending.hasClick() && clickTs <= negativeDueTs) {
        long labelTs = Math.max(clickTs, pending.ts);
        out.collect(JoinedRow.sample(id(), Kind.POSITIVE, pending, 1, labelTs));
        finish(pending);
      } else if (negativeDueTs <= now) {
        if (pending.negativeWeight > 0) {
          out.collect(JoinedRow.sample(id(), Kind.NEGATIVE, pending, 0, negativeDueTs));
        }
        pending.stage = Pending.NEGATIVE;
      }
    }
    // A late click may be known before the NEGATIVE is due, as in a replay: the correction then
    // waits for the click's own time.
    if (pending.stage == Pending.NEGATIVE && pending.hasClick() && clickTs <= now) {
      correct(pending);
    }
  }

  private void correct(Pending pending) {
    long labelTs = Math.max(pending.clickTs, rules.negativeDueTs(pending));
    out.collect(JoinedRow.sample(id(), Kind.CORRECTION, pending, 1, labelTs));
    finish(pending);
  }

  private void mature(Pending pending) {
    int label = pending.stage == Pending.FINAL ? 1 : 0;
    if (label == 1 || pending.negativeWeight > 0) {
      out.collect(JoinedRow.sample(id(), Kind.MATURE, pending, label, rules.forgetTs(pending)));
    }
  }

  private void enter(ImpressionId id, Pending pending) {
    agenda.add(id, rules.nextTs(pending), rules.endsSilently(pending));
  }

  /** The impression stays known until its window ends, so that a repetition is recognised. */
  private void finish(Pending pending) {
    pending.stage = Pending.FINAL;
    if (!rules.mature()) {
      pending.impression = null;
      pending.clickTs = Pending.NONE;
    }
  }

  private void refuseWaitingClick(Pending pending) {
    out.collect(JoinedRow.deadLetter(pending.clickSource(), JoinedRow.ORPHAN));
    pending.clickTs = Pending.NONE;
  }

  private long now() {
    return reached.at(watermark);
  }

  private ImpressionId id() {
    return (ImpressionId) getCurrentKey();
  }
}
