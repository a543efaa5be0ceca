"""One port that several server processes share, each with a socket of its own."""

import socket
from typing import Any

import rich_click as click


class SharedPort(socket.socket):
    """A bound port. What another process gets of it is a socket of its own at the same port, not a handle of this one.

    The kernel deals connections evenly among such sockets (SO_REUSEPORT); from one socket that all processes listen at, the
    one that happens to be awake takes most of a rush, and its members wait while another process is idle.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        return _bind_shared, (self.family, self.getsockname())


def reserve_port(host: str, port: int) -> SharedPort:
    """The port for all server processes. Raises ClickException, one line, if somebody else has it."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # A shared port could be shared with another installation too: a socket that does not share finds out.
        with socket.create_server(address, family=family):
            pass
        return _bind_shared(family, address)
    except OSError as fault:
        raise click.ClickException(f"{host}:{port}: {fault.strerror}") from None


def _bind_shared(family: int, address: Any) -> SharedPort:
    port = SharedPort(family, socket.SOCK_STREAM)
    port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    port.bind(address)
    return port
