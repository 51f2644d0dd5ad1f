"""Secrets of this machine's stack: random, made once for each data folder, readable by its owner.

They are the key that signs tokens and the credential by which an operator acts in the console.
"""

import os
import secrets
from collections.abc import Callable
from pathlib import Path

_KEY_BYTES = 32
_CREDENTIAL_BYTES = 18
CREDENTIAL_FILE = "console_credential"


def token_keys(folder: Path) -> str:
    """``CTR_TOKEN_KEYS`` of a data folder."""
    return _kept(folder / "token_keys", lambda: f"1:{secrets.token_hex(_KEY_BYTES)}")


def console_credential(folder: Path) -> str:
    """``CTR_CONSOLE_CREDENTIAL`` of a data folder."""
    return _kept(folder / CREDENTIAL_FILE, lambda: secrets.token_urlsafe(_CREDENTIAL_BYTES))


def _kept(path: Path, make: Callable[[], str]) -> str:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(".new")
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(f"{make()}\n")
        new.replace(path)
    return path.read_text().strip()
