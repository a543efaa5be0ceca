"""Favourites: told once when one comes within reach or is back, never for what was so already."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from psycopg import AsyncConnection

from liyu.catalog.errors import TooManyFavouritesError
from liyu.catalog.favourites import (
    MOST_FAVOURITES,
    MOST_SEEN,
    load_kept,
    look_at_item,
    mark_favourite,
    unmark_favourite,
    watch_favourites,
)
from liyu.members.notices import KEPT, Notice, forget_old_notices, list_notices, mark_read
from liyu.members.queries import find_member_id
from tests.world import NOW, World, open_world


async def watch(world: World, member: int) -> list[tuple[str, str]]:
    """What a watch tells the member that they had not been told."""
    last = [notice.id for notice in await notices(world, member)]
    await watch_favourites(world.connection, now=world.clock.now())
    return [(notice.topic, notice.subject) for notice in await notices(world, member) if notice.id not in last]


async def notices(world: World, member: int) -> list[Notice]:
    return (await list_notices(world.connection, member)).notices


async def favourite(world: World, member: int, **facts: Any) -> int:
    sku = await world.item(**{"sku": f"F-{next(world.keys)}", **facts})
    item: int = await world.one("SELECT id FROM item WHERE sku = %s", sku)
    await mark_favourite(world.connection, member, item, now=world.clock.now())
    return item


async def test_members_are_told_once_when_their_points_are_enough(database_url: str) -> None:
    async with open_world(database_url) as world:
        me = await find_member_id(world.connection, await world.member("m", points=100))
        await favourite(world, me, sku="NEAR", points=150)
        await favourite(world, me, sku="HAD", points=50)
        await favourite(world, me, sku="GOLD", points=50, tier="gold")
        assert await watch(world, me) == []
        await world.post(world.purchase("m", 10_000))
        assert await watch(world, me) == [("item_affordable", "NEAR")]
        assert await watch(world, me) == []
        (told,) = await notices(world, me)
        assert told.details == {"item": {"zh": "NEAR", "en": "NEAR"}, "points": 150}
        # Spent and earned again before it was read: one word is enough. Read, it is worth another.
        for read in (False, True):
            if read:
                await mark_read(world.connection, me, told.id, now=NOW)
            await world.redeem("m", await world.item(f"else-{read}", points=100))
            assert await watch(world, me) == []
            await world.post(world.purchase("m", 10_000))
            assert await watch(world, me) == ([("item_affordable", "NEAR")] if read else [])


async def test_members_are_told_when_it_is_back_or_opens_and_not_when_it_goes(database_url: str) -> None:
    async with open_world(database_url) as world:
        me = await find_member_id(world.connection, await world.member("m", points=10))
        rare = await favourite(world, me, sku="RARE", points=1_000, stock=1)
        await favourite(world, me, sku="SOON", points=1_000, on_sale_from=NOW + timedelta(hours=1))
        await world.connection.execute("UPDATE item_stock SET taken = 1 WHERE item_id = %s", (rare,))
        assert await watch(world, me) == []
        await world.connection.execute("UPDATE item_stock SET taken = 0 WHERE item_id = %s", (rare,))
        assert await watch(world, me) == [("item_available", "RARE")]
        world.clock.instant += timedelta(hours=1)
        assert await watch(world, me) == [("item_available", "SOON")]
        await unmark_favourite(world.connection, me, rare)
        for taken in (1, 0):
            await world.connection.execute("UPDATE item_stock SET taken = %s WHERE item_id = %s", (taken, rare))
            assert await watch(world, me) == []


async def test_two_workers_at_once_tell_once(database_url: str) -> None:
    async with open_world(database_url) as world:
        members = [await find_member_id(world.connection, await world.member(f"m{number}")) for number in range(20)]
        for member in members:
            await favourite(world, member, points=10)
        await world.post(*(world.purchase(f"m{number}", 1_000) for number in range(20)))
        async with await AsyncConnection.connect(database_url, autocommit=True) as another:
            told = await asyncio.gather(
                *(watch_favourites(connection, now=NOW) for connection in (world.connection, another))
            )
        # Whom one worker holds, the other leaves alone: it never waits, and never tells twice.
        assert sum(told) == 20
        assert await world.one("SELECT count(*) FROM member_notice") == 20


async def test_favourites_and_what_was_seen_are_bounded(database_url: str) -> None:
    async with open_world(database_url) as world:
        me = await find_member_id(world.connection, await world.member("m"))
        first = await favourite(world, me)
        await world.connection.execute(
            """WITH made AS (INSERT INTO item (sku, kind, state, name_zh, name_en, summary_zh, summary_en, description_zh,
                    description_en, rules_zh, rules_en, scene, points, cash_minor, value_minor, is_drop, voucher_days, uses,
                    position, created_at, changed_at)
                SELECT 'X' || n, 'goods', 'live', 'x', 'x', '', '', '', '', '[]', '[]', 'home', 1, 0, 0, false, 1, 1, 0, now(),
                    now()
                FROM generate_series(1, %s) AS n RETURNING id)
            INSERT INTO item_stock (item_id, taken) SELECT id, 0 FROM made""",
            (MOST_FAVOURITES,),
        )
        found = await world.connection.execute("SELECT id FROM item WHERE sku LIKE 'X%%' ORDER BY id")
        others = [item for (item,) in await found.fetchall()]
        for item in others[: MOST_FAVOURITES - 1]:
            await mark_favourite(world.connection, me, item, now=NOW)
        with pytest.raises(TooManyFavouritesError):
            await mark_favourite(world.connection, me, others[-1], now=NOW)
        await mark_favourite(world.connection, me, first, now=NOW)
        assert len((await load_kept(world.connection, me)).favourites) == MOST_FAVOURITES
        for minute, item in enumerate([*others[:20], others[0]]):
            glance = await look_at_item(world.connection, me, item, now=NOW + timedelta(minutes=minute))
        assert glance.is_favourite
        assert glance.seen == others[19 : 20 - MOST_SEEN : -1]
        assert (await load_kept(world.connection, me)).seen == [others[0], *glance.seen]


async def test_notices_are_read_by_their_member_alone_and_forgotten_after_a_while(database_url: str) -> None:
    async with open_world(database_url) as world:
        ids = [await find_member_id(world.connection, await world.member(name)) for name in ("a", "b")]
        for one in ids:
            await favourite(world, one, sku="IT" if one == ids[0] else "IT2", points=10)
        await world.post(*(world.purchase(name, 1_000) for name in ("a", "b")))
        await watch_favourites(world.connection, now=NOW)
        await mark_read(world.connection, ids[0], 10**9, now=NOW)
        assert [[notice.read_at is None for notice in await notices(world, one)] for one in ids] == [[False], [True]]
        assert await forget_old_notices(world.connection, now=NOW + KEPT) == 0
        assert await forget_old_notices(world.connection, now=NOW + KEPT + timedelta(seconds=1)) == 2
