package ctr;

import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.runtime.typeutils.InternalTypeInfo;
import org.apache.flink.table.types.logical.RowType;

/**
 * One absolute value for Redis: what it is of, its version and its body (an empty one deletes), and
 * the oldest click that it is the first to show, or null. Instead, with a {@code rewritten}, the end
 * of a {@link Rewrite}.
 */
final class RedisRow {
  static final int KEY = 0;
  static final int VERSION_MS = 1;
  static final int BODY = 2;
  static final int CLICK_TS = 3;
  static final int REWRITTEN = 4;

  private RedisRow() {}

  static TypeInformation<RowData> type() {
    return InternalTypeInfo.of(
        (RowType)
            DataTypes.ROW(
                    DataTypes.FIELD("key", DataTypes.STRING()),
                    DataTypes.FIELD("version_ms", DataTypes.BIGINT()),
                    DataTypes.FIELD("body", DataTypes.BYTES()),
                    DataTypes.FIELD("click_ts", DataTypes.BIGINT()),
                    DataTypes.FIELD("rewritten", DataTypes.STRING()))
                .getLogicalType());
  }

  static RowData of(StringData key, long versionMs, byte[] body, Long clickTs) {
    return GenericRowData.of(key, versionMs, body, clickTs, null);
  }

  static RowData rewritten(String part) {
    return GenericRowData.of(null, null, null, null, StringData.fromString(part));
  }
}
