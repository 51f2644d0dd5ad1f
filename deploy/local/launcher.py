"""Runs a command that cannot outlive its supervisor: ``launcher.py LIFE_FD COMMAND…``.

The supervisor holds the writing end of a pipe whose reading end is LIFE_FD. A watcher in the
command's process group reads it; when the supervisor is gone, however it ended, the read ends and
the watcher kills the whole group. The command itself replaces this process and keeps its id.
"""

import os
import signal
import sys


def _watch(life_fd: int) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.read(life_fd, 1)
    os.killpg(os.getpgrp(), signal.SIGKILL)


def _start_watcher(life_fd: int) -> None:
    # Forked twice: a command that waits for any child of its own must never meet the watcher.
    middle = os.fork()
    if middle == 0:
        if os.fork() == 0:
            _watch(life_fd)
        os._exit(0)
    os.waitpid(middle, 0)


def main() -> None:
    """Start the watcher, then become the command."""
    life_fd, command = int(sys.argv[1]), sys.argv[2:]
    _start_watcher(life_fd)
    os.close(life_fd)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        print(f"cannot run {command[0]}: {error.strerror}", file=sys.stderr)
        sys.exit(127)


if __name__ == "__main__":
    main()
