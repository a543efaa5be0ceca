"""Fifty tills show the same codes at once to a server of two processes, over real HTTP: each code is verified exactly once."""

import asyncio
import json
import os
import random
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from liyu.core.access.keys import create_api_key
from liyu.core.database import Sessions, unit_of_work
from tests.proofs import at_size
from tests.vouchers.tills import FEE, TOKENS, open_shops
from tests.world import open_world

TILLS = 50
CODES = at_size(6, 1_000)
PROCESSES = 2
SECRET = "a-secret-for-tests-" + "0" * 32
PATIENCE_SECONDS = 60


@asynccontextmanager
async def serving(database_url: str, data_dir: Path) -> AsyncIterator[int]:
    """`liyu serve` with its processes; the port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    environment = os.environ | {
        "LIYU_DATABASE_URL": database_url, "LIYU_DATA_DIR": str(data_dir), "LIYU_SECRET_KEY": SECRET,
    }  # fmt: skip
    server = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("liyu"), "serve", "--port", str(port), "--workers", str(PROCESSES),
        env=environment, stdout=DEVNULL, stderr=DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await answers(port):  # noqa: ASYNC110 - another process has no event to wait for
                await asyncio.sleep(0.1)
        yield port
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        await server.wait()


async def answers(port: int) -> bool:
    """Whether somebody listens there and is ready."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.write(b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    with suppress(OSError):
        line = await reader.readline()
        writer.close()
        return b" 200 " in line
    return False


async def show_all(
    port: int, key: str, till: int, codes: list[str], begin: asyncio.Event
) -> list[tuple[str, int, str]]:
    """One till: every code in an order of its own; the code, the status and what was answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    codes = random.Random(till).sample(codes, len(codes))
    await begin.wait()
    found = []
    for number, code in enumerate(codes):
        body = json.dumps({"code": code, "store": "SH1", "nonce": f"{till}-{number}"}).encode()
        writer.write(
            f"POST /api/v1/vouchers/verify HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        answer = json.loads(await reader.readexactly(length))
        found.append((code, int(head.split(b" ")[1]), answer.get("result") or answer["code"]))
    writer.close()
    return found


@pytest.mark.proof
async def test_each_code_is_verified_exactly_once(database_url: str, sessions: Sessions, tmp_path: Path) -> None:
    async with open_world(database_url) as world:
        shops = await open_shops(world)
        await world.member("m-1", points=CODES)
        vouchers = [one for _ in range(0, CODES, 100) for one in await shops.vouchers(min(CODES, 100))]
        async with unit_of_work(sessions) as session:
            key = await create_api_key(
                session, "tills", ["vouchers:verify"], shops.partners["LUCK"], now=world.clock.now()
            )
        codes, begin = [TOKENS.codes.code_of(voucher) for voucher in vouchers], asyncio.Event()
        async with serving(database_url, tmp_path) as port:
            tills = [asyncio.create_task(show_all(port, key, till, codes, begin)) for till in range(TILLS)]
            await asyncio.sleep(0.2)
            begin.set()
            shown = [one for till in await asyncio.gather(*tills) for one in till]
        answered = Counter((status, said) for _, status, said in shown)
        assert answered == {(200, "verified"): len(codes), (409, "already_verified"): len(codes) * (TILLS - 1)}
        assert Counter(code for code, status, _ in shown if status == 200) == Counter(codes)
        assert await world.one("SELECT count(*) FROM verification") == len(codes)
        assert await world.one("SELECT sum(amount_minor) FROM payable_entry") == len(codes) * FEE
        assert await world.one("SELECT count(*) FROM voucher WHERE state <> 'used_up' OR uses <> 1") == 0
        assert await world.one("SELECT count(*) FROM redemption WHERE state <> 'completed'") == 0
