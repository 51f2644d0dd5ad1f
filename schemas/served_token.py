"""Tokens: a Served record, signed, so that nobody outside can teach the model.

Layout: single-object encoded Served · key id (1 byte) · first 16 bytes of HMAC-SHA256 over
everything before them.
"""

import hmac
from collections.abc import Mapping
from typing import Self

from pydantic import SecretStr

from schemas.records import Served

MAC_BYTES = 16
TRAILER_BYTES = 1 + MAC_BYTES


class TokenError(ValueError):
    """A token that is malformed or was not signed by a known key; begins with a reason code."""


class TokenKeys:
    """The keys that sign and verify tokens. The first one signs; all of them verify."""

    def __init__(self, keys: Mapping[int, bytes]) -> None:
        if not keys:
            raise ValueError("CTR_TOKEN_KEYS: at least one key is needed, as id:hex")
        self._keys = dict(keys)
        self._signing_id = next(iter(self._keys))
        self._signing_key = self._keys[self._signing_id]
        self._id_byte = bytes([self._signing_id])

    @property
    def signing(self) -> tuple[int, bytes]:
        """Id and key that sign, for who makes the bytes of many tokens at once."""
        return self._signing_id, self._signing_key

    @classmethod
    def parse(cls, text: str | SecretStr) -> Self:
        """From ``id:hex[,id:hex…]``, ids 0-255, keys of 16 bytes or more. Raises ValueError."""
        secret = text.get_secret_value() if isinstance(text, SecretStr) else text
        keys: dict[int, bytes] = {}
        for part in filter(None, (part.strip() for part in secret.split(","))):
            name, _, digits = part.partition(":")
            try:
                key_id, key = int(name), bytes.fromhex(digits)
            except ValueError:
                raise ValueError("CTR_TOKEN_KEYS: expected id:hex[,id:hex…]") from None
            if not 0 <= key_id <= 255 or len(key) < 16:
                raise ValueError("CTR_TOKEN_KEYS: ids are 0-255, keys have 16 bytes or more")
            if key_id in keys:
                raise ValueError(f"CTR_TOKEN_KEYS: id {key_id} is there twice, expected once")
            keys[key_id] = key
        return cls(keys)

    def sign(self, served: Served) -> bytes:
        """The token of what was served."""
        body = served.encode() + self._id_byte
        return body + hmac.digest(self._signing_key, body, "sha256")[:MAC_BYTES]

    def verify(self, token: bytes) -> Served:
        """What was served. Raises TokenError or schemas.avro_codec.DecodeError."""
        if len(token) <= TRAILER_BYTES:
            raise TokenError(f"bad-token: {len(token)} bytes are too few")
        body, mac = token[:-MAC_BYTES], token[-MAC_BYTES:]
        key = self._keys.get(body[-1])
        if key is None:
            raise TokenError(f"forged-token: unknown key id {body[-1]}")
        if not hmac.compare_digest(hmac.digest(key, body, "sha256")[:MAC_BYTES], mac):
            raise TokenError("forged-token: wrong MAC")
        return Served.decode(body[:-1])
