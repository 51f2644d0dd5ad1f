"""Every Redis key, and the server-side functions that write to them.

Hash tags keep what is written together on one slot of a Redis Cluster. What has no TTL: the ads'
hashes (the catalogue deletes), the stream of changes (its length is bounded), and of a model all
but its deltas and rows (the publisher deletes).
"""

import zlib

SHARDS = 256
USER_TTL_SECONDS = 30 * 86_400
#: After the last write to a shard: longer than the longest window.
COUNTERS_TTL_SECONDS = 8 * 86_400
CHANGES_MAX_ENTRIES = 20_000
MODEL_DELTAS_MAX_ENTRIES = 120
MODEL_DELTAS_TTL_SECONDS = 8 * 86_400

#: One entry holds many changed rows; scorers tail it. Fields: see schemas.row_changes.
CHANGES = "ctr:{changes}"


#: With %s for a shard, for who writes many rows; a user's key ends with the user id.
USER_PREFIX = "ctr:user:{%s}:"
ADS = "ctr:ads:{%s}"
COUNTERS = "ctr:counters:{%s}"


def shard(name: str) -> int:
    """The shard of an ad id, a user id or a counter key."""
    return zlib.crc32(name.encode()) % SHARDS


def user(user_id: str) -> str:
    """Hash of one user: attributes, clicks, counters. It expires USER_TTL_SECONDS after a write."""
    return USER_PREFIX % shard(user_id) + user_id


def ads(shard_number: int) -> str:
    """Hash ad_id -> versioned Avro Ad."""
    return ADS % shard_number


def counters(shard_number: int) -> str:
    """Hash counter key -> versioned counter row; a row that is zero is deleted.

    It expires COUNTERS_TTL_SECONDS after a write.
    """
    return COUNTERS % shard_number


#: The Redis servers that hold all rows; absent or other ones: rows may be missing, and the events
#: job writes them again.
ROWS_COMPLETE = "ctr:{rows}:complete"
#: Hash of the newest writing of all rows: ``request``, ``servers``, how many ``parts`` there are,
#: and a field for each part that is done.
REWRITE = "ctr:{rows}:rewrite"
ROWS_TTL_SECONDS = COUNTERS_TTL_SECONDS


def model_current(model: str) -> str:
    """Version that is served; switched last."""
    return f"ctr:model:{{{model}}}:current"


def model_versions(model: str) -> str:
    """Sorted set of the versions that are kept, scored by publishing time (ms)."""
    return f"ctr:model:{{{model}}}:versions"


def model_manifest(model: str, version: str) -> str:
    """Manifest (JSON) of a package."""
    return f"ctr:model:{{{model}}}:manifest:{version}"


def model_chunk(model: str, version: str, file: str, index: int) -> str:
    """A chunk of a package's file."""
    return f"ctr:model:{{{model}}}:file:{version}:{file}:{index}"


def model_deltas(model: str, version: str) -> str:
    """Stream of row deltas on top of a package: about the last two minutes."""
    return f"ctr:model:{{{model}}}:deltas:{version}"


def model_rows(model: str, version: str) -> str:
    """Hash row id (4 bytes, little-endian) -> newest row: the deltas, compacted."""
    return f"ctr:model:{{{model}}}:rows:{version}"


def model_withdrawn(model: str) -> str:
    """Hash version -> JSON of ts (ms), reason and the version that replaced it: roll-backs."""
    return f"ctr:model:{{{model}}}:withdrawn"


def model_learner(model: str) -> str:
    """Hash: what the learning job has learnt; see schemas.learner_status."""
    return f"ctr:model:{{{model}}}:learner"


def model_drift(model: str) -> str:
    """Hash feature -> JSON of psi, kl, default_share, rows, version and at_ms: what is served now
    against what the version was trained on. It expires an hour after the monitor's last word."""
    return f"ctr:model:{{{model}}}:drift"


FUNCTION_LIBRARY = "ctr"
PUT_NEWER = "ctr_put_newer"
PART_DONE = "ctr_part_done"

#: FCALL ctr_put_newer n KEY … TTL_SECONDS FIELD VALUE [FIELD VALUE …] -> number of fields written.
#: One KEY is that of all fields; of several, each has one field. A value of 8 bytes (a version
#: without a body) deletes the field. TTL 0 sets none.
#: FCALL ctr_part_done 2 REWRITE ROWS_COMPLETE REQUEST PART TTL_SECONDS -> 1 with the last part.
#: Versions are compared as numbers of 32 bits: Lua compares strings by the locale of the server,
#: and its numbers hold 53 bits.
FUNCTION_SOURCE = f"""#!lua name={FUNCTION_LIBRARY}
local function is_older(value, than)
  local high, low = struct.unpack('>I4I4', value)
  local than_high, than_low = struct.unpack('>I4I4', than)
  return high < than_high or (high == than_high and low < than_low)
end
redis.register_function('{PUT_NEWER}', function(keys, args)
  local written = 0
  for i = 2, #args, 2 do
    local key = keys[#keys == 1 and 1 or i / 2]
    local old = redis.call('HGET', key, args[i])
    if not old or not is_older(args[i + 1], old) then
      if #args[i + 1] == 8 then
        redis.call('HDEL', key, args[i])
      else
        redis.call('HSET', key, args[i], args[i + 1])
      end
      written = written + 1
    end
  end
  local ttl = tonumber(args[1])
  if ttl > 0 then
    for _, key in ipairs(keys) do redis.call('EXPIRE', key, ttl) end
  end
  return written
end)
redis.register_function('{PART_DONE}', function(keys, args)
  if redis.call('HGET', keys[1], 'request') ~= args[1] then return 0 end
  redis.call('HSET', keys[1], 'part ' .. args[2], '1')
  local parts = tonumber(redis.call('HGET', keys[1], 'parts'))
  if redis.call('HLEN', keys[1]) < 3 + parts then return 0 end
  redis.call('SET', keys[2], redis.call('HGET', keys[1], 'servers'), 'EX', args[3])
  return 1
end)
"""
