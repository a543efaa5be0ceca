"""A load of HTTP requests over keep-alive connections, spoken raw so that the client costs as little as it can.

It runs in a process of its own: `python -m bench.load`, with its orders as JSON on standard input and its findings on
standard output.
"""

import asyncio
import random
import subprocess
import sys
import time
from typing import cast

import msgspec
import uvloop

LAST_ANSWERS_SECONDS = 5.0
PREPARED = 600
"""Requests made ready for each connection before the clock starts, so that making them costs the server nothing."""


class Load(msgspec.Struct):
    """What to send: so many connections, each sending its next request when the last one was answered."""

    port: int
    connections: int
    seconds: float
    warm_up_seconds: float
    requests: int = 0
    """Stop after so many requests; 0 leaves only the time."""
    path: str = "/"
    headers: dict[str, str] = {}
    cookies: list[str] = []
    """Cookie headers, one for each signed-in person; every request takes the next one."""
    members: int = 0
    """Redemptions: draw a member out of so many; 0 sends plain GETs."""
    items: int = 1
    run: str = ""
    """Distinguishes the idempotency keys of runs."""
    codes: list[str] = []
    """Verifications: vouchers, each for one request; the load ends with them."""
    store: str = ""
    prepared: int = PREPARED
    rate: float = 0.0
    """Requests a second that are due over all connections, however slow the answers are; 0 sends the next one at each answer.
    What is due counts from then on, so that a late answer is as late for those who wait behind it."""


class Findings(msgspec.Struct):
    """What came back. Times are in seconds."""

    answers: int
    elapsed: float
    statuses: dict[str, int]
    p50: float
    p99: float
    longest: float
    bytes_each: int

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.answers / self.elapsed


class _Tally:
    def __init__(self) -> None:
        self.latencies: list[float] = []
        self.statuses: dict[str, int] = {}
        self.started = self.codes_taken = 0
        self.bytes_each = 0


class _Connection(asyncio.Protocol):
    """One connection: a request goes out as soon as the answer to the last one is complete."""

    def __init__(self, load: Load, number: int, tally: _Tally) -> None:
        self.load, self.number, self.tally = load, number, tally
        self.begin = self.end = self.due = 0.0
        self.count, self.sent_at = 0, 0.0
        self.buffer, self.wanted = b"", -1
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        lines = "".join(f"{name}: {value}\r\n" for name, value in load.headers.items())
        method = "POST" if load.members or load.codes else "GET"
        self.head = f"{method} {load.path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{lines}"
        self.ready = [self.make_request() for _ in range(load.prepared)]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def start(self, begin: float, end: float) -> None:
        """Send until the end; what was sent from the beginning on counts."""
        self.begin, self.end = begin, end
        self.due = time.perf_counter() + (self.number / self.load.rate if self.load.rate else 0)
        self.send()

    def send(self) -> None:
        now = time.perf_counter()
        load = self.load
        if load.rate:
            if now < self.due:
                asyncio.get_running_loop().call_later(self.due - now, self.send)
                return
            now, self.due = self.due, self.due + load.connections / load.rate
        if now >= self.end or (load.requests and self.tally.started >= load.requests):
            self.finish()
            return
        request = self.ready.pop() if self.ready else self.make_request()
        if not request:
            self.finish()
            return
        self.sent_at = now
        self.tally.started += 1
        self.transport.write(request)

    def make_request(self) -> bytes:
        self.count += 1
        if self.load.codes:
            return self.make_verification()
        if not self.load.members:
            return f"{self.head}{self.next_cookie()}\r\n".encode()
        member, item = random.randint(1, self.load.members), random.randint(1, self.load.items)
        body = f'{{"member":"bench-{member}","sku":"BENCH-{item}","quantity":1}}'
        key = f"Idempotency-Key: {self.load.run}-{self.number}-{self.count}\r\n"
        return f"{self.head}{key}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()

    def make_verification(self) -> bytes:
        """The next voucher that nobody has shown yet; nothing when there is none."""
        load, taken = self.load, self.tally.codes_taken
        if taken >= len(load.codes):
            return b""
        self.tally.codes_taken += 1
        body = f'{{"code":"{load.codes[taken]}","store":"{load.store}","nonce":"{load.run}-{taken}"}}'
        return f"{self.head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()

    def next_cookie(self) -> str:
        cookies = self.load.cookies
        if not cookies:
            return ""
        return f"Cookie: {cookies[(self.number + self.count * self.load.connections) % len(cookies)]}\r\n"

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if self.wanted < 0:
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self.buffer[:end].lower()
            start = head.index(b"content-length:") + 15
            line_end = head.find(b"\r\n", start)
            self.wanted = end + 4 + int(head[start : line_end if line_end >= 0 else None])
        if len(self.buffer) >= self.wanted:
            self.take_answer()

    def take_answer(self) -> None:
        if self.sent_at >= self.begin:
            self.tally.latencies.append(time.perf_counter() - self.sent_at)
            status = self.buffer[9:12].decode()
            self.tally.statuses[status] = self.tally.statuses.get(status, 0) + 1
            self.tally.bytes_each = self.wanted
        self.buffer, self.wanted = b"", -1
        self.send()

    def connection_lost(self, fault: Exception | None) -> None:
        self.finish()

    def finish(self) -> None:
        if not self.done.done():
            self.done.set_result(None)
        self.transport.close()


async def send_load(load: Load) -> Findings:
    """Send the load and tell what came back after the warm-up."""
    loop, tally = asyncio.get_running_loop(), _Tally()
    connections = []
    for number in range(load.connections):
        connection = _Connection(load, number, tally)
        await loop.create_connection(lambda connection=connection: connection, "127.0.0.1", load.port)  # type: ignore[misc]
        connections.append(connection)
    begin = time.perf_counter() + load.warm_up_seconds
    end = begin + load.seconds
    for connection in connections:
        connection.start(begin, end)
    patience = load.warm_up_seconds + load.seconds + LAST_ANSWERS_SECONDS
    await asyncio.wait([connection.done for connection in connections], timeout=patience)
    elapsed = min(time.perf_counter(), end) - begin
    ordered = sorted(tally.latencies)
    place = len(ordered) - 1
    return Findings(
        answers=len(ordered),
        elapsed=elapsed,
        statuses=tally.statuses,
        p50=ordered[round(place * 0.5)],
        p99=ordered[round(place * 0.99)],
        longest=ordered[-1],
        bytes_each=tally.bytes_each,
    )


def send(load: Load) -> Findings:
    """Send a load from a process of its own."""
    command = [sys.executable, "-m", "bench.load"]
    done = subprocess.run(command, input=msgspec.json.encode(load), capture_output=True, check=True)
    return msgspec.json.decode(done.stdout, type=Findings)


if __name__ == "__main__":
    uvloop.install()
    found = asyncio.run(send_load(msgspec.json.decode(sys.stdin.buffer.read(), type=Load)))
    sys.stdout.buffer.write(msgspec.json.encode(found))
