"""The log of why: what hosts asked for a member is in it, granted or refused, and what was held back before the desk."""

import pytest

from liyu.redemption.drops.attempts import Attempts
from liyu.redemption.drops.queries import read_log
from liyu.redemption.drops.tally import Tally
from liyu.redemption.errors import RefusedError
from tests.redemption.drops.shop import MINUTE, Shop, announce
from tests.world import World, open_world


async def _log(shop: Shop, member: str) -> list[tuple[str, list[str]]]:
    drop_id = await shop.world.one("SELECT id FROM drop")
    found = await read_log(shop.world.connection, drop_id, shop.sku, await shop.id_of(member))
    return [(line.what, [name for name, _ in line.reasons]) for line in found]


async def test_the_log_knows_what_a_host_was_answered_and_what_held_a_member_back(database_url: str) -> None:
    async with open_world(database_url) as world:
        await _attempt(world)


async def _attempt(world: World) -> None:
    shop = await announce(world, 1)
    drop_id, attempts, tally = await world.one("SELECT id FROM drop"), Attempts(), Tally()
    with pytest.raises(RefusedError) as early:
        await shop.redeem("m-0")
    attempts.note(drop_id, "m-0", early.value, now=shop.now)
    await shop.open()
    await shop.redeem("m-0")
    shop.world.clock.instant += MINUTE
    with pytest.raises(RefusedError) as late:
        await shop.redeem("m-0")
    attempts.note(drop_id, "m-0", late.value, now=shop.now)
    attempts.note(drop_id, "nobody", late.value, now=shop.now)
    tally.count(drop_id, "attention_wrong", now=shop.now, subject=f"member:{await shop.id_of('m-1')}")
    for news in (attempts, tally):
        assert news.has_news
        await news.write(world.connection)
        assert not news.has_news
    assert await _log(shop, "m-0") == [
        ("refused", ["not_yet_on_sale"]),
        ("granted", []),
        ("refused", ["sold_out", "limit_reached"]),
    ]
    assert await _log(shop, "m-1") == [("attention_wrong", [])]
    assert await _log(shop, "m-2") == []
