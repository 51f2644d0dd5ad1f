package ctr;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
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
  private final Shard[] shards;
  private final ByteColumn changes = new ByteColumn();
  private final List<byte[]> entries = new ArrayList<>();
  private final CRC32 crc = new CRC32();
  private String changeKind;
  private int changeCount;
  private int rows;
  private long bytes;

  /** Users have a Redis key each, of one field here; the others share one. */
  private static final class Shard {
    final int number;
    final byte[] userPrefix;
    final RespCommand counters = new RespCommand();
    final RespCommand ads = new RespCommand();
    final RespCommand userKeys = new RespCommand();
    final RespCommand users = new RespCommand();

    Shard(int number, RedisKeys names) {
      this.number = number;
      userPrefix = names.user().formatted(number).getBytes(StandardCharsets.UTF_8);
    }
  }

  /** A command and the shard whose keys it is about. */
  record Command(int shard, byte[] bytes) {}

  RedisBatch(RedisKeys names) {
    this.names = names;
    this.shards = new Shard[names.shards()];
  }

  int rows() {
    return rows;
  }

  /** About how much memory it takes. */
  long size() {
    return bytes;
  }

  void putCounter(byte[] key, byte[] value) {
    shard(key, 0).counters.add(key).add(value);
    took(key, value);
  }

  void putAd(byte[] adId, byte[] value) {
    shard(adId, 0).ads.add(adId).add(value);
    took(adId, value);
  }

  /** The user id begins at {@code start} of the key. */
  void putUser(byte[] key, int start, byte[] field, byte[] value) {
    Shard shard = shard(key, start);
    shard.userKeys.add(shard.userPrefix, key, start, key.length - start);
    shard.users.add(field).add(value);
    took(key, value);
  }

  /** Scorers shall hear of a row; all rows that are announced in a batch are of one kind. */
  void announce(String kind, byte[] key, byte[] value) {
    changeKind = kind;
    byte[] sizes =
        ByteBuffer.allocate(6)
            .order(ByteOrder.LITTLE_ENDIAN)
            .putShort((short) key.length)
            .putInt(value.length)
            .array();
    changes.add(sizes).add(key).add(value);
    if (++changeCount == CHANGES_PER_ENTRY) {
      endEntry();
    }
  }

  /** In any order. */
  List<Command> commands() {
    List<Command> commands = new ArrayList<>();
    for (Shard shard : shards) {
      if (shard != null) {
        RespCommand counters = key(names.counters(), shard);
        putNewer(commands, shard, counters, names.countersTtlSeconds(), shard.counters);
        putNewer(commands, shard, key(names.ads(), shard), 0, shard.ads);
        putNewer(commands, shard, shard.userKeys, names.userTtlSeconds(), shard.users);
      }
    }
    return commands;
  }

  /** To be sent after all commands. */
  List<byte[]> changes() {
    endEntry();
    return entries;
  }

  private void putNewer(
      List<Command> commands, Shard shard, RespCommand keys, long ttlSeconds, RespCommand pairs) {
    if (pairs.count() > 0) {
      RespCommand command = new RespCommand().add("FCALL").add(names.putNewer()).add(keys.count());
      command.addAll(keys).add(ttlSeconds).addAll(pairs);
      commands.add(new Command(shard.number, command.bytes()));
    }
  }

  private static RespCommand key(String key, Shard shard) {
    return new RespCommand().add(key.formatted(shard.number));
  }

  private void endEntry() {
    if (changeCount > 0) {
      RespCommand entry = new RespCommand().add("XADD").add(names.changes()).add("MAXLEN").add("~");
      entry.add(names.changesMaxEntries()).add("*");
      entry.add("kind").add(changeKind).add("rows").add(changes.toArray());
      entries.add(entry.bytes());
      changes.clear();
      changeCount = 0;
    }
  }

  private Shard shard(byte[] name, int start) {
    crc.reset();
    crc.update(name, start, name.length - start);
    int number = (int) (crc.getValue() % names.shards());
    if (shards[number] == null) {
      shards[number] = new Shard(number, names);
    }
    return shards[number];
  }

  private void took(byte[] key, byte[] value) {
    rows++;
    bytes += key.length + value.length + 40;
  }
}
