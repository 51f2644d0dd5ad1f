"""``python -m deploy.local`` from outside, on the part that starts fastest: Redis."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import redis

from deploy.local.child import group_members
from deploy.local.ports import HOST, free_ports, is_free

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def port() -> int:
    return free_ports(1)[0]


@pytest.fixture
def local(tmp_path: Path, port: int) -> Iterator[Command]:
    """Run a command of ``deploy.local`` on a data folder of its own; always ends with down."""

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        own = {"CTR_LOCAL_DATA": str(tmp_path), "CTR_LOCAL_REDIS_PORT": str(port), "COLUMNS": "200"}
        return subprocess.run(
            [sys.executable, "-m", "deploy.local", *arguments],
            env={**os.environ, **own, **variables},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    yield run
    assert run("down").returncode == 0


def test_up_status_restart_logs_down(local: Command, port: int, tmp_path: Path) -> None:
    up = local("up", "redis")
    assert up.returncode == 0, up.stderr
    assert "redis: ready (answers PING)" in up.stdout
    with redis.Redis(HOST, port) as client:
        client.set("kept", "yes")

    status = local("status", "--json")
    assert status.returncode == 0
    state = json.loads(status.stdout)
    assert state["healthy"] is True
    assert [(part["name"], part["ports"]) for part in state["parts"]] == [("redis", [port])]
    first = state["parts"][0]["pid"]

    again = local("up", "redis")
    assert again.returncode == 1
    assert "end it with `make down`" in again.stderr

    restarted = local("restart", "redis")
    assert restarted.returncode == 0, restarted.stderr
    assert group_members(first) == []
    with redis.Redis(HOST, port) as client:
        assert client.get("kept") == b"yes"

    assert "Ready to accept connections" in local("logs", "redis").stdout
    assert local("status").returncode == 0

    supervisor = state["pid"]
    down = local("down")
    assert down.returncode == 0
    assert "the stack is down" in down.stdout
    assert group_members(supervisor) == []
    assert is_free(port)
    assert (tmp_path / "logs" / "redis.log").exists()


def test_a_dead_redis_ends_the_stack_with_a_message(local: Command) -> None:
    local("up", "redis")
    state = json.loads(local("status", "--json").stdout)
    os.kill(state["parts"][0]["pid"], signal.SIGKILL)
    psutil.wait_procs([psutil.Process(state["pid"])], timeout=60)
    status = local("status")
    assert status.returncode == 1
    assert "the last one ended: redis ended with signal SIGKILL" in status.stderr


def test_up_names_a_taken_port(local: Command, port: int) -> None:
    with socket.create_server((HOST, port)):
        up = local("up", "redis")
    assert up.returncode == 1
    assert f"port {port} for redis is taken by process {os.getpid()}" in up.stderr
    assert "CTR_LOCAL_REDIS_PORT" in up.stderr
    status = local("status")
    assert status.returncode == 1
    assert f"the last one ended: port {port}" in status.stderr


def test_commands_without_a_stack(local: Command) -> None:
    assert "no stack was running" in local("down").stdout
    status = local("status")
    assert status.returncode == 1
    assert "start it with `make up`" in status.stderr
    logs = local("logs", "redis")
    assert logs.returncode == 1
    assert "no log of 'redis'" in logs.stderr
    unknown = local("up", "postgres")
    assert unknown.returncode == 1
    assert "no such part: postgres" in unknown.stderr


def test_a_misspelt_setting_is_named(local: Command) -> None:
    result = local("status", CTR_LOCAL_KAFKA_PROT="1")
    assert result.returncode == 1
    assert "CTR_LOCAL_KAFKA_PROT is not a setting: did you mean CTR_LOCAL_KAFKA_PORT?" in (
        result.stderr
    )


def test_up_names_a_wrong_setting_of_a_part_and_nothing_else(local: Command) -> None:
    done = local("up", "redis", CTR_STREAMING_LABEL_WAIT="1")
    assert done.returncode == 1
    hint = "CTR_STREAMING_LABEL_WAIT is not a setting: did you mean CTR_STREAMING_LABEL_WAIT_MS?"
    assert done.stderr.strip() == hint


def test_environment_is_stable_and_has_a_private_key(local: Command, tmp_path: Path) -> None:
    first, second = local("environment").stdout, local("environment").stdout
    assert first == second
    assert "export CTR_TOKEN_KEYS=1:" in first
    assert (tmp_path / "token_keys").stat().st_mode & 0o077 == 0
