"""Row values -> the bytes of one Redis command, made by numpy: there are hundreds of thousands."""

import numpy as np
from numpy.typing import NDArray


def put_rows(key: str, ids: NDArray[np.int32], values: NDArray[np.float32]) -> bytes:
    """HSET of rows [n] with values [n, 1 + dim] as schemas.row_delta.rows_from_hash reads them,
    in Redis' protocol (RESP: an array of strings, each after its length)."""
    size = 4 * values.shape[1]
    head = b"*%d\r\n$4\r\nHSET\r\n$%d\r\n%s\r\n" % (
        2 + 2 * len(ids),
        len(key.encode()),
        key.encode(),
    )
    before, between = b"$4\r\n", b"\r\n$%d\r\n" % size
    pairs = np.empty(
        len(ids),
        [
            ("before", f"V{len(before)}"),
            ("id", "<i4"),
            ("between", f"V{len(between)}"),
            ("values", "<f4", (values.shape[1],)),
            ("after", "V2"),
        ],
    )
    pairs["before"], pairs["between"], pairs["after"] = before, between, b"\r\n"
    pairs["id"], pairs["values"] = ids, values
    return head + pairs.tobytes()
