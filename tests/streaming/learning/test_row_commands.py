"""The bytes that numpy makes are those of Redis' client."""

import numpy as np

from streaming.learning.row_commands import put_rows
from streaming.redis_sink.raw_commands import packed
from tests.schemas.rows_hash import rows_to_hash


def test_rows_are_packed_as_the_client_packs_them() -> None:
    ids = np.array([3, 70_000, 0], np.int32)
    values = np.arange(9, dtype=np.float32).reshape(3, 3)
    plain = [part for pair in rows_to_hash(ids, values).items() for part in pair]
    assert put_rows("rows", ids, values) == packed("HSET", "rows", *plain)
