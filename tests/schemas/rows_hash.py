"""Fields of the compacted rows hash, as plainly as can be; see schemas.row_delta.rows_from_hash."""

import numpy as np
from numpy.typing import NDArray


def row_key(row: int) -> bytes:
    """A field's name."""
    return row.to_bytes(4, "little")


def rows_to_hash(ids: NDArray[np.int32], values: NDArray[np.float32]) -> dict[bytes, bytes]:
    """Of rows [n] with values [n, 1 + dim]."""
    rows = np.ascontiguousarray(values, "<f4")
    return {row_key(int(row)): rows[i].tobytes() for i, row in enumerate(ids)}
