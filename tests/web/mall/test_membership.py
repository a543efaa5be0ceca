"""Buying a paid membership with points in the mall and giving it back: asked first, once, and one's own only."""

import re

from liyu.members.paid.plans import PlanDraft, make_plan
from tests.web.conftest import Client
from tests.web.console.acts import submit, texts_of
from tests.web.mall.conftest import Shop
from tests.web.personas import field_in, token_in

MONTH = PlanDraft("gold-month", "gold", "金卡月卡", "Gold for a month", 1, 300, 3_000, 7, offered=True)
BUY = "/membership/buy/gold-month"


async def test_a_tier_is_bought_once_shown_everywhere_and_given_back(member: Client, shop: Shop) -> None:
    assert "Nothing on offer now" in texts_of(await member.get("/membership"))
    assert "Paid membership" not in texts_of(await member.get("/me"))
    await make_plan(shop.world.connection, MONTH)
    assert "Buy a tier for a time" in texts_of(await member.get("/tier"))
    offer = await member.get(BUY)
    assert "Last day 21 Dec 2026" in texts_of(offer)
    assert "For 7 days it can go back whole" in texts_of(offer)
    form = {"csrf_token": token_in(offer), "key": field_in(offer, "key")}
    for _ in range(2):  # a double click buys once
        assert (await member.post(BUY, data=form)).status_code == 303
    assert (await shop.world.balances("M1"))["points"] == 700
    tier = texts_of(await member.get("/tier"))
    assert "Gold Paid for through 21 Dec 2026; it does not renew by itself" in tier
    assert "2,000 more to Gold" in tier  # growth value goes its own way
    page = await member.get("/membership")
    assert "22 Nov 2026 through 21 Dec 2026" in texts_of(page)
    found = re.search(r"/membership/(\d+)/return", page.text)
    assert found
    assert "Comes back 300 points" in texts_of(await member.get(found[0]))
    assert (await submit(member, found[0], found[0])).status_code == 303
    assert (await shop.world.balances("M1"))["points"] == 1_000
    assert "Given back, +300 points" in texts_of(await member.get("/membership"))
    assert "Paid membership given back" in texts_of(await member.get("/points"))


async def test_what_stands_against_it_is_said_and_nothing_changes(member: Client, other: Client, shop: Shop) -> None:
    await make_plan(shop.world.connection, MONTH)
    refused = await submit(other, BUY, BUY, key=field_in(await other.get(BUY), "key"))
    assert refused.status_code == 409
    assert "It costs 300 points; 250 are missing." in texts_of(refused)
    assert (await shop.world.balances("M2"))["points"] == 50
    assert (await submit(member, BUY, BUY)).status_code == 422  # a form without its key buys nothing
    assert (await submit(member, BUY, BUY, key="k")).status_code == 303
    number = await shop.world.one("SELECT id FROM paid_period")
    assert (await other.get(f"/membership/{number}/return")).status_code == 404
    assert (await submit(other, BUY, f"/membership/{number}/return")).status_code == 404
    assert (await member.get("/membership/buy/nothing")).status_code == 404
    assert await shop.world.one("SELECT count(*) FROM paid_period WHERE returned_at IS NULL") == 1
