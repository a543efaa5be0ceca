"""Recalled codes at the desk: nobody gets one any more, and who cannot be served gets the points back."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from psycopg import AsyncConnection

from liyu.catalog.pools.imports import import_codes, split_codes
from liyu.catalog.pools.recall import Recall, recall_codes
from liyu.redemption.recall import refund_recall
from tests.world import NOW, ZONE, World, open_world

SECRET = "a-secret-for-tests-" + "0" * 32


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """m-1 and m-2 with 1,000 points each, and a pool without codes."""
    async with open_world(database_url) as made:
        await made.item("codes", kind="code", stock=0)
        for name in ("m-1", "m-2"):
            await made.member(name, points=1_000)
        yield made


async def bring(world: World, *codes: str) -> int:
    given = split_codes("\n".join(codes))
    done = await import_codes(world.connection, "codes", given, secret_key=SECRET, actor="test", now=NOW)
    return done.import_id


async def recall(world: World, import_id: int) -> int:
    async with await AsyncConnection.connect(world.url, autocommit=True) as connection:
        done = await recall_codes(
            connection, "codes", Recall("bad", import_id), secret_key=SECRET, actor="test", now=NOW
        )
    return done.recall_id


async def test_points_come_back_where_every_code_is_missing_and_only_there(world: World) -> None:
    bad = await bring(world, "BAD-1", "BAD-2")
    whole = (await world.redeem("m-1", "codes")).number
    mixed = (await world.redeem("m-2", "codes")).number
    await bring(world, "GOOD-1")
    await world.connection.execute(
        "UPDATE pool_code SET redemption_id = (SELECT id FROM redemption WHERE number = %s) WHERE import_id <> %s",
        (mixed, bad),
    )
    await world.connection.execute("UPDATE item_stock SET taken = 3, total = 3")
    await world.connection.execute("UPDATE redemption SET quantity = 2 WHERE number = %s", (mixed,))
    done = await recall(world, bad)
    for expected in (1, 0):
        assert await refund_recall(world.connection, done, actor="test", now=NOW, zone=ZONE) == expected
    assert (await world.balances("m-1"))["points"] == 1_000
    assert (await world.balances("m-2"))["points"] == 900
    states = await (await world.connection.execute("SELECT number, state FROM redemption")).fetchall()
    assert dict(states) == {whole: "refunded", mixed: "completed"}
    assert await world.one("SELECT array[total, taken] FROM item_stock") == [2, 2]
    # What comes in now goes to whoever still waits, and nothing to an order that was given back.
    await bring(world, "NEW-1", "NEW-2")
    assert await world.one("SELECT count(*) FROM pool_code WHERE replaced_by IS NOT NULL") == 1
    assert await world.one("SELECT array[total, taken] FROM item_stock") == [3, 2]


async def test_recall_and_redemptions_at_once_leave_nobody_with_a_bad_code(world: World) -> None:
    bad = await bring(world, *(f"BAD-{number}" for number in range(30)))
    await bring(world, *(f"GOOD-{number}" for number in range(40)))
    async with world.desk() as first, world.desk() as second:
        wishes = [
            desk.redeem(world.wish(member, "codes"))
            for _ in range(9)
            for desk, member in ((first, "m-1"), (second, "m-2"))
        ]
        *_, recall_id = await asyncio.gather(*wishes, recall(world, bad))
    # The points lasted for nine each.
    assert await world.one("SELECT taken FROM item_stock") == 18
    assert await world.one("SELECT count(*) FROM redemption") == 18
    broken = await world.one(
        "SELECT count(*) FROM redemption r WHERE r.quantity <> (SELECT count(*) FROM pool_code c "
        "WHERE c.redemption_id = r.id AND c.recall_id IS NULL)"
    )
    assert broken == 0
    free = await world.one("SELECT count(*) FROM pool_code WHERE redemption_id IS NULL AND recall_id IS NULL")
    assert (await world.one("SELECT total - taken FROM item_stock"), free) == (22, 22)
    assert await world.one("SELECT count(*) FROM pool_code WHERE recall_id = %s", recall_id) == 30
