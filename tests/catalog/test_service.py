from typing import Any

import pytest
from psycopg import AsyncConnection

from liyu.catalog.errors import ItemNotFoundError, StateNotReachableError, StockBelowTakenError
from liyu.catalog.queries import ItemFilter, count_by_state, list_items, load_item
from liyu.catalog.records import ItemRecord
from liyu.catalog.service import StateChanged, StockChanged, set_state, set_stock
from liyu.catalog.states import STATES, TRANSITIONS
from tests.catalog.conftest import NOW, fetch

pytestmark = pytest.mark.usefixtures("demo_items")


async def item_id_of(connection: AsyncConnection[Any], sku: str) -> int:
    return int((await fetch(connection, "SELECT id FROM item WHERE sku = %s", sku))[0][0])


async def test_every_transition_of_the_table_works_and_no_other(connection: AsyncConnection[Any]) -> None:
    item_id = await item_id_of(connection, "G-LAMP")
    for before in STATES:
        for wanted in STATES:
            await connection.execute("UPDATE item SET state = %s WHERE id = %s", (before, item_id))
            changes = await fetch(connection, "SELECT count(*) FROM item_state_change")
            if wanted in TRANSITIONS[before]:
                changed = await set_state(connection, item_id, wanted, actor="staff:1", reason="why", now=NOW)
                assert changed == StateChanged(before, wanted)
                [(*row, _)] = await fetch(
                    connection,
                    "SELECT from_state, to_state, reason, actor, id FROM item_state_change ORDER BY id DESC LIMIT 1",
                )
                assert row == [before, wanted, "why", "staff:1"]
            else:
                with pytest.raises(StateNotReachableError):
                    await set_state(connection, item_id, wanted, actor="staff:1", reason="why", now=NOW)
                assert await fetch(connection, "SELECT count(*) FROM item_state_change") == changes
    with pytest.raises(ItemNotFoundError):
        await set_state(connection, 10**9, "paused", actor="staff:1", reason="why", now=NOW)


async def test_stock_never_goes_below_what_is_taken(connection: AsyncConnection[Any]) -> None:
    item_id = await item_id_of(connection, "G-LAMP")
    await connection.execute("UPDATE item_stock SET taken = 7 WHERE item_id = %s", (item_id,))
    before = (await load_item(connection, "G-LAMP")).item.total
    with pytest.raises(StockBelowTakenError) as refused:
        await set_stock(connection, item_id, 6, now=NOW)
    assert refused.value.values == {"taken": 7}
    assert (await load_item(connection, "G-LAMP")).item.total == before
    assert await set_stock(connection, item_id, 7, now=NOW) == StockChanged(before, 7)
    assert await set_stock(connection, item_id, None, now=NOW) == StockChanged(7, None)


async def test_the_console_pages_through_all_items(
    connection: AsyncConnection[Any], demo_items: list[ItemRecord]
) -> None:
    seen: list[str] = []
    after = None
    while True:
        page = await list_items(connection, ItemFilter(), after=after, size=30)
        seen += [line.sku for line in page.lines]
        after = page.next
        if after is None:
            break
    assert seen == [item.sku for item in reversed(demo_items)]


async def test_the_console_filters_and_counts(connection: AsyncConnection[Any]) -> None:
    await set_state(
        connection, await item_id_of(connection, "LUCKIN-PAIR"), "paused", actor="staff:1", reason="x", now=NOW
    )
    wanted = ItemFilter(text="瑞幸")
    assert await count_by_state(connection, wanted) == dict.fromkeys(STATES, 0) | {"live": 6, "paused": 1}
    paused = await list_items(connection, ItemFilter(text="luckin", state="paused"))
    assert [line.sku for line in paused.lines] == ["LUCKIN-PAIR"]
    assert (await list_items(connection, ItemFilter(text="100%"))).lines == []
    assert (await list_items(connection, ItemFilter(text="_"))).lines == []
    drops = await list_items(connection, ItemFilter(drops=True, kind="goods"))
    assert {line.sku for line in drops.lines} == {"G-LONGJING", "G-SUITCASE", "G-PUZZLE"}


async def test_a_partner_finds_its_own_items_only(connection: AsyncConnection[Any]) -> None:
    [(luckin,), (heytea,)] = await fetch(
        connection, "SELECT id FROM partner WHERE code IN ('LUCKIN', 'HEYTEA') ORDER BY id"
    )
    lines = (await list_items(connection, ItemFilter(partner_id=luckin))).lines
    assert {line.partner_code for line in lines} == {"LUCKIN"}
    page = await load_item(connection, "LUCKIN-PAIR", partner_id=luckin)
    assert [store.code for store in page.stores] == ["LUCKIN-SH01", "LUCKIN-SH02"]
    assert page.item.line_code == "LUCKIN-BULK"
    assert [change.to_state for change in page.changes] == ["live"]
    with pytest.raises(ItemNotFoundError):
        await load_item(connection, "LUCKIN-PAIR", partner_id=heytea)
