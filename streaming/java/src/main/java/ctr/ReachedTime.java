package ctr;

import java.util.List;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.typeutils.base.LongSerializer;
import org.apache.flink.runtime.state.StateInitializationContext;

/**
 * The event time that an operator has reached. Flink forgets watermarks in a restart; without this,
 * an impression that was labelled and forgotten before would be taken for a new one after it.
 */
final class ReachedTime {
  private final ListState<Long> state;
  private final long restoredTs;

  /** As the newest of all subtasks had it at the last checkpoint. */
  ReachedTime(StateInitializationContext context) throws Exception {
    state =
        context
            .getOperatorStateStore()
            .getUnionListState(new ListStateDescriptor<>("reached", LongSerializer.INSTANCE));
    long newest = Long.MIN_VALUE;
    for (long reached : state.get()) {
      newest = Math.max(newest, reached);
    }
    restoredTs = newest;
  }

  /** The time in ms, now that the watermark is this. */
  long at(long watermark) {
    return Math.max(restoredTs, watermark);
  }

  void snapshot(long watermark) throws Exception {
    state.update(List.of(at(watermark)));
  }
}
