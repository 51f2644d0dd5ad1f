package ctr;

import java.util.Iterator;
import java.util.stream.Stream;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.runtime.state.KeyedStateBackend;
import org.apache.flink.runtime.state.VoidNamespace;
import org.apache.flink.runtime.state.VoidNamespaceSerializer;
import org.apache.flink.runtime.state.heap.HeapKeyedStateBackend;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.SingleOutputStreamOperator;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.InternalTimerService;
import org.apache.flink.streaming.api.operators.Triggerable;
import org.apache.flink.streaming.api.operators.TwoInputStreamOperator;
import org.apache.flink.streaming.api.transformations.TwoInputTransformation;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.runtime.watermarkstatus.WatermarkStatus;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;

/**
 * Keeps in its state what a row of Redis is made from, and emits the row whenever it changes. When
 * the second input asks for it, because Redis may have lost rows, it emits the row of every key once
 * more, a slice at a time between other work, and then says that it has done so.
 *
 * <p>The rows of a key leave by one way, so a row that is written again never overtakes a newer one
 * or the deletion of its key.
 *
 * <p>The second input has no event time and takes no part in watermarks.
 */
abstract class RowKeeper<S> extends AbstractStreamOperator<RowData>
    implements TwoInputStreamOperator<RowData, RowData, RowData>,
        Triggerable<StringData, VoidNamespace> {
  private static final long serialVersionUID = 1L;
  private static final int KEYS_PER_SLICE = 2_000;

  private final String name;
  private final TypeInformation<S> stateType;
  private transient ValueState<S> state;
  private transient InternalTimerService<VoidNamespace> timers;
  private transient StreamRecord<RowData> record;
  private transient Stream<StringData> keys;
  private transient Iterator<StringData> keysToRewrite;
  private transient String request;

  RowKeeper(String name, TypeInformation<S> stateType) {
    this.name = name;
    this.stateType = stateType;
  }

  /** The operator between its two inputs; {@code column} of the first one is the key. */
  static SingleOutputStreamOperator<RowData> transform(
      RowKeeper<?> keeper, DataStream<RowData> rows, int column, DataStream<RowData> requests) {
    TextKey key = new TextKey(column);
    TwoInputTransformation<RowData, RowData, RowData> transformation =
        new TwoInputTransformation<>(
            rows.keyBy(key).getTransformation(),
            requests.broadcast().getTransformation(),
            keeper.name,
            keeper,
            RedisRow.type(),
            rows.getExecutionEnvironment().getParallelism());
    transformation.setStateKeySelectors(key, null);
    transformation.setStateKeyType(key.getProducedType());
    rows.getExecutionEnvironment().addOperator(transformation);
    return new Emitted(rows, transformation).uid(keeper.name);
  }

  private static final class Emitted extends SingleOutputStreamOperator<RowData> {
    Emitted(
        DataStream<RowData> rows, TwoInputTransformation<RowData, RowData, RowData> operator) {
      super(rows.getExecutionEnvironment(), operator);
    }
  }

  /** The row that a state which is not null stands for. */
  abstract RowData row(StringData key, S state);

  /** An input row of the current key. */
  abstract void update(RowData row) throws Exception;

  /** The watermark has passed a time that was asked for. */
  abstract void timeHasCome() throws Exception;

  @Override
  public void open() throws Exception {
    super.open();
    state =
        getPartitionedState(
            VoidNamespace.INSTANCE,
            VoidNamespaceSerializer.INSTANCE,
            new ValueStateDescriptor<>(name, stateType));
    timers = getInternalTimerService(name, VoidNamespaceSerializer.INSTANCE, this);
    record = new StreamRecord<>(null);
  }

  final S state() throws Exception {
    return state.value();
  }

  /** Null forgets the key. */
  final void keep(S value) throws Exception {
    if (value == null) {
      state.clear();
    } else {
      state.update(value);
    }
  }

  final StringData key() {
    return (StringData) getCurrentKey();
  }

  final long watermark() {
    return timers.currentWatermark();
  }

  final void wakeAt(long time) {
    timers.registerEventTimeTimer(VoidNamespace.INSTANCE, time);
  }

  final void emit(RowData row) {
    output.collect(record.replace(row));
  }

  @Override
  public void processElement1(StreamRecord<RowData> row) throws Exception {
    update(row.getValue());
  }

  /** A request, of which the newest counts. */
  @Override
  public void processElement2(StreamRecord<RowData> asked) throws Exception {
    boolean underWay = keysToRewrite != null;
    request = asked.getValue().getString(0).toString();
    closeKeys();
    KeyedStateBackend<StringData> backend = getKeyedStateBackend();
    keys = backend.getKeys(name, VoidNamespace.INSTANCE);
    // On the heap all keys at once: state may not change while they are walked over. RocksDB's are
    // those of this moment, however many, and hold its files until they are closed.
    boolean isHeap = backend instanceof HeapKeyedStateBackend;
    keysToRewrite = isHeap ? keys.toList().iterator() : keys.iterator();
    LOG.info("{}: all rows are written again, request {}", name, request);
    if (!underWay) {
      rewriteSlice();
    }
  }

  private void rewriteSlice() throws Exception {
    for (int i = 0; i < KEYS_PER_SLICE && keysToRewrite.hasNext(); i++) {
      StringData key = keysToRewrite.next();
      setCurrentKey(key);
      S value = state.value();
      if (value != null) {
        emit(row(key, value));
      }
    }
    if (keysToRewrite.hasNext()) {
      long now = getProcessingTimeService().getCurrentProcessingTime();
      getProcessingTimeService().registerTimer(now, time -> rewriteSlice());
      return;
    }
    closeKeys();
    int task = getRuntimeContext().getTaskInfo().getIndexOfThisSubtask();
    emit(RedisRow.rewritten(request + " " + name + "-" + task));
  }

  private void closeKeys() {
    if (keys != null) {
      keys.close();
    }
    keys = null;
    keysToRewrite = null;
  }

  @Override
  public void close() throws Exception {
    closeKeys();
    super.close();
  }

  @Override
  public void onEventTime(
      org.apache.flink.streaming.api.operators.InternalTimer<StringData, VoidNamespace> timer)
      throws Exception {
    timeHasCome();
  }

  @Override
  public void onProcessingTime(
      org.apache.flink.streaming.api.operators.InternalTimer<StringData, VoidNamespace> timer) {
    throw new IllegalStateException("no such timer is ever set");
  }

  @Override
  public void processWatermark1(Watermark mark) throws Exception {
    processWatermark(mark);
  }

  @Override
  public void processWatermark2(Watermark mark) {}

  @Override
  protected void processWatermarkStatus(WatermarkStatus status, int input) {
    if (input == 0) {
      output.emitWatermarkStatus(status);
    }
  }
}
