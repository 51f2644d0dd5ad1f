"""Users of Redis: the rights of redis_users.acl with the hashes of their passwords."""

import hashlib
import secrets
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from string import Template

USERS = ("events", "learning", "scorer", "bootstrap", "operator")


def passwords(folder: Path) -> dict[str, str]:
    """Of each user, from a file of its name; one that is missing is made, for its owner only."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = {}
    for user in USERS:
        file = folder / user
        if not file.exists():
            file.touch(mode=0o600)
            file.write_text(secrets.token_urlsafe(24))
        found[user] = file.read_text().strip()
    return found


def access_list(passwords: Mapping[str, str]) -> str:
    """Lines of a file for Redis' setting ``aclfile``, which hold no password."""
    template = Template((files("deploy.cluster") / "redis_users.acl").read_text())
    hashes = {user: hashlib.sha256(text.encode()).hexdigest() for user, text in passwords.items()}
    return template.substitute(hashes)
