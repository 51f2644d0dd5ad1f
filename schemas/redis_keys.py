"""Every Redis key, and the server-side function that keeps the newest value.

Hash tags keep what is written together on one slot of a Redis Cluster.
"""

import zlib

SHARDS = 256
USER_TTL_SECONDS = 30 * 86_400
CHANGES_MAX_ENTRIES = 20_000
MODEL_DELTAS_MAX_ENTRIES = 120
MODEL_DELTAS_TTL_SECONDS = 8 * 86_400

#: One entry holds many changed rows; scorers tail it. Fields: see schemas.row_changes.
CHANGES = "ctr:{changes}"


def user(user_id: str) -> str:
    """Hash of one user: attributes, clicks, counters. It expires USER_TTL_SECONDS after a write."""
    return f"ctr:user:{{{user_id}}}"


def shard(name: str) -> int:
    """The shard of an ad id or a counter key."""
    return zlib.crc32(name.encode()) % SHARDS


def ads(shard_number: int) -> str:
    """Hash ad_id -> versioned Avro Ad."""
    return f"ctr:ads:{{{shard_number}}}"


def counters(shard_number: int) -> str:
    """Hash counter key -> versioned counter row; a row that is zero is deleted."""
    return f"ctr:counters:{{{shard_number}}}"


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


FUNCTION_LIBRARY = "ctr"
PUT_NEWER = "ctr_put_newer"

#: FCALL ctr_put_newer 1 KEY TTL_SECONDS FIELD VALUE [FIELD VALUE …] -> number of fields written.
#: A value of 8 bytes (a version without a body) deletes the field. TTL 0 sets none.
FUNCTION_SOURCE = f"""#!lua name={FUNCTION_LIBRARY}
redis.register_function('{PUT_NEWER}', function(keys, args)
  local written = 0
  for i = 2, #args, 2 do
    local old = redis.call('HGET', keys[1], args[i])
    if not old or string.sub(args[i + 1], 1, 8) >= string.sub(old, 1, 8) then
      if #args[i + 1] == 8 then
        redis.call('HDEL', keys[1], args[i])
      else
        redis.call('HSET', keys[1], args[i], args[i + 1])
      end
      written = written + 1
    end
  end
  local ttl = tonumber(args[1])
  if ttl > 0 then redis.call('EXPIRE', keys[1], ttl) end
  return written
end)
"""
