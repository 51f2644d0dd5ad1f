"""How the supervisor starts, watches, restarts and ends real processes."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.local.child import group_members
from deploy.local.part import Part, Port, RestartPolicy, StackError
from deploy.local.part_runner import State
from deploy.local.ports import HOST
from deploy.local.state import PartState, Phase, RestartRequests, StateFile
from deploy.local.supervisor import Supervisor

PartFactory = Callable[..., Part]

SLEEPER = "ready(); time.sleep(600)"
# A process of its own that ignores the polite signal, as a worker of a Flink job might.
WITH_STUBBORN_WORKER = """
worker = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
subprocess.Popen([sys.executable, "-c", worker])
ready()
time.sleep(600)
"""


def the_part(supervisor: Supervisor, name: str) -> PartState:
    return next(part for part in supervisor.parts() if part.name == name)


def eventually(condition: Callable[[], bool]) -> bool:
    for _ in range(600):
        if condition():
            return True
        time.sleep(0.05)
    return False


def test_each_part_starts_when_the_one_before_is_ready(
    supervisor: Supervisor, make_part: PartFactory
) -> None:
    second = 'assert (folder / "first.ready").exists(); ready(); time.sleep(600)'
    first = "time.sleep(0.5); ready(); time.sleep(600)"
    supervisor.start([make_part("first", first), make_part("second", second)])
    states = [(part.name, part.state, part.healthy) for part in supervisor.parts()]
    assert states == [("first", State.READY, True), ("second", State.READY, True)]
    assert supervisor.failure == ""


def test_a_taken_port_is_named_with_its_setting_and_its_owner(
    supervisor: Supervisor, make_part: PartFactory
) -> None:
    with socket.create_server((HOST, 0)) as other:
        number = other.getsockname()[1]
        part = make_part("db", SLEEPER, ports=(Port(number, "CTR_LOCAL_DB_PORT"),))
        with pytest.raises(StackError) as refused:
            supervisor.start([part])
    message = str(refused.value)
    assert f"port {number} for db is taken by process {os.getpid()}" in message
    assert "set CTR_LOCAL_DB_PORT to another port" in message
    assert supervisor.parts() == []


def test_one_port_for_two_parts_is_refused(supervisor: Supervisor, make_part: PartFactory) -> None:
    parts = [
        make_part("one", SLEEPER, ports=(Port(21098, "CTR_LOCAL_ONE_PORT"),)),
        make_part("two", SLEEPER, ports=(Port(21098, "CTR_LOCAL_TWO_PORT"),)),
    ]
    with pytest.raises(StackError, match="both CTR_LOCAL_ONE_PORT and CTR_LOCAL_TWO_PORT"):
        supervisor.start(parts)


def test_a_part_that_ends_while_starting_is_told_with_its_last_lines(
    supervisor: Supervisor, make_part: PartFactory
) -> None:
    code = "print('the disk is full'); sys.exit(3)"
    with pytest.raises(StackError, match="db ended with exit code 3") as failed:
        supervisor.start([make_part("db", code, restart=RestartPolicy(limit=5))])
    assert "the disk is full" in str(failed.value)
    assert "the disk is full" in supervisor.log_of("db").read_text()
    assert "the disk is full" in supervisor.failure


def test_a_part_that_never_gets_ready_is_ended(
    supervisor: Supervisor, make_part: PartFactory
) -> None:
    code = "(folder / 'pid').write_text(str(os.getpid())); time.sleep(600)"
    with pytest.raises(StackError, match=r"db is not ready after 1 s \(no mark\)"):
        supervisor.start([make_part("db", code, ready_timeout_seconds=1.0)])
    assert the_part(supervisor, "db").pid is None


def test_an_unknown_program_is_told(supervisor: Supervisor, make_part: PartFactory) -> None:
    part = Part(name="db", command=("/no/such/program",), probe=make_part("x", "").probe)
    with pytest.raises(StackError, match="cannot run /no/such/program: No such file"):
        supervisor.start([part])


def test_a_killed_part_is_restarted_and_leaves_no_orphan(
    supervisor: Supervisor, make_part: PartFactory
) -> None:
    policy = RestartPolicy(limit=5, first_delay_seconds=0.05)
    supervisor.start([make_part("job", WITH_STUBBORN_WORKER, restart=policy)])
    first = the_part(supervisor, "job").pid
    assert first is not None
    assert len(group_members(first)) == 3  # the job, its worker, the watcher
    supervisor.send("job", signal.SIGKILL)
    assert not the_part(supervisor, "job").healthy
    supervisor.wait_until_ready("job", 30)
    now = the_part(supervisor, "job")
    assert now.restarts == 1
    assert now.healthy
    assert now.pid != first
    assert group_members(first) == []
    assert supervisor.failure == ""


def test_a_part_that_keeps_dying_is_given_up(
    supervisor: Supervisor, make_part: PartFactory
) -> None:
    policy = RestartPolicy(limit=2, first_delay_seconds=0.05)
    code = "print('out of luck', flush=True); ready(); time.sleep(600)"
    supervisor.start([make_part("job", code, restart=policy)])
    for _ in range(2):
        supervisor.send("job", signal.SIGKILL)
        supervisor.wait_until_ready("job", 30)
    supervisor.send("job", signal.SIGKILL)
    failure = supervisor.wait_for_failure(30)
    assert "job ended with signal SIGKILL, again after 2 restarts" in failure
    assert "out of luck" in failure
    assert supervisor.log_of("job").read_text().splitlines().count("out of luck") == 3


def test_the_death_of_a_part_without_restarts_is_a_failure(
    supervisor: Supervisor, make_part: PartFactory
) -> None:
    supervisor.start([make_part("db", SLEEPER)])
    supervisor.send("db", signal.SIGKILL)
    assert "db ended with signal SIGKILL" in supervisor.wait_for_failure(30)
    with pytest.raises(StackError, match="db ended with signal SIGKILL"):
        supervisor.wait_until_ready("db", 1)
    supervisor.restart("db")
    supervisor.wait_until_ready("db", 30)
    assert supervisor.failure == ""


def test_stop_ends_everything_the_last_part_first(
    supervisor: Supervisor, make_part: PartFactory
) -> None:
    polite = """
    def leave(*_):
        with (folder / "order").open("a") as order:
            order.write(sys.argv[0] + {name!r} + " ")
        sys.exit(0)
    signal.signal(signal.SIGTERM, leave)
    ready()
    time.sleep(600)
    """
    deaf = "signal.signal(signal.SIGTERM, signal.SIG_IGN); ready(); time.sleep(600)"
    supervisor.start(
        [
            make_part("one", polite.format(name="one")),
            make_part("deaf", deaf, grace_seconds=0.3),
            make_part("busy", WITH_STUBBORN_WORKER),
            make_part("two", polite.format(name="two")),
        ]
    )
    groups = [part.pid for part in supervisor.parts() if part.pid]
    assert len(groups) == 4
    supervisor.stop()
    assert [group_members(group) for group in groups] == [[], [], [], []]
    order = supervisor.log_of("one").parents[2] / "order"
    assert order.read_text().replace("-c", "").split() == ["two", "one"]


def test_nothing_outlives_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    code = f"""
import os, pathlib, sys, time
from deploy.local.part import Part, Readiness
from deploy.local.supervisor import Supervisor
folder = pathlib.Path({str(tmp_path)!r})
worker = {WITH_STUBBORN_WORKER.replace("ready()", "pathlib.Path('ready').touch()")!r}
part = Part(
    name="job",
    command=(sys.executable, "-c", "import pathlib, subprocess, sys, time\\n" + worker),
    probe=lambda: Readiness((folder / "ready").exists(), ""),
)
supervisor = Supervisor(folder / "stack", environment=os.environ, cwd=folder)
supervisor.start([part])
time.sleep(600)
"""
    state_file = StateFile(tmp_path / "stack")
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL)
    try:
        assert eventually(lambda: _phase(state_file) is Phase.RUNNING)
        state = state_file.read()
        assert state is not None
        assert state.parts[0].pid is not None
        group = state.parts[0].pid
        assert len(group_members(group)) == 3
        assert state_file.is_held()
    finally:
        process.kill()
        process.wait()
    assert eventually(lambda: group_members(group) == [])
    assert not state_file.is_held()


def test_a_folder_has_one_supervisor_at_a_time(supervisor: Supervisor, tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"already uses .*: end it with `make down`"):
        Supervisor(tmp_path / "stack", environment={}, cwd=tmp_path)
    supervisor.stop()
    Supervisor(tmp_path / "stack", environment={}, cwd=tmp_path).stop()


def test_a_request_from_another_process_restarts_a_part(
    supervisor: Supervisor, make_part: PartFactory, tmp_path: Path
) -> None:
    supervisor.start([make_part("job", SLEEPER)])
    before = the_part(supervisor, "job").pid
    RestartRequests(tmp_path / "stack").put("job")
    assert eventually(lambda: the_part(supervisor, "job").restarts == 1)
    supervisor.wait_until_ready("job", 30)
    assert the_part(supervisor, "job").pid != before


def _phase(state_file: StateFile) -> Phase | None:
    state = state_file.read()
    return state.phase if state else None
