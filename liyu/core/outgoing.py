"""Messages to other systems: signed as Standard Webhooks says, and never to an address inside our own network.

https://www.standardwebhooks.com: the message's id, the time in seconds and the body, joined by dots, under HMAC-SHA256.
"""

import asyncio
import socket
import time
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256
from hmac import digest
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any
from urllib.parse import urlsplit

import httpcore
from msgspec import Struct

SECRET_PREFIX = "whsec_"  # noqa: S105 - what such a secret begins with
TIMEOUT_SECONDS = 10
LARGEST_ANSWER = 64 * 1024

_TUNNELS = (ip_network("64:ff9b::/96"), ip_network("2002::/16"), ip_network("2001::/32"))
"""IPv6 addresses that stand for IPv4 ones, which may be anybody's."""


class UnreachedError(Exception):
    """The message did not leave us: nothing happened on the other side."""


class UnansweredError(Exception):
    """The message was on its way and no answer came: what happened on the other side is not known."""


class Answered(Struct, frozen=True):
    """What the other side said."""

    status: int
    body: bytes
    milliseconds: int


def sign(secret: str, message_id: str, body: bytes, now: datetime) -> dict[str, str]:
    """The headers that prove who sent a message, and when. `secret` is base64 behind `whsec_`."""
    stamp = str(int(now.timestamp()))
    signed = digest(read_secret(secret), b".".join((message_id.encode(), stamp.encode(), body)), sha256)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{b64encode(signed).decode()}",
    }


def read_secret(secret: str) -> bytes:
    """The key of a secret. Raises ValueError for one that is not base64 behind `whsec_`, or has less than 24 bytes."""
    try:
        key = b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except Base64Error as fault:
        raise ValueError("not base64") from fault
    if not secret.startswith(SECRET_PREFIX) or len(key) < 24:
        raise ValueError("not a secret of a webhook")
    return key


def is_public(address: str) -> bool:
    """Whether an IP address is one of the internet, not one of our own network, of this machine or of no machine."""
    found = ip_address(address)
    if isinstance(found, IPv6Address):
        found = found.ipv4_mapped or found
    return found.is_global and not found.is_multicast and not any(found in tunnel for tunnel in _TUNNELS)


def is_web_address(url: str, *, allow_private: bool) -> bool:
    """Whether messages may be sent there, as far as the address itself tells: https, and no login in it."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    schemes = ("https", "http") if allow_private else ("https",)
    return parts.scheme in schemes and bool(parts.hostname) and parts.username is None and port != 0


async def post(
    url: str,
    body: bytes,
    headers: dict[str, str],
    *,
    allow_private: bool = False,
    timeout: float = TIMEOUT_SECONDS,  # noqa: ASYNC109 - of connecting and of the whole, which mean different things
) -> Answered:
    """Send a message. The name is resolved once and the connection goes to the address that was looked at.

    Redirects are not followed: the answer is what the address itself says. Raises UnreachedError or UnansweredError.
    """
    if not is_web_address(url, allow_private=allow_private):
        raise UnreachedError("not an address to which messages are sent")
    sent = [("content-type", "application/json"), ("user-agent", "Liyu"), *headers.items()]
    waits: dict[str, Any] = dict.fromkeys(("connect", "read", "write", "pool"), timeout)
    began = time.monotonic()
    backend = _Network(allow_private=allow_private)
    try:
        async with (
            asyncio.timeout(timeout),
            httpcore.AsyncConnectionPool(network_backend=backend, retries=0) as pool,
            pool.stream("POST", url, headers=sent, content=body, extensions={"timeout": waits}) as answer,
        ):
            said = await _read(answer)
    except (httpcore.ConnectError, httpcore.ConnectTimeout, httpcore.UnsupportedProtocol, UnreachedError) as fault:
        raise UnreachedError(str(fault)) from fault
    except (TimeoutError, OSError, httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as fault:
        kind = UnansweredError if backend.is_connected else UnreachedError
        raise kind(str(fault) or type(fault).__name__) from fault
    return Answered(answer.status, said, int((time.monotonic() - began) * 1000))


async def _read(answer: httpcore.Response) -> bytes:
    said = b""
    async for piece in answer.aiter_stream():
        said += piece
        if len(said) > LARGEST_ANSWER:
            break
    return said[:LARGEST_ANSWER]


class _Network(httpcore.AsyncNetworkBackend):
    """Connections to addresses of the internet only."""

    def __init__(self, *, allow_private: bool) -> None:
        self.allow_private = allow_private
        self.is_connected = False
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore's
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address of the name that answers. Raises UnreachedError when one of them is forbidden."""
        fault: Exception = UnreachedError(f"{host} has no address")
        for address in await self._resolve(host, port):
            try:
                stream = await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as refused:
                fault = refused
                continue
            self.is_connected = True
            return stream
        raise fault

    async def _resolve(self, host: str, port: int) -> list[str]:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as fault:
            raise UnreachedError(f"{host} cannot be resolved") from fault
        addresses = list(dict.fromkeys(str(one[4][0]) for one in found))
        if not self.allow_private and not all(is_public(address.partition("%")[0]) for address in addresses):
            raise UnreachedError(f"{host} is not an address of the internet")
        return addresses

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore's
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """No message goes to a socket of this machine."""
        raise UnreachedError(path)

    async def sleep(self, seconds: float) -> None:
        """See httpcore."""
        await asyncio.sleep(seconds)
