"""Ads and users -> Redis from Python, where they are read again from their topics."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import hiredis

from schemas import redis_keys, row_changes
from schemas.redis_values import ATTRIBUTES_FIELD, versioned
from schemas.row_changes import RowChange
from streaming.redis_sink.pipeline import RedisPipeline

#: Bounds one entry of the changes stream to about a megabyte.
CHANGES_PER_ENTRY = 10_000


class CatalogueWriter:
    """Each method is one pipeline; it takes columns of equal length, and None deletes.

    Raises RedisUnavailableError when Redis is away for longer than the pipeline waits.
    """

    def __init__(self, pipeline: RedisPipeline) -> None:
        self._pipeline = pipeline

    def write_users(
        self, user_ids: Sequence[str], versions: Sequence[int], values: Sequence[bytes | None]
    ) -> None:
        """Profiles [n] as encoded User records."""
        rows = zip(user_ids, versions, values, strict=True)
        self._put(
            [
                (redis_keys.user(user_id), ATTRIBUTES_FIELD, versioned(version, body or b""))
                for user_id, version, body in rows
            ],
            redis_keys.USER_TTL_SECONDS,
        )

    def write_ads(
        self, ad_ids: Sequence[str], versions: Sequence[int], values: Sequence[bytes | None]
    ) -> None:
        """Catalogue entries [n] as encoded Ad records; then scorers are told."""
        rows = zip(ad_ids, versions, values, strict=True)
        changes = [
            RowChange(ad_id, versioned(version, body or b"")) for ad_id, version, body in rows
        ]
        self._put(
            [
                (redis_keys.ads(redis_keys.shard(each.key)), each.key.encode(), each.value)
                for each in changes
            ],
            ttl_seconds=0,
        )
        for start in range(0, len(changes), CHANGES_PER_ENTRY):
            self._announce(changes[start : start + CHANGES_PER_ENTRY])

    def _put(self, rows: Sequence[tuple[str, bytes, bytes]], ttl_seconds: int) -> None:
        fields: defaultdict[str, list[bytes]] = defaultdict(list)
        for key, field, value in rows:
            fields[key] += (field, value)
        put = b"FCALL", redis_keys.PUT_NEWER.encode(), b"1"
        ttl = b"%d" % ttl_seconds
        # Its declared type knows one argument only.
        pack: Any = hiredis.pack_command
        commands = [pack((*put, key.encode(), ttl, *pairs)) for key, pairs in fields.items()]
        self._pipeline.execute_raw(commands, list(fields))

    def _announce(self, changes: Sequence[RowChange]) -> None:
        entry = row_changes.to_fields("ads", changes)
        limit = redis_keys.CHANGES_MAX_ENTRIES
        self._pipeline.execute(
            lambda commands: commands.execute_command(
                "XADD",
                redis_keys.CHANGES,
                "MAXLEN",
                "~",
                limit,
                "*",
                *(part for item in entry.items() for part in item),
            ),
            redis_keys.CHANGES,
        )
