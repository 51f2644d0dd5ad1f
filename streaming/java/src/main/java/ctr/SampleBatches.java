package ctr;

import java.util.List;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.runtime.state.StateInitializationContext;
import org.apache.flink.runtime.state.StateSnapshotContext;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.KeyedStream;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.table.data.RowData;
import org.apache.flink.types.Row;

/**
 * Samples of a moment to one row for the learner, which is Python: each column as the bytes of an
 * array (little-endian), so that a thousand samples are read with one call. Columns: outcomes
 * (uint8), sizes of the inputs (int32), inputs one after the other, labels (int32), weights
 * (float32), positions (int32), times of clicks (int64), and the newest label's time.
 *
 * <p>A row comes with the one key that there is, as PyFlink's keyed functions take it. Its own {@code
 * key_by} would send each row to Python and back once more to ask for the key.
 *
 * <p>A checkpoint keeps what is gathered and does not cut a batch short: as clicks come in bursts,
 * one of a few milliseconds may hold nothing else.
 */
public final class SampleBatches extends Gathering<Row> {
  private static final long serialVersionUID = 1L;
  private static final String UID = "sample-batches";

  /** Emits early when a batch is so large. */
  private static final int MOST_BYTES = 8 << 20;

  private static final TypeInformation<?> BYTES =
      PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO;
  private static final TypeInformation<Row> TYPE =
      Types.ROW(BYTES, BYTES, BYTES, BYTES, BYTES, BYTES, BYTES, Types.LONG);
  private static final TypeInformation<Row> KEY_TYPE = Types.ROW(Types.INT);
  private static final TypeInformation<Row> KEYED_TYPE = Types.ROW(Types.INT, TYPE);
  private static final int KEY = 0;

  private static final ListStateDescriptor<Row> GATHERED =
      new ListStateDescriptor<>("gathered", TYPE);

  private final int outcome;
  private final int input;
  private final int label;
  private final int weight;
  private final int position;
  private final int clickTs;
  private final int labelTs;
  private transient ByteColumn outcomes;
  private transient ByteColumn sizes;
  private transient ByteColumn inputs;
  private transient ByteColumn labels;
  private transient ByteColumn weights;
  private transient ByteColumn positions;
  private transient ByteColumn clicks;
  private transient List<ByteColumn> all;
  private transient long newestLabelTs;
  private transient ListState<Row> gathered;

  private SampleBatches(long gatherMs) {
    super(gatherMs);
    Columns columns = new Columns(Label.TYPE.getFieldNames());
    outcome = columns.index("outcome");
    input = columns.index("inputs");
    label = columns.index("label");
    weight = columns.index("sample_weight");
    position = columns.index("shown_position");
    clickTs = columns.index("click_ts");
    labelTs = columns.index("label_ts");
  }

  /** Batches of rows as {@link Label} has them: the key, then the columns. */
  public static KeyedStream<Row, Row> of(DataStream<RowData> labels, long gatherMs) {
    return labels
        .transform(UID, KEYED_TYPE, new SampleBatches(gatherMs))
        .uid(UID)
        .keyBy(batch -> Row.of(batch.getField(0)), KEY_TYPE);
  }

  @Override
  public void initializeState(StateInitializationContext context) throws Exception {
    super.initializeState(context);
    outcomes = new ByteColumn();
    sizes = new ByteColumn();
    inputs = new ByteColumn();
    labels = new ByteColumn();
    weights = new ByteColumn();
    positions = new ByteColumn();
    clicks = new ByteColumn();
    all = List.of(outcomes, sizes, inputs, labels, weights, positions, clicks);
    gathered = context.getOperatorStateStore().getListState(GATHERED);
  }

  /** What had been gathered before a restore. */
  @Override
  public void open() throws Exception {
    super.open();
    for (Row batch : gathered.get()) {
      for (int column = 0; column < all.size(); column++) {
        all.get(column).add((byte[]) batch.getField(column));
      }
      newestLabelTs = Math.max(newestLabelTs, (long) batch.getField(all.size()));
      firstRowCame();
    }
  }

  @Override
  public void prepareSnapshotPreBarrier(long checkpoint) {}

  @Override
  public void snapshotState(StateSnapshotContext context) throws Exception {
    super.snapshotState(context);
    gathered.update(outcomes.size() == 0 ? List.of() : List.of(batch()));
  }

  @Override
  boolean gather(RowData sample) {
    byte[] bytes = sample.getBinary(input);
    outcomes.add((byte) sample.getInt(outcome));
    sizes.addInt(bytes.length);
    inputs.add(bytes);
    labels.addInt(sample.getInt(label));
    weights.addInt(Float.floatToIntBits(sample.getFloat(weight)));
    positions.addInt(sample.getInt(position));
    clicks.addLong(sample.getLong(clickTs));
    newestLabelTs = Math.max(newestLabelTs, sample.getLong(labelTs));
    return inputs.size() >= MOST_BYTES;
  }

  @Override
  void emit() {
    if (outcomes.size() == 0) {
      return;
    }
    Row batch = batch();
    all.forEach(ByteColumn::clear);
    newestLabelTs = 0;
    output.collect(new StreamRecord<>(Row.of(KEY, batch)));
  }

  private Row batch() {
    return Row.of(
        outcomes.toArray(),
        sizes.toArray(),
        inputs.toArray(),
        labels.toArray(),
        weights.toArray(),
        positions.toArray(),
        clicks.toArray(),
        newestLabelTs);
  }
}
