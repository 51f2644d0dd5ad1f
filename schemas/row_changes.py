"""Changed ads and counters, many in one entry of the changes stream."""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from schemas.redis_values import split_version

ChangeKind = Literal["ads", "counters"]
KIND_FIELD = b"kind"
ROWS_FIELD = b"rows"


@dataclass(frozen=True, slots=True)
class RowChange:
    """A key (ad id or counter key) and its versioned value; 8 bytes (no body) mean deleted."""

    key: str
    value: bytes

    @property
    def version_ms(self) -> int:
        """Event time of the value. Raises ValueError if it is damaged."""
        return split_version(self.value)[0]


def to_fields(kind: ChangeKind, changes: Iterable[RowChange]) -> dict[bytes, bytes]:
    """Fields of a stream entry."""
    packed = bytearray()
    for change in changes:
        key = change.key.encode()
        packed += struct.pack("<HI", len(key), len(change.value)) + key + change.value
    return {KIND_FIELD: kind.encode(), ROWS_FIELD: bytes(packed)}


def from_fields(fields: dict[bytes, bytes]) -> tuple[str, list[RowChange]]:
    """Kind and changes of a stream entry. Raises ValueError on cut bytes."""
    packed = fields[ROWS_FIELD]
    changes = []
    at = 0
    while at < len(packed):
        try:
            key_size, value_size = struct.unpack_from("<HI", packed, at)
        except struct.error as error:
            raise ValueError(f"row changes: {error}") from None
        at += 6
        end = at + key_size + value_size
        if end > len(packed):
            raise ValueError("row changes: cut")
        key = packed[at : at + key_size].decode()
        changes.append(RowChange(key, packed[at + key_size : end]))
        at = end
    return fields[KIND_FIELD].decode(), changes
