"""New keys for tokens without downtime: add, promote, drop, with all processes renewed between.

A key that is added only verifies, so that whoever checks tokens knows it before it signs any. The
old one still verifies after the promotion, until no impression that it signed is on its way.
"""

import secrets

from pydantic import SecretStr

from schemas.served_token import TokenKeys

KEY_BYTES = 32


class RotationError(ValueError):
    """A step that these keys do not allow."""


def added(text: SecretStr) -> str:
    """CTR_TOKEN_KEYS with one more key, which verifies; the first one signs. Raises ValueError."""
    keys = _parts(text) if text.get_secret_value() else []
    if len(keys) > 1:
        raise RotationError("CTR_TOKEN_KEYS: has a second key already: promote or drop it first")
    used = {int(part.partition(":")[0]) for part in keys}
    number = next(n for n in range(1, 256) if n not in used)
    return ",".join([*keys, f"{number}:{secrets.token_hex(KEY_BYTES)}"])


def promoted(text: SecretStr) -> str:
    """CTR_TOKEN_KEYS with the last key first: it signs. Raises ValueError."""
    keys = _parts(text)
    if len(keys) < 2:
        raise RotationError("CTR_TOKEN_KEYS: has one key only: add one first")
    return ",".join([keys[-1], *keys[:-1]])


def dropped(text: SecretStr) -> str:
    """CTR_TOKEN_KEYS with the key that signs only. Raises ValueError."""
    return _parts(text)[0]


def _parts(text: SecretStr) -> list[str]:
    TokenKeys.parse(text)
    return [part.strip() for part in text.get_secret_value().split(",") if part.strip()]
