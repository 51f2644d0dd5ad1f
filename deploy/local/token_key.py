"""The key that signs tokens on this machine: random, one for each data folder."""

import os
import secrets
from pathlib import Path

_KEY_BYTES = 32


def token_keys(folder: Path) -> str:
    """Return ``CTR_TOKEN_KEYS`` of a data folder; made and kept there at the first call."""
    path = folder / "token_keys"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(".new")
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(f"1:{secrets.token_hex(_KEY_BYTES)}\n")
        new.replace(path)
    return path.read_text().strip()
