"""A process with all that it started: its CPU time, and its end."""

from collections.abc import Iterator

import psutil


def family(process_id: int) -> list[psutil.Process]:
    """A process and its children of any generation, itself first; none once it has ended."""
    try:
        parent = psutil.Process(process_id)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def each_cpu_seconds(process_id: int) -> Iterator[tuple[psutil.Process, float]]:
    """Of each that still lives, user and system together."""
    for process in family(process_id):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        yield process, times.user + times.system


def cpu_seconds(process_id: int) -> float:
    """Of all of them so far; what has ended counts no longer."""
    return sum(seconds for _, seconds in each_cpu_seconds(process_id))


def kill(process_id: int) -> None:
    """Kill all of them; returns once they have ended."""
    members = family(process_id)
    for member in reversed(members):
        member.kill()
    psutil.wait_procs(members)
