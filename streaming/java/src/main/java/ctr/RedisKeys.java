package ctr;

import java.io.Serializable;

/**
 * Names and numbers of schemas.redis_keys. {@code counters}, {@code ads} and {@code user} hold %s for
 * the shard, {@code user} ends with the user id.
 */
public record RedisKeys(
    String counters,
    String ads,
    String user,
    String changes,
    int shards,
    String putNewer,
    long countersTtlSeconds,
    long userTtlSeconds,
    int changesMaxEntries)
    implements Serializable {}
