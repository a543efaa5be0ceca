"""The tier page and the card: what is missing and by when, why, and a loss that blocks at once."""

from datetime import timedelta
from typing import Any

import httpx

from liyu.core.clock import FixedClock
from liyu.members.tiers.evaluate import evaluate_tiers
from tests.web.conftest import Client
from tests.web.console.acts import submit, texts_of
from tests.web.mall.conftest import Shop


async def words(client: httpx.AsyncClient, path: str = "/tier") -> str:
    return texts_of(await client.get(path))


async def test_the_tier_page_says_what_is_missing_to_rise_and_to_keep_and_by_when(
    member: Client, shop: Shop, clock: FixedClock
) -> None:
    await shop.world.post(shop.world.purchase("M1", 25_000))
    page = await words(member)
    assert "1,750 more to Gold" in page
    assert "750 more to keep Silver" in page
    assert "By 30 Nov 2028." in page
    assert "Otherwise you become Member." in page
    assert "Threshold reached. 1,000 growth value; 1,000 were needed. Valid through 30 Nov 2028." in page
    await shop.world.post(shop.world.purchase("M1", 80_000))
    assert "Silver is kept" in await words(member)


async def test_the_history_tells_a_fall_in_plain_words(member: Client, shop: Shop, clock: FixedClock) -> None:
    await shop.world.connection.execute("UPDATE member SET tier_until = %s", (clock.now().date() - timedelta(days=1),))
    await evaluate_tiers(shop.world.connection, clock.now().date(), now=clock.now())
    page = await words(member)
    assert "Silver → Member" in page
    assert "Not enough growth in the period. 0 growth value in the period; 1,000 were needed to keep it." in page


async def test_a_member_reports_the_card_lost_and_gets_another(member: Client, shop: Shop) -> None:
    async def number() -> Any:
        return await shop.world.one("SELECT card_number FROM member WHERE external_id = 'M1'")

    old = await number()
    assert (await submit(member, "/card", "/card/loss", why="bored")).status_code == 422
    assert (await submit(member, "/card", "/card/new")).status_code == 409
    assert await number() == old
    assert (await submit(member, "/card", "/card/loss", why="stolen")).status_code == 303
    assert await number() is None
    page = await words(member, "/card")
    assert "will never be valid again" in page
    assert "Card blocked" in await words(member, "/me")
    assert (await submit(member, "/card", "/card/new")).status_code == 303
    assert await number() not in (None, old)
    page = await words(member, "/card")
    assert f"Card {old} blocked" in page
    assert "It was stolen" in page
    assert await shop.world.balances("M1") == {"points": 1_000, "pending": 0, "debt": 0}
