package ctr;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.LongStream;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.SingleOutputStreamOperator;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.table.data.RowData;
import org.apache.flink.types.Row;

/**
 * Rows for Redis (see {@link RedisRow}) to batches of ready commands, so that the sink, which is
 * Python, has to pass bytes on and no more. Columns: kind, number of rows, commands and the shard of
 * each, changes (commands to be sent after those), times of clicks that are shown first, and what
 * was rewritten, or null.
 */
public final class RedisBatches extends Gathering<Row> {
  private static final long serialVersionUID = 1L;

  /** Emits early when a batch is so large. */
  private static final long MOST_BYTES = 4 << 20;

  private static final byte[] ATTRIBUTES = "attributes".getBytes(StandardCharsets.UTF_8);
  private static final byte[] CLICKS = "clicks".getBytes(StandardCharsets.UTF_8);
  private static final String COUNTER_FIELD = "counter:";
  private static final TypeInformation<Row> TYPE =
      Types.ROW(
          Types.STRING,
          Types.INT,
          Types.OBJECT_ARRAY(PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO),
          PrimitiveArrayTypeInfo.INT_PRIMITIVE_ARRAY_TYPE_INFO,
          Types.OBJECT_ARRAY(PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO),
          PrimitiveArrayTypeInfo.LONG_PRIMITIVE_ARRAY_TYPE_INFO,
          Types.STRING);

  private final String kind;
  private final RedisKeys names;
  private final Set<String> userCounters;
  private final Set<String> adCounters;
  private transient RedisBatch batch;
  private transient LongStream.Builder clickTs;
  private transient Map<String, byte[]> counterFields;
  private transient String rewritten;

  private RedisBatches(
      String kind,
      RedisKeys names,
      Set<String> userCounters,
      Set<String> adCounters,
      long gatherMs) {
    super(gatherMs);
    this.kind = kind;
    this.names = names;
    this.userCounters = userCounters;
    this.adCounters = adCounters;
  }

  /**
   * Batches of rows of one kind: counters, clicks, ads or users. Names of the counters that live in
   * a user's row, and of those that belong to ads, have commas between them.
   */
  public static SingleOutputStreamOperator<Row> of(
      DataStream<RowData> rows,
      String kind,
      RedisKeys names,
      String userCounters,
      String adCounters,
      long gatherMs) {
    RedisBatches batches =
        new RedisBatches(kind, names, set(userCounters), set(adCounters), gatherMs);
    String uid = kind + "-batches";
    return rows.transform(uid, TYPE, batches).uid(uid);
  }

  private static Set<String> set(String names) {
    return new HashSet<>(List.of(names.split(",")));
  }

  @Override
  public void open() throws Exception {
    super.open();
    counterFields = new HashMap<>();
    begin();
  }

  private void begin() {
    batch = new RedisBatch(names);
    clickTs = LongStream.builder();
    rewritten = null;
  }

  @Override
  boolean gather(RowData row) {
    if (!row.isNullAt(RedisRow.REWRITTEN)) {
      rewritten = row.getString(RedisRow.REWRITTEN).toString();
      return true;
    }
    byte[] key = row.getString(RedisRow.KEY).toBytes();
    // No record has longer ids, but a tombstone's key is not looked at before.
    if (key.length <= AvroValues.LONGEST_TEXT) {
      byte[] body = row.getBinary(RedisRow.BODY);
      put(key, versioned(row.getLong(RedisRow.VERSION_MS), body));
      if (!row.isNullAt(RedisRow.CLICK_TS)) {
        clickTs.add(row.getLong(RedisRow.CLICK_TS));
      }
    }
    return batch.size() >= MOST_BYTES;
  }

  private void put(byte[] key, byte[] value) {
    switch (kind) {
      case "counters" -> putCounter(key, value);
      case "clicks" -> batch.putUser(key, 0, CLICKS, value);
      case "users" -> batch.putUser(key, 0, ATTRIBUTES, value);
      case "ads" -> {
        batch.putAd(key, value);
        batch.announce(kind, key, value);
      }
      default -> throw new IllegalArgumentException("no rows of kind " + kind);
    }
  }

  private void putCounter(byte[] key, byte[] value) {
    int colon = 0;
    while (colon < key.length && key[colon] != ':') {
      colon++;
    }
    String name = new String(key, 0, colon, StandardCharsets.UTF_8);
    if (userCounters.contains(name)) {
      byte[] field = counterFields.computeIfAbsent(name, RedisBatches::counterField);
      batch.putUser(key, Math.min(colon + 1, key.length), field, value);
    } else {
      batch.putCounter(key, value);
    }
    if (adCounters.contains(name)) {
      batch.announce(kind, key, value);
    }
  }

  private static byte[] counterField(String name) {
    return (COUNTER_FIELD + name).getBytes(StandardCharsets.UTF_8);
  }

  private static byte[] versioned(long versionMs, byte[] body) {
    return ByteBuffer.allocate(8 + body.length).putLong(versionMs).put(body).array();
  }

  @Override
  void emit() {
    if (batch.rows() == 0 && rewritten == null) {
      return;
    }
    List<RedisBatch.Command> commands = batch.commands();
    Row row =
        Row.of(
            kind,
            batch.rows(),
            commands.stream().map(RedisBatch.Command::bytes).toArray(byte[][]::new),
            commands.stream().mapToInt(RedisBatch.Command::shard).toArray(),
            batch.changes().toArray(byte[][]::new),
            clickTs.build().toArray(),
            rewritten);
    begin();
    output.collect(new StreamRecord<>(row));
  }
}
