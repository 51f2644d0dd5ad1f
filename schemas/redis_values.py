"""Values as they are stored in Redis: an 8-byte big-endian version (event-time ms), then a body.

The version comes first, so that a server-side function can compare two values as plain text and
keep the newer one, whatever they hold.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from schemas import avro_codec
from schemas.windows import WINDOWS_MS

VERSION_BYTES = 8
_COUNTERS = struct.Struct(f"<{2 * len(WINDOWS_MS)}q")


def versioned(version_ms: int, body: bytes) -> bytes:
    """A stored value. Raises ValueError on a negative version."""
    if version_ms < 0:
        raise ValueError(f"version {version_ms} is negative")
    return version_ms.to_bytes(VERSION_BYTES, "big") + body


def split_version(value: bytes) -> tuple[int, bytes]:
    """Version and body of a stored value. Raises ValueError on a short one."""
    return int.from_bytes(value[:VERSION_BYTES], "big"), body_of(value)


def body_of(value: bytes) -> bytes:
    """The body of a stored value. Raises ValueError on a short one."""
    if len(value) < VERSION_BYTES:
        raise ValueError(f"a stored value has {VERSION_BYTES} bytes or more, got {len(value)}")
    return value[VERSION_BYTES:]


@dataclass(frozen=True, slots=True)
class CounterRow:
    """Impressions and clicks per window, in the order of ``schemas.windows.WINDOWS_MS``."""

    impressions: tuple[int, ...]
    clicks: tuple[int, ...]

    def pack(self) -> bytes:
        """Body of a stored value."""
        return _COUNTERS.pack(*self.impressions, *self.clicks)

    @classmethod
    def unpack(cls, body: bytes) -> "CounterRow":
        """From the body of a stored value. Raises ValueError on a wrong size."""
        try:
            numbers = _COUNTERS.unpack(body)
        except struct.error as error:
            raise ValueError(f"counter row: {error}") from None
        return cls(numbers[: len(WINDOWS_MS)], numbers[len(WINDOWS_MS) :])

    @property
    def is_zero(self) -> bool:
        """Nothing is left in any window."""
        return not any(self.impressions) and not any(self.clicks)


@dataclass(frozen=True, slots=True)
class UserRow:
    """What is known of a user when a request comes."""

    user_id: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    clicked_ads: Sequence[str] = ()
    counters: Mapping[str, CounterRow] = field(default_factory=dict)


ATTRIBUTES_FIELD = b"attributes"
CLICKS_FIELD = b"clicks"
COUNTER_FIELD_PREFIX = b"counter:"


def pack_clicks(ad_ids: Sequence[str]) -> bytes:
    """Last clicked ads, newest first -> body of a stored value."""
    parts = [ad_id.encode() for ad_id in ad_ids]
    return b"".join(struct.pack("<H", len(part)) + part for part in parts)


def unpack_clicks(body: bytes) -> tuple[str, ...]:
    """The reverse of :func:`pack_clicks`. Raises ValueError on cut bytes."""
    ad_ids = []
    at, end = 0, len(body)
    while at + 2 <= end:
        start = at + 2
        at = start + body[at] + (body[at + 1] << 8)
        ad_ids.append(body[start:at].decode())
    if at != end:
        raise ValueError("clicks: cut")
    return tuple(ad_ids)


def user_row(user_id: str, fields: Mapping[bytes, bytes]) -> UserRow:
    """A user from the fields of the user's hash, as HGETALL gives them. Raises ValueError."""
    attributes: Mapping[str, str] = {}
    clicked: tuple[str, ...] = ()
    counters: dict[str, CounterRow] = {}
    for name, value in fields.items():
        body = body_of(value)
        if name == ATTRIBUTES_FIELD:
            attributes = avro_codec.decode("User", body)["attributes"]
        elif name == CLICKS_FIELD:
            clicked = unpack_clicks(body)
        elif name.startswith(COUNTER_FIELD_PREFIX):
            counter = name[len(COUNTER_FIELD_PREFIX) :].decode()
            counters[counter] = CounterRow.unpack(body)
    return UserRow(user_id, attributes, clicked, counters)
