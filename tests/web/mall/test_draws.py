"""Draws in the mall: entering, the published data, the result, verifying it with and without a script, and claiming."""

import json
import re
from datetime import timedelta
from hashlib import sha256

import pytest
from psycopg import AsyncConnection

from liyu.core.settings import Settings
from liyu.redemption.draws.algorithm import draw_order
from liyu.redemption.draws.prepare import DrawDraft, PrizeDraft, announce_draw, call_off, plan_draw
from liyu.redemption.draws.run import run_draws
from tests.web.conftest import Client, OpenClient
from tests.web.console.acts import texts_of
from tests.web.mall.conftest import Shop
from tests.web.personas import token_in
from tests.world import ZONE


class Drawing:
    """An open draw with one cup to win, and the worker that moves it on."""

    def __init__(self, shop: Shop, settings: Settings) -> None:
        self.shop, self.settings, self.number = shop, settings, ""
        self.begin = shop.world.clock.now()

    @property
    def connection(self) -> AsyncConnection[object]:
        return self.shop.world.connection

    async def announce(self) -> None:
        world = self.shop.world
        await world.item("ENTRY", kind="draw", points=20, per_member_limit=3, on_sale_from=self.begin,
                         on_sale_to=self.begin + timedelta(hours=1))  # fmt: skip
        draft = DrawDraft("ENTRY", [PrizeDraft("CUP", 1)], self.begin + timedelta(hours=2), "given_back", 24)
        async with self.connection.transaction():
            self.number = await plan_draw(self.connection, draft, actor="test", now=self.begin)
            await announce_draw(
                self.connection, self.number, secret_key=self.settings.secret_key, actor="test", now=self.begin
            )

    async def go(self, hours: int) -> None:
        self.shop.world.clock.instant = self.begin + timedelta(hours=hours)
        await run_draws(
            self.connection, secret_key=self.settings.secret_key, now=self.shop.world.clock.now(), zone=ZONE
        )


@pytest.fixture
async def drawing(shop: Shop, settings: Settings) -> Drawing:
    made = Drawing(shop, settings)
    await made.announce()
    return made


async def enter(client: Client, units: int) -> None:
    page = await client.get("/items/ENTRY/redeem")
    key = re.search(r'name="key" value="([^"]+)"', page.text)
    assert key is not None
    data = {"csrf_token": token_in(page), "sku": "ENTRY", "quantity": units, "key": key[1]}
    assert (await client.post("/redemptions", data=data)).status_code == 303


async def test_a_draw_from_entering_to_the_prize(
    drawing: Drawing, member: Client, other: Client, open_client: OpenClient
) -> None:
    guest, address = open_client(), f"/draws/{drawing.number}"
    assert address in (await guest.get("/draws")).text
    assert (await guest.get("/items/ENTRY/draw")).headers["location"] == address
    assert (await guest.get("/items/CUP/draw")).headers["location"] == "/items/CUP"
    await enter(member, 3)
    assert "certain as things stand" in texts_of(await member.get(address))
    await enter(other, 1)
    pages = [(await one.get(address)).text for one in (member, other)]
    mine, theirs = (re.findall(r"<code>(\w{4}-\w{4}-\w{4})</code>", page) for page in pages)
    assert (len(mine), len(theirs)) == (3, 1)
    assert "about 75 %: 3 of 4 tickets, 1 to be won" in texts_of(await member.get(address))
    assert mine[0] not in (await guest.get(address)).text
    assert "nothing to recompute" in texts_of(await guest.get(f"{address}/verify"))
    before = json.loads((await guest.get(f"{address}/draw.json")).text)
    assert (before["seed"], before["entries"], before["order"]) == (None, [], [])

    await drawing.go(1)
    listed = (await guest.get(f"{address}/entries.csv")).content
    frozen = (await guest.get(f"{address}/draw.json")).json()
    assert sha256(listed).hexdigest() == frozen["list_hash"]
    assert frozen["seed"] is None
    assert all(code.encode() in listed for code in [*mine, *theirs])
    assert all(re.fullmatch(r"(\w{4}-\w{4}-\w{4},){2}1", line) for line in listed.decode().splitlines())

    await drawing.go(2)
    published = (await guest.get(f"{address}/draw.json")).json()
    entries = [(one["code"], one["person"], one["tickets"]) for one in published["entries"]]
    order = draw_order(published["seed"], entries)
    assert order == [place["code"] for place in published["order"]]
    assert sha256(published["seed"].encode()).hexdigest() == before["commitment"] == published["commitment"]
    proof = await guest.get(f"{address}/verify")
    assert texts_of(proof).count("fits") >= 3
    assert "does not fit</span>" not in proof.text
    assert "def draw_order(seed" in proof.text

    winner, loser = (member, other) if order[0] in mine else (other, member)
    assert "On the waiting list" in texts_of(await loser.get(address))
    page = await winner.get(address)
    assert "Claim the prize" in texts_of(page)
    refused = await winner.post(f"{address}/claim", data={"csrf_token": token_in(page)})
    assert refused.status_code == 409
    assert "add an address first" in texts_of(refused)
    await drawing.connection.execute(
        "INSERT INTO member_address (member_id, recipient, phone, province, city, district, detail, label, is_default, "
        "division_code, changed_at) SELECT id, '王倩', '+8613800138000', '上海市', '市辖区', '黄浦区', '1 号', '', true, '310101', "
        "now() FROM member"
    )
    token = token_in(await loser.get("/earn"))
    assert (await loser.post(f"{address}/claim", data={"csrf_token": token})).status_code == 409
    assert (await winner.post(f"{address}/claim", data={"csrf_token": token_in(page)})).status_code == 303
    won = await winner.get(address)
    assert "You have won" in texts_of(won)
    prize = re.search(r'href="(/redemptions/R\d+)"[^>]*>(?:<[^>]*>)*Open the prize', won.text)
    assert prize is not None
    assert (await winner.get(prize[1])).status_code == 200
    assert (await loser.get(prize[1])).status_code == 404
    assert await drawing.shop.world.one("SELECT count(*) FROM redemption_address") == 1
    await drawing.go(3)
    assert "Not drawn this time" in texts_of(await loser.get(address))
    inbox = texts_of(await loser.get("/notices"))
    assert "You have not won this time" in inbox
    assert "wait for what is not claimed" in inbox


async def test_a_draft_is_nobodys_business_and_a_draw_can_be_called_off(
    drawing: Drawing, shop: Shop, member: Client
) -> None:
    await shop.world.item("LATER-ENTRY", kind="draw", state="draft")
    draft = DrawDraft("LATER-ENTRY", [PrizeDraft("CUP", 1)], drawing.begin + timedelta(days=2), "kept", 24)
    async with shop.world.connection.transaction():
        hidden = await plan_draw(shop.world.connection, draft, actor="test", now=drawing.begin)
    for path in (f"/draws/{hidden}", f"/draws/{hidden}/verify", f"/draws/{hidden}/draw.json", "/draws/D0"):
        assert (await member.get(path)).status_code == 404
    await enter(member, 1)
    async with shop.world.connection.transaction():
        await call_off(shop.world.connection, drawing.number, reason="storm", actor="test", now=drawing.begin)
    assert "called off" in texts_of(await member.get(f"/draws/{drawing.number}"))
    assert "was called off: storm" in texts_of(await member.get("/notices"))
