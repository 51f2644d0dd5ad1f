"""A real Redis server that keeps its data in an append-only file."""

import shutil
from pathlib import Path

from deploy.local.part import Part, Port, StackError
from deploy.local.ports import HOST
from deploy.local.probes import redis_probe


def redis_part(*, folder: Path, port: int, maxmemory_mb: int) -> Part:
    """Return the server; its data stay in ``folder`` from one start to the next."""
    program = shutil.which("redis-server")
    if program is None:
        raise StackError(
            "no redis-server on the PATH: install Redis 7 (make setup does it as root)"
        )
    options = {
        "port": port,
        "bind": HOST,
        "dir": folder,
        "save": "",
        "appendonly": "yes",
        # The kernel writes when it likes: what was acknowledged survives the death of this process.
        # With the default, everysec, it would not: writes wait in memory while an fsync runs.
        "appendfsync": "no",
        # The file is written anew when it has doubled, by a child that takes half a core: with the
        # default, from 64 MB on, a busy learner made it do so time and again.
        "auto-aof-rewrite-min-size": "512mb",
        # Refuse writes rather than lose rows that nobody would write again.
        "maxmemory": f"{maxmemory_mb}mb",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
    }
    arguments = [text for key, value in options.items() for text in (f"--{key}", str(value))]
    return Part(
        name="redis",
        command=(program, *arguments),
        probe=redis_probe(port),
        ports=(Port(port, "CTR_LOCAL_REDIS_PORT"),),
        ready_timeout_seconds=30,
        prepare=lambda: folder.mkdir(parents=True, exist_ok=True),
    )
