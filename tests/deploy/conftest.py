"""Tiny stand-in parts: real processes that say by a file when they are ready."""

import os
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.local.part import NEVER, Part, Port, Readiness, RestartPolicy
from deploy.local.supervisor import Supervisor

PartFactory = Callable[..., Part]


@pytest.fixture
def make_part(tmp_path: Path) -> PartFactory:
    """Make a part that runs Python code; ``ready()`` in it creates the file that is probed."""

    def make(
        name: str,
        code: str,
        *,
        restart: RestartPolicy = NEVER,
        ports: tuple[Port, ...] = (),
        ready_timeout_seconds: float = 30.0,
        grace_seconds: float = 5.0,
    ) -> Part:
        mark = tmp_path / f"{name}.ready"
        prelude = f"""
            import os, pathlib, signal, subprocess, sys, time
            folder = pathlib.Path({str(tmp_path)!r})
            def ready():
                pathlib.Path({str(mark)!r}).touch()
            """
        program = textwrap.dedent(prelude) + textwrap.dedent(code)
        return Part(
            name=name,
            command=(sys.executable, "-c", program),
            probe=lambda: Readiness(mark.exists(), "marked" if mark.exists() else "no mark"),
            ports=ports,
            restart=restart,
            ready_timeout_seconds=ready_timeout_seconds,
            grace_seconds=grace_seconds,
            prepare=lambda: mark.unlink(missing_ok=True),
        )

    return make


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    """A supervisor that is stopped after the test, whatever happened in it."""
    with Supervisor(tmp_path / "stack", environment=os.environ, cwd=tmp_path) as running:
        yield running
