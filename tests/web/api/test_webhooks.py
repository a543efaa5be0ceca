"""Webhooks: subscriptions are one's own, messages are written with the event, signed, tried again and sent once more."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import psycopg
from litestar import Litestar

from liyu.core.clock import FixedClock
from liyu.core.outgoing import sign
from liyu.core.settings import Settings
from liyu.core.webhooks.messages import WAITS, send_due
from tests.web.api.conftest import OpenApi
from tests.web.api.world import Api, World, fields_of, problem_of


class Peer:
    """A till's server: it keeps what it hears, and answers as told."""

    def __init__(self) -> None:
        self.status, self.heard, self.url = 204, list[tuple[dict[str, str], bytes]](), ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[1:-2]
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head)}
        self.heard.append((headers, await reader.readexactly(int(headers["content-length"]))))
        writer.write(f"HTTP/1.1 {self.status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
        writer.close()


@asynccontextmanager
async def listening() -> AsyncIterator[Peer]:
    peer = Peer()
    server = await asyncio.start_server(peer.answer, "127.0.0.1", 0)
    peer.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/liyu"
    async with server:
        yield peer


async def send(settings: Settings, clock: FixedClock) -> int:
    """What the worker does every minute."""
    assert settings.database_url is not None
    async with await psycopg.AsyncConnection.connect(settings.database_url, autocommit=True) as connection:
        return await send_due(connection, secret_key=settings.secret_key, allow_private=True, now=clock.now())


async def test_verifications_are_told_to_their_partner_and_the_host(
    app: Litestar, api: Api, open_api: OpenApi, world: World, settings: Settings, clock: FixedClock
) -> None:
    code = await api.voucher()
    own, foreign = [await open_api("webhooks:write", "vouchers:verify", partner=name) for name in ("ALPHA", "BETA")]
    async with listening() as peer:
        wish = {"url": peer.url, "events": ["voucher.verified", "voucher.undone"]}
        made = (await own.post("/webhooks", json=wish)).json()
        assert made["secret"].startswith("whsec_")
        await foreign.post("/webhooks", json=wish)
        verification = (await own.verify(code)).json()["verification"]
        assert await send(settings, clock) == 1
        headers, body = peer.heard[0]
        assert json.loads(body)["type"] == "voucher.verified"
        assert json.loads(body)["data"] == {
            "verification": verification, "partner": "ALPHA", "store": "A1", "sku": "LATTE",
            "verified_at": clock.now().isoformat().replace("+00:00", "Z"), "use_number": 1, "uses_allowed": 1,
        }  # fmt: skip
        assert code.replace("-", "") not in body.decode()
        expected = sign(made["secret"], headers["webhook-id"], body, clock.now())
        assert {name: headers[name] for name in expected} == expected
        # A repeat of the same nonce is no new event; a taking back is.
        await own.verify(code)
        assert await send(settings, clock) == 0
        peer.status = 500
        await own.post("/vouchers/undo", json={"verification": verification, "reason": "wrong"})
        assert [await send(settings, clock) for _ in range(2)] == [0, 0]
        clock.instant += WAITS[0] - timedelta(seconds=1)
        assert (await send(settings, clock), len(peer.heard)) == (0, 2)
        clock.instant += timedelta(seconds=1)
        peer.status = 204
        assert await send(settings, clock) == 1
        assert peer.heard[1][0]["webhook-id"] == peer.heard[2][0]["webhook-id"]
        messages = (await own.get(f"/webhooks/{made['id']}/messages")).json()["messages"]
        assert [(one["type"], one["status"], one["attempts"]) for one in messages] == [
            ("voucher.undone", "delivered", 2), ("voucher.verified", "delivered", 1),
        ]  # fmt: skip
        assert (await own.post(f"/webhooks/{made['id']}/messages/{messages[1]['id']}/resend")).status_code == 200
        assert await send(settings, clock) == 1
        assert peer.heard[3][0]["webhook-id"] == headers["webhook-id"]


async def test_subscriptions_are_ones_own_and_end(api: Api, open_api: OpenApi, world: World) -> None:
    own, foreign = [await open_api("webhooks:write", partner=name) for name in ("ALPHA", "BETA")]
    wrong = await own.post("/webhooks", json={"url": "ftp://x", "events": ["voucher.lost"]})
    assert fields_of(problem_of(wrong, 422, "invalid_input")) == {"url", "events"}
    made = (await own.post("/webhooks", json={"url": "https://x.example/", "events": ["voucher.verified"]})).json()
    place = f"/webhooks/{made['id']}"
    assert [one["id"] for one in (await own.get("/webhooks")).json()["webhooks"]] == [made["id"]]
    assert (await foreign.get("/webhooks")).json() == {"webhooks": []}
    assert len((await api.get("/webhooks")).json()["webhooks"]) == 1
    for refused in (
        await foreign.get(f"{place}/messages"), await foreign.delete(place), await foreign.post(f"{place}/messages/1/resend"),
        await own.delete("/webhooks/nothing"),
    ):  # fmt: skip
        problem_of(refused, 404, "not_found")
    assert (await own.delete(place)).json() == {"result": "ended"}
    problem_of(await own.delete(place), 404, "not_found")
    assert (await own.get("/webhooks")).json() == {"webhooks": []}
    await api.verify(await api.voucher())
    assert await world.fetch("SELECT count(*) FROM webhook_message") == [(0,)]
