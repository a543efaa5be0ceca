"""2,000 open streams of stock on one process: how soon all of them see a change while redemptions go on.

`python -m bench.live` runs it alone; listeners have a process of their own, which reads its orders from standard input.
"""

import asyncio
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import cast

import msgspec
import uvloop

from bench.installation import Installation, fill, serve
from bench.load import Load

LISTENERS = 2_000
ROUNDS = 15
LIMIT_SECONDS = 1.0
"""Everybody has to have seen a change by then."""
LOAD_CONNECTIONS = 16
OPEN_AT_ONCE = 50
HOT, MARKED = "BENCH-1", "BENCH-2"
"""Redemptions go on for one item; a change of the other one is timed. Everybody watches both."""


class Orders(msgspec.Struct):
    """What the listeners are told."""

    port: int
    key: str
    listeners: int
    rounds: int


class Seen(msgspec.Struct):
    """How long changes took, in seconds from the redemption's request: for each round the median and the last of all listeners."""

    medians: list[float]
    lasts: list[float]
    events: int
    missed: int


class _Listener(asyncio.Protocol):
    """One open stream: counts events, and tells when the marked item has moved."""

    def __init__(self, board: "_Board", port: int) -> None:
        self.board, self.port = board, port
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        request = (
            f"GET /live/stock?sku={HOT}&sku={MARKED} HTTP/1.1\r\n"
            f"Host: 127.0.0.1:{self.port}\r\nAccept: text/event-stream\r\n\r\n"
        )
        cast("asyncio.Transport", transport).write(request.encode())

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        *events, self.buffer = self.buffer.split(b"}")
        for event in events:
            self.board.events += 1
            if f'"{MARKED}"'.encode() in event:
                self.board.note(int(event.split(b'"left":')[1].split(b",")[0]))


class _Board:
    """When each listener saw the marked stock at each figure."""

    def __init__(self) -> None:
        self.events = 0
        self.seen: dict[int, list[float]] = {}

    def note(self, left: int) -> None:
        self.seen.setdefault(left, []).append(time.perf_counter())


async def listen(orders: Orders) -> Seen:
    """Open all streams, move the marked item once a second, and note when each stream has told."""
    loop, board = asyncio.get_running_loop(), _Board()
    for begin in range(0, orders.listeners, OPEN_AT_ONCE):
        count = min(OPEN_AT_ONCE, orders.listeners - begin)
        await asyncio.gather(
            *(
                loop.create_connection(lambda: _Listener(board, orders.port), "127.0.0.1", orders.port)
                for _ in range(count)
            )
        )
    while sum(len(times) for times in board.seen.values()) < orders.listeners:  # noqa: ASYNC110 - every stream tells at once
        await asyncio.sleep(0.1)
    print("listening", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    found = Seen([], [], 0, 0)
    for number in range(orders.rounds):
        before = min(board.seen)
        began = time.perf_counter()
        await _redeem(orders, number)
        await asyncio.sleep(max(2 * LIMIT_SECONDS - (time.perf_counter() - began), 0.1))
        times = sorted(board.seen.get(before - 1, []))
        found.missed += orders.listeners - len(times)
        if times:
            found.medians.append(median(times) - began)
            found.lasts.append(times[-1] - began)
    found.events = board.events
    return found


async def _redeem(orders: Orders, number: int) -> None:
    body = f'{{"member":"bench-1","sku":"{MARKED}","quantity":1}}'
    reader, writer = await asyncio.open_connection("127.0.0.1", orders.port)
    writer.write(
        f"POST /api/v1/redemptions HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {orders.key}\r\n"
        f"Idempotency-Key: marked-{number}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
    )
    status = await reader.readline()
    writer.close()
    if b" 201 " not in status:
        raise RuntimeError(status)


def measure(installation: Installation, listeners: int = LISTENERS, rounds: int = ROUNDS) -> tuple[Seen, float]:
    """What the listeners saw, and how many redemptions a second went on meanwhile."""
    key = installation.run("apikey", "create", "--name", "live", "--scopes", "all").strip()
    with serve(installation, workers=1) as port:
        orders = msgspec.json.encode(Orders(port, key, listeners, rounds)).decode()
        watching = subprocess.Popen(
            [sys.executable, "-m", "bench.live", "--listen"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert watching.stdin is not None
        assert watching.stdout is not None
        watching.stdin.write(orders + "\n")
        watching.stdin.flush()
        if watching.stdout.readline().strip() != "listening":
            raise RuntimeError("the listeners did not open")
        load = Load(
            port=port, connections=LOAD_CONNECTIONS, seconds=2 * LIMIT_SECONDS * rounds, warm_up_seconds=1,
            path="/api/v1/redemptions", headers={"Authorization": f"Bearer {key}"}, members=installation.members, run="live",
        )  # fmt: skip
        loading = subprocess.Popen([sys.executable, "-m", "bench.load"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert loading.stdin is not None
        loading.stdin.write(msgspec.json.encode(load))
        loading.stdin.close()
        told, _ = watching.communicate("go\n")
        assert loading.stdout is not None
        rate = msgspec.json.decode(loading.stdout.read())
        loading.wait()
    return msgspec.json.decode(told.splitlines()[-1], type=Seen), rate["answers"] / rate["elapsed"]


def main() -> int:
    """Run it alone; the exit code tells whether everybody saw every change in time."""
    folder = Path(tempfile.mkdtemp(prefix="liyu-live-"))
    try:
        seen, rate = measure(fill(folder, members=2_000, items=2))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(
        f"{LISTENERS:,} streams on one process: a change is seen by half of them after {median(seen.medians) * 1000:.0f} ms, by "
        f"all after {median(seen.lasts) * 1000:.0f} ms, at worst {max(seen.lasts) * 1000:.0f} ms; {seen.missed} missed; "
        f"{seen.events:,} events; {rate:,.0f} redemptions a second went on"
    )
    return 0 if max(seen.lasts) <= LIMIT_SECONDS and not seen.missed else 1


if __name__ == "__main__":
    if sys.argv[1:] == ["--listen"]:
        uvloop.install()
        given = msgspec.json.decode(sys.stdin.readline(), type=Orders)
        print(msgspec.json.encode(asyncio.run(listen(given))).decode(), flush=True)
    else:
        sys.exit(main())
