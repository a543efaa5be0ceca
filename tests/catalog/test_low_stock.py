"""What runs out: pools by their forecast, stock by what is left, each partner's own."""

from datetime import timedelta

from liyu.catalog.low_stock import list_low_stock
from liyu.catalog.pools.imports import import_codes, split_codes
from liyu.catalog.pools.watch import set_watch
from liyu.partners.scope import EVERY_PARTNER
from tests.world import NOW, ZONE, open_world

SECRET = "a secret key of at least thirty-two characters"


async def test_low_stock_and_pools_are_found_for_whom_they_concern(database_url: str) -> None:
    async with open_world(database_url) as world:
        connection = world.connection
        partner = await world.one(
            "INSERT INTO partner (code, name_zh, name_en, category, state, created_at) "
            "VALUES ('P', '商', 'P', 'coffee', 'active', now()) RETURNING id"
        )
        await world.member(points=10_000)
        stocks = {"plenty": 100, "low": 10, "gone": 1, "endless": None, "drop": 10, "over": 10, "paused": 10}
        for sku, stock in stocks.items():
            await world.item(sku, points=1, stock=stock)
        for sku, taken in (("low", 9), ("gone", 1), ("drop", 9), ("over", 9), ("paused", 9), ("plenty", 1)):
            await world.redeem("m-1", sku, taken)
        for sku in ("pool", "full", "empty"):
            await world.item(sku, kind="code", stock=0)
        await connection.execute("UPDATE item SET is_drop = true WHERE sku = 'drop'")
        await connection.execute("UPDATE item SET on_sale_to = %s WHERE sku = 'over'", (NOW - timedelta(hours=1),))
        await connection.execute("UPDATE item SET state = 'paused' WHERE sku = 'paused'")
        await connection.execute("UPDATE item SET partner_id = %s WHERE sku IN ('low', 'pool')", (partner,))
        for sku in ("pool", "full"):
            codes = split_codes("\n".join(f"{sku}-{number}" for number in range(5)))
            await import_codes(connection, sku, codes, secret_key=SECRET, actor="t", now=NOW)
        pool = await world.one("SELECT id FROM item WHERE sku = 'pool'")
        await set_watch(connection, pool, low_at=5, lead_days=14)
        everything = await list_low_stock(EVERY_PARTNER, connection, now=NOW, zone=ZONE)
        assert [(one.sku, one.left, one.is_pool) for one in everything] == [
            ("empty", 0, True), ("gone", 0, False), ("low", 1, False), ("pool", 5, True)
        ]  # fmt: skip
        own = await list_low_stock(partner, connection, now=NOW, zone=ZONE)
        assert [one.sku for one in own] == ["low", "pool"]
