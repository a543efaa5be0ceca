"""Wallets and lists show their owner's rows, in the promised order, and nobody else's."""

from datetime import timedelta

import pytest

from liyu.core.clock import local_date
from liyu.core.errors import NotFoundError
from liyu.vouchers.expire import expire_vouchers
from liyu.vouchers.facts import mask_name, stores_of_item
from liyu.vouchers.queries import (
    count_by_store,
    count_wallet,
    verifications_of_partner,
    voucher_of_member,
    wallet_page,
)
from tests.vouchers.tills import Shops, open_shops
from tests.world import NOW, ZONE, open_world

TODAY = local_date(NOW, ZONE)


async def test_the_wallet_shows_what_runs_out_first_on_top(database_url: str) -> None:
    async with open_world(database_url) as world:
        shops = await open_shops(world)
        mine = [await shops.voucher() for _ in range(4)]
        await shops.voucher(member="m-2")
        for voucher, days in zip(mine, (30, 10, 20, -1), strict=True):
            await world.connection.execute(
                "UPDATE voucher SET expires_at = %s WHERE id = %s", (NOW + timedelta(days=days), voucher)
            )
        await shops.verify(mine[2])
        member_id = await world.one("SELECT id FROM member WHERE external_id = 'm-1'")
        for _ in range(2):
            groups = ("usable", "soon", "used", "expired")
            seen = [one for group in groups for one in await wallet_page(world.connection, member_id, group, NOW)]
            assert [one.id for one in seen] == [mine[1], mine[0], mine[1], mine[2], mine[3]]
            counts = await count_wallet(world.connection, member_id, NOW)
            assert counts == {"usable": 2, "soon": 1, "gifts": 0, "used": 1, "expired": 1}
            assert [one.is_usable(NOW) for one in seen] == [True, True, True, False, False]
            await expire_vouchers(world.connection, NOW)
        (second,) = await wallet_page(world.connection, member_id, "usable", NOW, offset=1, limit=5)
        assert (second.id, second.partner_zh) == (mine[0], "LUCK咖啡")


async def test_a_member_finds_own_vouchers_only(database_url: str) -> None:
    async with open_world(database_url) as world:
        shops = await open_shops(world)
        mine, other = await shops.voucher(), await shops.voucher(member="m-2")
        member_id = await world.one("SELECT id FROM member WHERE external_id = 'm-1'")
        found = await voucher_of_member(world.connection, member_id, mine)
        assert found.last_day(ZONE) == TODAY + timedelta(days=90)
        for foreign in (other, 999):
            with pytest.raises(NotFoundError):
                await voucher_of_member(world.connection, member_id, foreign)


async def _verify_some(shops: Shops) -> list[int]:
    voucher = await shops.voucher(uses=9)
    made = [
        await shops.verify(voucher, store=store, now=NOW + timedelta(hours=hours))
        for store, hours in (("SH1", 0), ("SH2", 1), ("SH1", 2), ("SH1", 24))
    ]
    await shops.verify(await shops.voucher(partner="TEA", member="m-2"), partner="TEA", store="BJ1")
    await shops.undo(made[2].verification_id, now=NOW + timedelta(hours=2))
    return [one.verification_id for one in made]


async def test_a_partner_sees_own_verifications_page_by_page(database_url: str) -> None:
    async with open_world(database_url) as world:
        shops = await open_shops(world)
        made = await _verify_some(shops)

        async def pages(**wish: object) -> list[int]:
            lines = await verifications_of_partner(
                world.connection,
                shops.partners["LUCK"],
                **{"day": None, "zone": ZONE, **wish},  # type: ignore[arg-type]
            )
            return [line.id for line in lines]

        assert await pages() == made[::-1]
        assert await pages(limit=2) == made[:1:-1]
        assert await pages(limit=2, before=made[2]) == [made[1], made[0]]
        assert await pages(day=TODAY) == made[2::-1]
        assert await pages(store_id=shops.stores["SH2"]) == [made[1]]
        lines = await verifications_of_partner(world.connection, shops.partners["LUCK"], day=TODAY, zone=ZONE)
        assert [line.undo_reason for line in lines] == ["wrong drink", None, None]


async def test_todays_count_leaves_out_what_was_taken_back(database_url: str) -> None:
    async with open_world(database_url) as world:
        shops = await open_shops(world)
        await _verify_some(shops)
        counts = await count_by_store(world.connection, shops.partners["LUCK"], day=TODAY, zone=ZONE)
        assert {count.code: count.count for count in counts} == {"SH1": 1, "SH2": 1}


async def test_an_item_is_taken_at_its_stores_or_at_all_of_its_partner(database_url: str) -> None:
    async with open_world(database_url) as world:
        shops = await open_shops(world)
        await shops.voucher()
        await shops.voucher(stores=("SH2",))
        found = await world.connection.execute("SELECT id FROM item ORDER BY id")
        everywhere, narrow = [row[0] for row in await found.fetchall()]
        assert [store.code for store in await stores_of_item(world.connection, everywhere)] == ["SH1", "SH2"]
        assert [store.code for store in await stores_of_item(world.connection, narrow)] == ["SH2"]


def test_a_name_is_masked_to_its_first_sign() -> None:
    assert [mask_name(name) for name in ("李雷", "Mia Chen", " 欧阳锋", "", None)] == ["李**", "M**", "欧**", "", ""]
