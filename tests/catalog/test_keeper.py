import asyncio
import random
import threading
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg import AsyncConnection

from liyu.catalog.keeper import SnapshotKeeper
from liyu.catalog.load import load_items
from liyu.catalog.notify import STOCK_CHANNEL, announce_everything
from liyu.catalog.publish import publish_items
from liyu.catalog.records import ItemRecord
from liyu.catalog.service import set_state, set_stock
from liyu.catalog.snapshot import SORTS, Snapshot
from liyu.catalog.states import TRANSITIONS
from liyu.core.clock import FixedClock
from tests.catalog.conftest import NOW, ZONE, fetch
from tests.proofs import at_size

PATIENCE = 10.0
A_WHILE = 0.6


@pytest.fixture
async def keeper(
    connection: AsyncConnection[Any], demo_items: list[ItemRecord], database_url: str
) -> AsyncIterator[SnapshotKeeper]:
    opened = SnapshotKeeper(database_url, FixedClock(NOW))
    await opened.open()
    yield opened
    await opened.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - what is waited for is another process's commit
            await asyncio.sleep(0.02)


async def take(connection: AsyncConnection[Any], item_id: int, units: int) -> None:
    """What the desk does to the stock."""
    await connection.execute("UPDATE item_stock SET taken = taken + %s WHERE item_id = %s", (units, item_id))
    await connection.execute("SELECT pg_notify(%s, %s)", (STOCK_CHANNEL, str(item_id)))


def contents(snapshot: Snapshot) -> tuple[Any, ...]:
    lists = {sort: tuple(snapshot.lists.ordered(sort)) for sort in SORTS}
    return dict(snapshot.by_id), dict(snapshot.by_sku), dict(snapshot.stock), lists, snapshot.next_ending


def loaded_anew(database_url: str) -> tuple[Any, ...]:
    with psycopg.connect(database_url, autocommit=True) as loader:
        loaded = load_items(loader)
    return contents(Snapshot(loaded.items.values(), loaded.stock, NOW, 1, 1))


@pytest.mark.proof
async def test_the_snapshot_follows_any_edits(
    keeper: SnapshotKeeper, connection: AsyncConnection[Any], database_url: str, demo_items: list[ItemRecord]
) -> None:
    chance = random.Random(20261122)
    ids = dict(await fetch(connection, "SELECT sku, id FROM item WHERE kind <> 'code'"))
    for number in range(at_size(60, 600)):
        sku, item_id = chance.choice(list(ids.items()))
        match chance.randrange(5):
            case 0:
                [(state,)] = await fetch(connection, "SELECT state FROM item WHERE id = %s", item_id)
                if state in ("live", "paused"):
                    wanted = chance.choice(TRANSITIONS[state][:1])
                    await set_state(connection, item_id, wanted, actor="test", reason="x", now=NOW)
            case 1:
                await set_stock(connection, item_id, chance.choice([None, 500, 1_000]), now=NOW)
            case 2:
                await connection.execute("UPDATE item_stock SET total = NULL WHERE item_id = %s", (item_id,))
                await take(connection, item_id, chance.randrange(3))
            case 3:
                record = ItemRecord(sku=sku, points=chance.randrange(1_000), name_zh=f"改名{number}")
                await publish_items(connection, [record], actor="test", now=NOW, zone=ZONE)
            case _:
                record = ItemRecord(sku=f"NEW-{number}", kind="goods", name_zh=f"新品{number}", points=number, stock=5)
                await publish_items(connection, [record], actor="test", now=NOW, zone=ZONE)
        if number % 20 == 19:
            await until(lambda: contents(keeper.snapshot) == loaded_anew(database_url))
    assert keeper.snapshot.version > 1


async def test_stock_that_moves_while_items_load_is_not_lost(
    keeper: SnapshotKeeper, connection: AsyncConnection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    item, make_next = keeper.snapshot.by_sku["G-LAMP"], keeper._make_next
    loaded, may_go_on = threading.Event(), threading.Event()

    def make_next_slowly(*asked: Any) -> Any:
        made = make_next(*asked)
        loaded.set()
        assert may_go_on.wait(PATIENCE)
        return made

    monkeypatch.setattr(keeper, "_make_next", make_next_slowly)
    record = ItemRecord(sku=item.sku, points=item.points + 1)
    await publish_items(connection, [record], actor="test", now=NOW, zone=ZONE)
    await asyncio.to_thread(loaded.wait, PATIENCE)
    # The items are read, with the stock of then; what is taken now is read beside them.
    await take(connection, item.id, 3)
    await until(lambda: keeper.snapshot.stock_of(item).taken == 3)
    may_go_on.set()
    await until(lambda: keeper.snapshot.by_sku[item.sku].points == item.points + 1)
    assert keeper.snapshot.stock_of(item).taken == 3


async def test_nothing_is_told_before_the_commit(keeper: SnapshotKeeper, connection: AsyncConnection[Any]) -> None:
    item = keeper.snapshot.by_sku["G-LAMP"]
    async with connection.transaction():
        await set_stock(connection, item.id, 77, now=NOW)
        await asyncio.sleep(A_WHILE)
        assert keeper.snapshot.stock_of(item).total != 77
    await until(lambda: keeper.snapshot.stock_of(item).total == 77)


async def test_a_rollback_tells_nothing(keeper: SnapshotKeeper, connection: AsyncConnection[Any]) -> None:
    item, version = keeper.snapshot.by_sku["G-LAMP"], keeper.snapshot.version
    async with connection.transaction(force_rollback=True):
        await set_state(connection, item.id, "paused", actor="test", reason="x", now=NOW)
    await asyncio.sleep(A_WHILE)
    assert (keeper.snapshot.version, keeper.snapshot.by_sku["G-LAMP"]) == (version, item)


async def test_watchers_get_the_latest_stock_only(keeper: SnapshotKeeper, connection: AsyncConnection[Any]) -> None:
    item = keeper.snapshot.by_sku["LUCKIN-PAIR"]
    with keeper.subscribe() as watch:
        before = keeper.snapshot
        for _ in range(20):
            await take(connection, item.id, 1)
        await until(lambda: keeper.snapshot.stock_of(item).taken == 20)
        assert keeper.snapshot.version == before.version
        assert keeper.snapshot.lists is before.lists
        assert 1 <= keeper.snapshot.stock_version - before.stock_version <= 5
        async with asyncio.timeout(PATIENCE):
            async for changes in watch:
                assert [change.sku for change in changes] == ["LUCKIN-PAIR"]
                if changes[0].stock.taken == 20:
                    break


async def test_watches_end_with_the_keeper(keeper: SnapshotKeeper) -> None:
    watch = keeper.subscribe()

    async def listen() -> list[Any]:
        return [changes async for changes in watch]

    listening = asyncio.create_task(listen())
    await asyncio.sleep(0)
    await keeper.close()
    assert await asyncio.wait_for(listening, PATIENCE) == []


async def test_a_lost_connection_is_made_good(keeper: SnapshotKeeper, connection: AsyncConnection[Any]) -> None:
    item = keeper.snapshot.by_sku["G-LAMP"]
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'liyu-catalog'"
    )
    await connection.execute("UPDATE item_stock SET total = 4711 WHERE item_id = %s", (item.id,))
    await until(lambda: keeper.snapshot.stock_of(item).total == 4711)
    await set_stock(connection, item.id, 4712, now=NOW)
    await until(lambda: keeper.snapshot.stock_of(item).total == 4712)


async def test_a_suspended_partner_leaves_the_lists(keeper: SnapshotKeeper, connection: AsyncConnection[Any]) -> None:
    async with connection.transaction():
        await connection.execute("UPDATE partner SET state = 'suspended' WHERE code = 'LUCKIN'")
        await announce_everything(connection)
    await until(lambda: not keeper.snapshot.lists.filtered("partner", "LUCKIN", "recommended"))


async def test_items_leave_the_lists_when_their_sale_ends(
    connection: AsyncConnection[Any], demo_items: list[ItemRecord], database_url: str
) -> None:
    clock = FixedClock(NOW)
    keeper = SnapshotKeeper(database_url, clock)
    await connection.execute(
        "UPDATE item SET on_sale_to = %s WHERE sku = 'G-LAMP'", (NOW + timedelta(milliseconds=500),)
    )
    await keeper.open()
    try:
        assert "G-LAMP" in {item.sku for item in keeper.snapshot.items}
        clock.instant = NOW + timedelta(seconds=1)
        await until(lambda: "G-LAMP" not in {item.sku for item in keeper.snapshot.items})
    finally:
        await keeper.close()
