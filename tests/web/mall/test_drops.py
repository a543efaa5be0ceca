"""A drop in the mall: announced to everybody, one tap, a question in the rush, the waiting list, and why."""

import asyncio
import re
from datetime import timedelta

import pytest

from liyu.core.clock import FixedClock
from liyu.redemption.cancel import cancel_redemption
from liyu.redemption.drops.hand_on import lapse_offers
from liyu.redemption.drops.service import DropPlan, WavePlan, announce_drop, plan_drop
from tests.web.conftest import Client, OpenClient
from tests.web.mall.conftest import Shop
from tests.web.personas import field_in, token_in
from tests.world import ZONE, World

HOUR = timedelta(hours=1)


@pytest.fixture
async def drop(shop: Shop, clock: FixedClock) -> str:
    """An announced drop of one unit, a second wave of one later."""
    world, now = shop.world, clock.now()
    await world.item("LOUNGE", stock=1, points=100, per_member_limit=1)
    plan = DropPlan("LOUNGE", [WavePlan(now + HOUR, 1), WavePlan(now + 5 * HOUR, 1)], now + 9 * HOUR, offer_minutes=30)
    async with world.connection.transaction():
        number = await plan_drop(world.connection, plan, actor="test", now=now)
        await announce_drop(world.connection, number, actor="test", now=now)
    return number


async def settle(world: World) -> None:
    """Let notifications of boards and stock arrive."""
    await asyncio.sleep(0.6)


def answer_of(page: str) -> str:
    """The word that the question asks for."""
    words = re.search(r'<p class="strong words">([^<]+)</p>', page)
    place = re.search(r"<legend>([^<]+)</legend>", page)
    assert words
    assert place
    at = {"Which word comes first?": 0, "Which word comes second?": 1, "Which word comes third?": 2}[place[1]]
    return words[1].split(" · ")[at].strip()


async def tap(client: Client, number: str, page: str, **fields: str) -> tuple[int, str, str]:
    form = dict(re.findall(r'name="(csrf_token|key|question|offer)" value="([^"]+)"', page))
    answer = await client.post(f"/drops/{number}/redemptions", data=form | fields)
    return answer.status_code, answer.text, answer.headers.get("location", "")


async def test_a_drop_from_its_announcement_to_the_last_in_line(
    drop: str, shop: Shop, member: Client, other: Client, open_client: OpenClient, clock: FixedClock
) -> None:
    world, address = shop.world, f"/drops/{drop}"
    english = {"accept-language": "en"}
    await world.post(world.purchase("M2", 100_000))
    await settle(world)
    guest = await open_client().get(address, headers=english)
    assert guest.status_code == 200
    assert "First come, first served" in guest.text
    assert "data-countdown" in guest.text
    assert "Sign in to take part" in guest.text
    # The ways around it lead to it.
    assert (await open_client().get("/items/LOUNGE/drop")).headers["location"] == address
    assert (await member.get("/items/LOUNGE/redeem")).headers["location"] == address

    before = await world.footprint()
    page = (await member.get(address, headers=english)).text
    assert "data-opens" in page
    status, text, _ = await tap(member, drop, page)
    assert status == 409
    assert "Redeeming opens at" in text
    assert await world.footprint() == before

    # At the opening the rush is on: a word is asked for.
    clock.instant += HOUR
    page = (await member.get(address, headers=english)).text
    status, text, _ = await tap(member, drop, page)
    assert (status, "There is a rush" in text) == (422, True)
    status, text, _ = await tap(member, drop, page, answer="horse" if answer_of(page) != "horse" else "tea")
    assert (status, "That was another word" in text) == (422, True)
    assert await world.footprint() == before
    status, _, order = await tap(member, drop, page, answer=answer_of(page))
    assert (status, order.startswith("/redemptions/R")) == (303, True)
    # The same tap again is the same order.
    assert (await tap(member, drop, page, answer=answer_of(page)))[2] == order

    await settle(world)
    # Between waves one can wait for what comes back, and tap again when the next one opens.
    page = (await other.get(address, headers=english)).text
    assert "Join the waiting list" in page
    assert "Redeem when the next wave opens" in page
    joined = await other.post(f"{address}/list", data={"csrf_token": token_in(await other.get("/me"))})
    assert joined.headers["location"] == address
    page = (await other.get(address, headers=english)).text
    assert "Place 1 of 1" in page

    number = order.removeprefix("/redemptions/")
    async with world.connection.transaction():
        await cancel_redemption(
            world.connection, number, member_id=None, reason="changed_mind", actor="test", now=clock.now(), zone=ZONE
        )
    clock.instant += timedelta(minutes=5)
    page = (await other.get(address, headers=english)).text
    assert "1 kept for you" in page
    status, _, order = await tap(other, drop, page)
    assert (status, order.startswith("/redemptions/R")) == (303, True)
    page = (await other.get(address, headers=english)).text
    assert "Redeemed what was kept for you" in page
    assert "Joined the waiting list at place 1" in page
    log = (await member.get(address, headers=english)).text
    assert log.index("Redeemed: order") < log.index("Refused; nothing was changed")
    notices = (await other.get("/notices", headers=english)).text
    assert "is kept for you until" in notices


async def test_the_second_wave_opens_by_itself_and_the_line_is_told_honestly(
    drop: str, shop: Shop, member: Client, clock: FixedClock
) -> None:
    clock.instant += 5 * HOUR
    await settle(shop.world)
    assert (
        await shop.world.one("SELECT total FROM item_stock s JOIN item i ON i.id = s.item_id WHERE sku = 'LOUNGE'") == 2
    )
    await shop.world.connection.execute(
        "INSERT INTO desk_line (desk, joined, settled, rate, told_at) VALUES ('other', 900, 400, 100, %s)",
        (clock.now(),),
    )
    english = {"accept-language": "en"}
    line = await member.get(f"/drops/{drop}/line?key=k&desk=other&ticket=650", headers=english)
    assert ">250<" in line.text
    assert 2 <= float(line.headers["refresh"]) < 4
    gone = await member.get(f"/drops/{drop}/line?key=k&desk=nobody&ticket=650", headers=english)
    assert "Ask once more" in gone.text
    page = await member.get(f"/drops/{drop}", headers=english)
    form = {"csrf_token": token_in(page), "key": "k", "question": field_in(page, "question")}
    await member.post(f"/drops/{drop}/redemptions", data=form | {"answer": answer_of(page.text)})
    answered = await member.get(f"/drops/{drop}/line?key=k&desk=nobody&ticket=650")
    assert answered.headers["location"].startswith("/redemptions/R")


async def test_accounts_and_addresses_that_tap_too_often_are_held_back_and_reported(
    drop: str, shop: Shop, member: Client, clock: FixedClock
) -> None:
    clock.instant += HOUR
    await settle(shop.world)
    page = (await member.get(f"/drops/{drop}", headers={"accept-language": "en"})).text
    before = await shop.world.footprint()
    answers = [(await tap(member, drop, page))[0] for _ in range(22)]
    assert answers == [422] * 20 + [429] * 2
    assert await shop.world.footprint() == before
    await asyncio.sleep(1.3)
    found = await shop.world.connection.execute("SELECT what, subject, count FROM drop_tally ORDER BY what")
    assert [(what, subject.split(":")[0], count) for what, subject, count in await found.fetchall()] == [
        ("attention_missing", "member", 20),
        ("too_many_requests", "member", 2),
    ]


async def test_a_drop_that_is_over_says_what_became_of_it(
    drop: str, shop: Shop, member: Client, clock: FixedClock
) -> None:
    clock.instant += 9 * HOUR
    await lapse_offers(shop.world.connection, now=clock.now())
    await settle(shop.world)
    refused = await member.post(f"/drops/{drop}/list", data={"csrf_token": token_in(await member.get("/me"))})
    assert refused.status_code == 409
    assert (await member.get("/drops/D00000000000000")).status_code == 404
