"""TCP ports of this machine: which are free, and who holds one that is not."""

import errno
import socket
from collections.abc import Iterable

import psutil

from deploy.local.part import Part, StackError

HOST = "127.0.0.1"


def free_ports(count: int) -> list[int]:
    """Return distinct ports that nothing listens on right now."""
    listeners = [socket.create_server((HOST, 0)) for _ in range(count)]
    try:
        return [listener.getsockname()[1] for listener in listeners]
    finally:
        for listener in listeners:
            listener.close()


def is_free(port: int) -> bool:
    """Tell whether a server could listen on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
        return True


def owner_of(port: int) -> str:
    """Describe the process that listens on the port, as far as this user may see it."""
    for connection in psutil.net_connections("tcp"):
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port:
            if connection.pid is None:
                break
            try:
                command = " ".join(psutil.Process(connection.pid).cmdline())
            except psutil.Error:
                command = ""
            return f"process {connection.pid} ({command[:120] or 'command unknown'})"
    return "a process that this user cannot see"


def refuse_taken(parts: Iterable[Part]) -> None:
    """Raise :class:`StackError` naming every port that a part needs and somebody else holds."""
    wanted: dict[int, str] = {}
    faults = []
    for part in parts:
        for port in part.ports:
            if port.number in wanted:
                faults.append(
                    f"port {port.number} is given to both {wanted[port.number]} and {port.setting}:"
                    f" set {port.setting} to another one"
                )
            elif not is_free(port.number):
                faults.append(
                    f"port {port.number} for {part.name} is taken by {owner_of(port.number)}:"
                    f" end it or set {port.setting} to another port"
                )
            wanted[port.number] = port.setting
    if faults:
        raise StackError("; ".join(faults))
