package ctr;

import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.table.data.RowData;

/**
 * Gives rows the timestamps by which a job in batch mode sorts them within each key. They decide
 * nothing else: in batch mode event time does not pass until all rows of a key are there.
 */
public final class SortKey {
  private SortKey() {}

  /** The same stream, sorted by a BIGINT column; {@code uid} names the operator. */
  public static DataStream<RowData> of(
      DataStream<RowData> rows, String columns, String column, String uid) {
    int index = Columns.parse(columns).index(column);
    return rows.assignTimestampsAndWatermarks(
            WatermarkStrategy.<RowData>noWatermarks()
                .withTimestampAssigner((row, ignored) -> row.getLong(index)))
        .uid(uid)
        .name(uid);
  }
}
