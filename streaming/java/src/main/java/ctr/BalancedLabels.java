package ctr;

import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.runtime.state.VoidNamespace;
import org.apache.flink.runtime.state.VoidNamespaceSerializer;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.SingleOutputStreamOperator;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.InternalTimer;
import org.apache.flink.streaming.api.operators.InternalTimerService;
import org.apache.flink.streaming.api.operators.TimestampedCollector;
import org.apache.flink.streaming.api.operators.Triggerable;
import org.apache.flink.streaming.api.operators.TwoInputStreamOperator;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.data.utils.ProjectedRowData;
import org.apache.flink.table.runtime.typeutils.RowDataSerializer;
import org.apache.flink.table.runtime.util.StateConfigUtil;
import org.apache.flink.table.types.logical.IntType;

/**
 * What the learner is given of an impression: at most one first label, one click and one MATURE,
 * and a POSITIVE not before its label wait is over, which is when negatives of the same age come. A
 * model that learnt clicks as they come would see, at the start of a stream and for every new ad,
 * nothing but clicks for the length of the wait. Entering both at the end of the wait is what ES-DFM
 * assumes (Yang et al., AAAI'21, arXiv 2012.03245, section 3). A CORRECTION waits for negatives up to
 * the time of its click: the join lets clicks through at once and negatives by event time, so that
 * when it catches up a stretch of clicks comes first. The clock is told by negatives, see
 * sql/learning/event_time.sql.
 *
 * <p>Kafka holds labels again after the events job restarted, and where a click was behind event
 * time not even the same ones: NEGATIVE and CORRECTION before the crash may be POSITIVE after it, or
 * the other way round. What was learnt first stands: a POSITIVE after a NEGATIVE corrects it.
 *
 * <p>Ticks, the second input, pass as they are and tell no time. The state is that of the
 * ProcessTableFunction that this was, which took twice as long for a row.
 */
public final class BalancedLabels extends AbstractStreamOperator<RowData>
    implements TwoInputStreamOperator<RowData, RowData, RowData>,
        Triggerable<RowData, VoidNamespace> {
  private static final long serialVersionUID = 1L;
  private static final String UID = "balanced-labels";

  private static final StringData POSITIVE = StringData.fromString("POSITIVE");
  private static final StringData NEGATIVE = StringData.fromString("NEGATIVE");
  private static final StringData CORRECTION = StringData.fromString("CORRECTION");
  private static final StringData MATURE = StringData.fromString("MATURE");

  /** Positions in OUTCOMES of streaming/learning/sample_batch.py. */
  private static final int POSITIVE_OUTCOME = 0, CORRECTION_OUTCOME = 2;

  private static final int NEGATIVE_CAME = 1, CLICK_CAME = 2, MATURE_CAME = 4;

  private final int kind;
  private final int ts;
  private final int[] projection;
  private final long labelWaitMs;
  private final long rememberedMs;

  /** Which labels have come, as bits. */
  private transient ValueState<RowData> known;

  /** A sample that waits, which must not expire while event time stands still. */
  private transient ValueState<RowData> held;

  private transient InternalTimerService<VoidNamespace> timers;
  private transient ProjectedRowData projected;
  private transient TimestampedCollector<RowData> out;

  private BalancedLabels(Columns columns, long labelWaitMs, long rememberedMs) {
    kind = columns.index("kind");
    ts = columns.index("ts");
    projection = columns.indexes(Label.TYPE.getFieldNames());
    this.labelWaitMs = labelWaitMs;
    this.rememberedMs = rememberedMs;
  }

  /**
   * Labels of samples with these columns, and the ticks, which have those of {@link Label}. Labels
   * that came are known for {@code rememberedMs} of processing time.
   */
  public static SingleOutputStreamOperator<RowData> of(
      DataStream<RowData> samples,
      String columns,
      DataStream<RowData> ticks,
      long labelWaitMs,
      long rememberedMs) {
    Columns names = Columns.parse(columns);
    BalancedLabels balanced = new BalancedLabels(names, labelWaitMs, rememberedMs);
    return SampleKey.keyBy(samples, names)
        .connect(ticks)
        .transform(UID, Label.type(), balanced)
        .uid(UID);
  }

  @Override
  public void open() throws Exception {
    super.open();
    ValueStateDescriptor<RowData> labels =
        new ValueStateDescriptor<>("known", new RowDataSerializer(new IntType()));
    labels.enableTimeToLive(StateConfigUtil.createTtlConfig(rememberedMs));
    known = getRuntimeContext().getState(labels);
    held =
        getRuntimeContext()
            .getState(new ValueStateDescriptor<>("held", new RowDataSerializer(Label.TYPE)));
    timers =
        getInternalTimerService("user-unnamed-timers", VoidNamespaceSerializer.INSTANCE, this);
    projected = ProjectedRowData.from(projection);
    out = new TimestampedCollector<>(output);
    out.eraseTimestamp();
  }

  /** A sample. */
  @Override
  public void processElement1(StreamRecord<RowData> record) throws Exception {
    RowData sample = record.getValue();
    int came = sample.isNullAt(kind) ? 0 : came(sample.getString(kind));
    RowData labels = known.value();
    int before = labels == null ? 0 : labels.getInt(0);
    if (isRepeated(came, before)) {
      return;
    }
    // A sample without a kind could not be read: it is no label, and repeats nothing.
    if (came != 0) {
      known.update(GenericRowData.of(before | came));
    }
    RowData label = projected.replaceRow(sample);
    if (came == CLICK_CAME) {
      label = Label.copy(label);
      if ((before & NEGATIVE_CAME) != 0 && Label.outcome(label) == POSITIVE_OUTCOME) {
        label = Label.withOutcome(label, CORRECTION_OUTCOME);
      }
      boolean isCorrection = Label.outcome(label) == CORRECTION_OUTCOME;
      long due = isCorrection ? Label.labelTs(label) : sample.getLong(ts) + labelWaitMs;
      if (timers.currentWatermark() < due) {
        held.update(label);
        timers.registerEventTimeTimer(VoidNamespace.INSTANCE, due);
        return;
      }
    }
    out.collect(label);
  }

  /** A tick. */
  @Override
  public void processElement2(StreamRecord<RowData> tick) {
    out.collect(tick.getValue());
  }

  /** The wait is over. */
  @Override
  public void onEventTime(InternalTimer<RowData, VoidNamespace> timer) throws Exception {
    RowData label = held.value();
    if (label != null && !label.isNullAt(0)) {
      held.clear();
      out.collect(label);
    }
  }

  @Override
  public void onProcessingTime(InternalTimer<RowData, VoidNamespace> timer) {
    throw new IllegalStateException("no timer of processing time was set");
  }

  @Override
  public void processWatermark1(Watermark mark) throws Exception {
    processWatermark(mark);
  }

  @Override
  public void processWatermark2(Watermark mark) {}

  private static boolean isRepeated(int came, int before) {
    return (before & (came == NEGATIVE_CAME ? NEGATIVE_CAME | CLICK_CAME : came)) != 0;
  }

  private static int came(StringData kind) {
    if (kind.equals(NEGATIVE)) {
      return NEGATIVE_CAME;
    }
    if (kind.equals(POSITIVE) || kind.equals(CORRECTION)) {
      return CLICK_CAME;
    }
    return kind.equals(MATURE) ? MATURE_CAME : 0;
  }
}
