"""The wallet by distance: every voucher at the nearest open store that takes it, as counting by hand has it."""

from datetime import timedelta

import pytest

from liyu.vouchers.facts import stores_of_item
from liyu.vouchers.nearby import Place, nearest_first, wallet_nearest_first
from tests.vouchers.tills import open_shops
from tests.world import NOW, World, open_world

HERE = Place(31.2304, 121.4737)

_MANY_STORES = """
    INSERT INTO store (partner_id, code, name_zh, name_en, city_zh, city_en, address_zh, address_en, opening_hours, active,
        latitude, longitude)
    SELECT p.id, p.code || '-' || n, p.code || n, p.code || n, '上海', 'Shanghai', '路', 'Road', '', n %% 7 > 0,
        CASE WHEN n %% 5 > 0 THEN 18 + (n * 7919 %% 30000) / 1000.0 END,
        CASE WHEN n %% 5 > 0 THEN 75 + (n * 104729 %% 60000) / 1000.0 END
    FROM partner p CROSS JOIN generate_series(1, %s) AS n"""
_MANY_ITEMS = """
    WITH made AS (
        INSERT INTO item SELECT (jsonb_populate_record(k.item, jsonb_build_object('id', 900000 + n, 'sku', 'near-' || n,
            'partner_id', CASE WHEN n %% 11 > 0 THEN (SELECT id FROM partner ORDER BY id OFFSET n %% 2 LIMIT 1) END))).*
        FROM (SELECT item FROM item LIMIT 1) AS k CROSS JOIN generate_series(1, %s) AS n RETURNING id)
    INSERT INTO voucher SELECT (jsonb_populate_record(k.voucher, jsonb_build_object('id', 900000 + m.id, 'item_id', m.id,
        'member_id', NULL, 'redemption_id', NULL, 'holder_id', (k.voucher).member_id,
        'expires_at', (k.voucher).expires_at + m.id %% 9 * interval '1 day'))).*
    FROM made m CROSS JOIN (SELECT voucher FROM voucher LIMIT 1) AS k"""
_MANY_NAMED = """
    INSERT INTO item_store SELECT i.id, s.id FROM item i JOIN store s ON s.partner_id = i.partner_id
    WHERE i.id > 900000 AND i.id %% 3 = 0 AND s.id %% 97 = i.id %% 97"""


async def _fill(world: World, *, stores: int, vouchers: int) -> int:
    """So many stores, some shut or of an unknown place; vouchers of as many items, some of which name their stores."""
    shops = await open_shops(world)
    await shops.voucher(agreement=False)
    await world.connection.execute(_MANY_STORES, (stores // 2,))
    await world.connection.execute(_MANY_ITEMS, (vouchers,))
    await world.connection.execute(_MANY_NAMED.replace("%%", "%"))
    return int(await world.one("SELECT id FROM member WHERE external_id = 'm-1'"))


async def test_the_wallet_goes_by_the_nearest_store_that_takes_each(database_url: str) -> None:
    async with open_world(database_url) as world:
        member_id = await _fill(world, stores=400, vouchers=60)
        for here in (HERE, Place(-33.9, 18.4)):
            shown = await wallet_nearest_first(world.connection, member_id, "usable", here, NOW, limit=100)
            assert len(shown) == 61
            expected = []
            for voucher in shown:
                near = nearest_first(await stores_of_item(world.connection, voucher.item_id), here)
                known = [one for one in near if one.metres is not None]
                metres = known[0].metres if known else None
                assert voucher.metres == pytest.approx(metres, abs=1) if known else voucher.metres is None
                assert voucher.store_en in {one.store.name_en for one in known if one.metres == metres} or not known
                expected.append((metres is None, metres or 0, voucher.expires_at, voucher.id))
            assert expected == sorted(expected)
            pages = [
                await wallet_nearest_first(world.connection, member_id, "usable", here, NOW, offset=offset)
                for offset in (0, 30, 60)
            ]
            assert [one.id for page in pages for one in page] == [one.id for one in shown]
        assert sum(one.metres is None for one in shown) > 1
        assert not await wallet_nearest_first(world.connection, member_id, "usable", HERE, NOW + timedelta(days=900))
        assert not await wallet_nearest_first(world.connection, member_id + 1, "usable", HERE, NOW)
