"""Every change of an item is a version, and any version can be said again."""

from typing import Any

import pytest
from psycopg import AsyncConnection

from liyu.catalog.errors import FileFaultyError
from liyu.catalog.publish import publish_items
from liyu.catalog.records import ItemRecord
from liyu.catalog.service import set_state, set_stock
from liyu.catalog.versions import differences, list_versions, restore_version
from liyu.core.errors import NotFoundError
from tests.catalog.conftest import NOW, ZONE, fetch


async def _publish(connection: AsyncConnection[Any], **facts: Any) -> None:
    records = [ItemRecord(**facts)]
    await publish_items(connection, records, actor="staff:1", now=NOW, zone=ZONE, keep_states=True)


async def test_an_earlier_version_is_said_again_and_variants_follow(connection: AsyncConnection[Any]) -> None:
    first = {"name_zh": "杯", "points": 100, "stock": 5, "cities": ["上海"], "tier_prices": {"gold": 80}}
    await _publish(connection, sku="CUP", kind="goods", **first)
    await _publish(connection, sku="CUP-L", name_zh="杯", points=120, variant_of="CUP", variant_zh="大", kind="goods")
    await _publish(connection, sku="CUP", name_zh="茶杯", points=90, stock=8, cities=None)
    await _publish(connection, sku="CUP", name_zh="茶杯", points=90)
    ((item_id,),) = await fetch(connection, "SELECT id FROM item WHERE sku = 'CUP'")
    await set_stock(connection, item_id, 9, now=NOW, actor="staff:2")
    versions = await list_versions(connection, item_id)
    assert [(one.number, one.actor) for one in versions] == [(3, "staff:2"), (2, "staff:1"), (1, "staff:1")]
    changed = {one.field: (one.before, one.after) for one in differences(versions[2].facts, versions[1].facts)}
    assert changed == {
        "name_zh": ("杯", "茶杯"), "points": (100, 90), "cities": (["上海"], None), "total": (5, 8),
    }  # fmt: skip
    await set_state(connection, item_id, "paused", actor="staff:1", reason="", now=NOW)
    restored = await restore_version(connection, "CUP", 1, actor="staff:3", now=NOW, zone=ZONE)
    assert {one.field for one in restored} == {"name_zh", "points", "cities", "total"}
    now_said = (await list_versions(connection, item_id))[0]
    assert (now_said.number, now_said.reason, differences(now_said.facts, versions[2].facts)) == (4, "restored:1", [])
    assert await fetch(connection, "SELECT state, name_zh, points FROM item ORDER BY id") == [
        ("paused", "杯", 100), ("paused", "杯", 120),
    ]  # fmt: skip


async def test_a_version_with_less_than_is_taken_is_not_said_again(connection: AsyncConnection[Any]) -> None:
    await _publish(connection, sku="CUP", kind="goods", name_zh="杯", points=1, stock=1)
    await _publish(connection, sku="CUP", points=2, stock=5)
    await connection.execute("UPDATE item_stock SET taken = 3")
    for number, refusal in ((1, FileFaultyError), (7, NotFoundError)):
        with pytest.raises(refusal):
            await restore_version(connection, "CUP", number, actor="staff:1", now=NOW, zone=ZONE)
    assert await fetch(connection, "SELECT points, total FROM item i JOIN item_stock s ON s.item_id = i.id") == [(2, 5)]
    assert await fetch(connection, "SELECT count(*) FROM item_version") == [(2,)]
