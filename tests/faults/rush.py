"""A rush at a drop against a whole installation of processes, some of which are killed meanwhile."""

import asyncio
import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import msgspec

from liyu.core.embedded import EmbeddedPostgres

LIYU = str(Path(sys.executable).with_name("liyu"))
PATIENCE_SECONDS = 300
ANSWER_SECONDS = 20
PAUSE_SECONDS = 0.1
SECRET = "a-secret-for-tests-" + "0" * 32


@dataclass(slots=True)
class Installation:
    """Servers, workers and PostgreSQL: each a process that can be killed and started anew."""

    folder: Path
    url: str
    postgres: EmbeddedPostgres
    ports: list[int] = field(default_factory=list)
    running: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        given = {"LIYU_DATA_DIR": str(self.folder), "LIYU_DATABASE_URL": self.url, "LIYU_SECRET_KEY": SECRET}
        return os.environ | given

    def call(self, *arguments: str) -> str:
        done = subprocess.run([LIYU, *arguments], env=self.environment, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    async def start(self, servers: int, workers: int) -> None:
        self.ports = [free_port() for _ in range(servers)]
        for place in range(servers):
            self.start_one(f"server-{place}")
        for place in range(workers):
            self.start_one(f"worker-{place}")
        await asyncio.gather(*(self._wait(port) for port in self.ports))

    def start_one(self, name: str) -> None:
        kind, place = name.split("-")
        arguments = ["serve", "--port", str(self.ports[int(place)])] if kind == "server" else ["worker"]
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                [LIYU, *arguments], env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    async def kill_one(self, draw: random.Random) -> str:
        """Kill one process at its present point, whatever it does, and start it anew."""
        name = draw.choice([*self.running, "postgres"])
        if name == "postgres":
            await self._kill_postgres()
        else:
            kill_group(self.running[name])
            self.start_one(name)
        return name

    async def _kill_postgres(self) -> None:
        server = int((self.postgres.cluster / "postmaster.pid").read_text().split()[0])
        processes = [server, *children_of(server)]
        for process in processes:
            kill(process)
        await asyncio.to_thread(wait_until_dead, processes)
        await asyncio.to_thread(self.postgres.start)

    def stop(self) -> None:
        for process in self.running.values():
            kill_group(process)
        self.running.clear()

    async def _wait(self, port: int) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        async with httpx.AsyncClient() as client:
            while time.monotonic() < deadline:
                try:
                    if (await client.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                await asyncio.sleep(PAUSE_SECONDS)
        raise TimeoutError(port)


@dataclass(slots=True)
class Rush:
    """Attempts, each with a key of its own that is repeated until there is an answer; what was answered, by key."""

    installation: Installation
    api_key: str
    sku: str
    attempts: list[str]
    """The member of each attempt."""
    numbers: dict[str, str] = field(default_factory=dict)
    answers: Counter[str] = field(default_factory=Counter)
    repeated: int = 0

    async def run(self, connections: int) -> None:
        """Send all attempts in an order of their own; who is not answered asks again with the same key."""
        waiting = list(enumerate(self.attempts))
        random.Random(3).shuffle(waiting)
        await asyncio.gather(*(self._work(waiting) for _ in range(connections)))

    async def _work(self, waiting: list[tuple[int, str]]) -> None:
        line = _Line()
        while waiting:
            number, member = waiting.pop()
            await self._attempt(line, f"attempt-{number}", member)
        line.close()

    async def _attempt(self, line: "_Line", key: str, member: str) -> None:
        body = f'{{"member":"{member}","sku":"{self.sku}","quantity":1}}'
        request = (
            "POST /api/v1/redemptions HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Authorization: Bearer {self.api_key}\r\nIdempotency-Key: {key}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    status, found = await line.ask(random.choice(self.installation.ports), request)
            except (OSError, EOFError, TimeoutError):
                status, found = 0, {}
                line.close()
            if status in (201, 409):
                self.answers[found.get("code", "granted")] += 1
                if status == 201:
                    self.numbers[key] = found["number"]
                return
            self.repeated += 1
            await asyncio.sleep(PAUSE_SECONDS)
        raise TimeoutError(f"{key} was never answered")


class _Line:
    """One connection that is kept open, spoken raw so that the client costs the machine little."""

    def __init__(self) -> None:
        self.reader: asyncio.StreamReader | None = None
        self.writer: asyncio.StreamWriter | None = None

    async def ask(self, port: int, request: bytes) -> tuple[int, dict[str, Any]]:
        """The status and the body of one answer; the port counts for a new connection only."""
        if self.reader is None or self.writer is None:
            self.reader, self.writer = await asyncio.open_connection("127.0.0.1", port)
        self.writer.write(request)
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        return int(head.split()[1]), msgspec.json.decode(await self.reader.readexactly(length))

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()
        self.reader = self.writer = None


def free_port() -> int:
    """A port on which nobody listens at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def kill_group(process: "subprocess.Popen[bytes]") -> None:
    """Kill a process that was started here, with what it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def kill(process: int) -> None:
    """Kill a process by its number."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


def wait_until_dead(processes: list[int]) -> None:
    """Wait until none of them lives: a server does not start beside what is left of another one."""
    while not all(is_dead(process) for process in processes):
        time.sleep(PAUSE_SECONDS)


def children_of(process: int) -> list[int]:
    """The processes that a process has started."""
    return [int(word) for word in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def is_dead(process: int) -> bool:
    """Whether a process is only waited for."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True
