package ctr;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.zip.CRC32;

/**
 * Rows of a moment as commands of Redis: one call of ctr_put_newer for each shard that they touch,
 * then entries of the stream of changes. See schemas.redis_keys, schemas.redis_values and
 * schemas.row_changes, whose layouts these are.
 */
final class RedisBatch {
  /** Bounds one entry of the changes stream to about a megabyte. */
  static final int CHANGES_PER_ENTRY = 10_000;

  private final RedisKeys names;
  private final Map<Integer, Rows> byShard = new TreeMap<>();
  private final ByteArrayOutputStream changes = new ByteArrayOutputStream();
  private final List<byte[]> entries = new ArrayList<>();
  private final CRC32 crc = new CRC32();
  private String changeKind;
  private int changeCount;
  private int rows;
  private long bytes;

  /** Of one shard; users have a Redis key each, of one field, the others share one. */
  private static final class Rows {
    final RespCommand counters = new RespCommand();
    final RespCommand ads = new RespCommand();
    final RespCommand userKeys = new RespCommand();
    final RespCommand users = new RespCommand();
  }

  /** A command and the shard whose keys it is about. */
  record Command(int shard, byte[] bytes) {}

  RedisBatch(RedisKeys names) {
    this.names = names;
  }

  int rows() {
    return rows;
  }

  /** About how much memory it takes. */
  long size() {
    return bytes;
  }

  void putCounter(byte[] key, byte[] value) {
    shard(key, 0, key.length).counters.add(key).add(value);
    took(key, value);
  }

  void putAd(byte[] adId, byte[] value) {
    shard(adId, 0, adId.length).ads.add(adId).add(value);
    took(adId, value);
  }

  /** The user id begins at {@code start}. */
  void putUser(byte[] userId, int start, byte[] field, byte[] value) {
    int shard = shardNumber(userId, start, userId.length - start);
    Rows of = byShard.computeIfAbsent(shard, number -> new Rows());
    byte[] prefix = names.user().formatted(shard).getBytes(StandardCharsets.UTF_8);
    byte[] key = ByteBuffer.allocate(prefix.length + userId.length - start)
        .put(prefix)
        .put(userId, start, userId.length - start)
        .array();
    of.userKeys.add(key);
    of.users.add(field).add(value);
    took(key, value);
  }

  /** Scorers shall hear of a row; all rows that are announced in a batch are of one kind. */
  void announce(String kind, byte[] key, byte[] value) {
    changeKind = kind;
    changes.writeBytes(
        ByteBuffer.allocate(6)
            .order(ByteOrder.LITTLE_ENDIAN)
            .putShort((short) key.length)
            .putInt(value.length)
            .array());
    changes.writeBytes(key);
    changes.writeBytes(value);
    if (++changeCount == CHANGES_PER_ENTRY) {
      endEntry();
    }
  }

  /** In any order. */
  List<Command> commands() {
    List<Command> commands = new ArrayList<>();
    byShard.forEach(
        (shard, of) -> {
          putNewer(commands, shard, one(names.counters(), shard), names.countersTtlSeconds(), of.counters);
          putNewer(commands, shard, one(names.ads(), shard), 0, of.ads);
          putNewer(commands, shard, of.userKeys, names.userTtlSeconds(), of.users);
        });
    return commands;
  }

  /** To be sent after all commands. */
  List<byte[]> changes() {
    endEntry();
    return entries;
  }

  private void putNewer(
      List<Command> commands, int shard, RespCommand keys, long ttlSeconds, RespCommand pairs) {
    if (pairs.count() > 0) {
      RespCommand command = new RespCommand().add("FCALL").add(names.putNewer()).add(keys.count());
      command.addAll(keys).add(ttlSeconds).addAll(pairs);
      commands.add(new Command(shard, command.bytes()));
    }
  }

  private static RespCommand one(String key, int shard) {
    return new RespCommand().add(key.formatted(shard));
  }

  private void endEntry() {
    if (changeCount > 0) {
      RespCommand entry = new RespCommand().add("XADD").add(names.changes()).add("MAXLEN").add("~");
      entry.add(names.changesMaxEntries()).add("*");
      entry.add("kind").add(changeKind).add("rows").add(changes.toByteArray());
      entries.add(entry.bytes());
      changes.reset();
      changeCount = 0;
    }
  }

  private Rows shard(byte[] name, int start, int length) {
    return byShard.computeIfAbsent(shardNumber(name, start, length), number -> new Rows());
  }

  private int shardNumber(byte[] name, int start, int length) {
    crc.reset();
    crc.update(name, start, length);
    return (int) (crc.getValue() % names.shards());
  }

  private void took(byte[] key, byte[] value) {
    rows++;
    bytes += key.length + value.length + 40;
  }
}
