"""Two desk processes on one database. Each guarantee holds with its guards, and is seen to break without them.

Every run leaves all the time between reading and writing that a race needs, so that what holds it back is the guard and not luck.
"""

import asyncio
import random
from collections import Counter

import psycopg
import pytest

from liyu.core.errors import DomainError
from liyu.redemption.cancel import cancel_redemption
from liyu.redemption.desk import Redeemed
from liyu.redemption.persons import name_same_person
from liyu.redemption.state import RedeemRequest
from tests.races.processes import granted, race
from tests.world import NOW, ZONE, World, open_world

PAUSE = 0.1
LONG_PAUSE = 1.2
MEMBERS = 24
STOCK = 7


async def _drop(world: World, *guards: tuple[str, str]) -> None:
    for table, constraint in guards:
        await world.connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {constraint}")


async def _crowd(world: World, sku: str) -> tuple[list[RedeemRequest], list[RedeemRequest]]:
    members = await world.members(*(f"m-{number}" for number in range(MEMBERS)), points=1_000)
    return [world.wish(member, sku) for member in members], [world.wish(member, sku) for member in reversed(members)]


async def test_two_processes_give_out_exactly_what_there_is(database_url: str) -> None:
    async with open_world(database_url) as world:
        first, second = await _crowd(world, await world.item(stock=STOCK))
        outcomes = await race(database_url, first, second, pause=PAUSE, batch_size=5)
        assert len(granted(outcomes)) == STOCK
        assert len(outcomes) == 2 * MEMBERS
        assert await world.one("SELECT taken FROM item_stock") == STOCK


async def test_without_locks_the_check_still_keeps_the_stock(database_url: str) -> None:
    async with open_world(database_url) as world:
        first, second = await _crowd(world, await world.item(stock=STOCK))
        outcomes = await race(database_url, first, second, unguarded=True, pause=LONG_PAUSE, batch_size=5)
        assert len(granted(outcomes)) == STOCK


async def test_without_locks_and_check_the_stock_is_oversold(database_url: str) -> None:
    async with open_world(database_url) as world:
        await _drop(world, ("item_stock", "ck_item_stock_never_oversold"))
        first, second = await _crowd(world, await world.item(stock=STOCK))
        outcomes = await race(database_url, first, second, unguarded=True, pause=LONG_PAUSE, batch_size=5)
        assert len(granted(outcomes)) > STOCK


async def _limited_twice(world: World) -> tuple[list[RedeemRequest], list[RedeemRequest]]:
    """Wishes of one member for an item with a limit for a lifetime, and for one with a limit for each day."""
    skus = await world.item("ever", per_member_limit=2), await world.item("daily", per_day_limit=2)
    await world.member("m", points=10_000)
    wishes = [[world.wish("m", sku) for _ in range(4) for sku in skus] for _ in range(2)]
    return wishes[0], wishes[1]


_HAD = """
    SELECT json_object_agg(sku, had)
    FROM (SELECT i.sku, count(*) AS had FROM redemption r JOIN item i ON i.id = r.item_id GROUP BY 1) AS orders"""


async def test_a_member_gets_no_more_than_the_limits_from_two_processes(database_url: str) -> None:
    async with open_world(database_url) as world:
        outcomes = await race(database_url, *await _limited_twice(world), pause=PAUSE, batch_size=4)
        assert await world.one(_HAD) == {"ever": 2, "daily": 2}
        assert Counter(line[0] for line in outcomes) == {"granted": 4, "refused": 12}


async def test_without_guards_a_member_gets_beyond_the_limits(database_url: str) -> None:
    async with open_world(database_url) as world:
        await _drop(world, ("limit_use", "ck_limit_use_within_limit"))
        await race(database_url, *await _limited_twice(world), unguarded=True, pause=LONG_PAUSE, batch_size=8)
        assert all(had > 2 for had in (await world.one(_HAD)).values())


async def _same_person(world: World, limit: int) -> tuple[list[RedeemRequest], list[RedeemRequest]]:
    sku = await world.item(per_person_limit=limit)
    members = await world.members(*(f"m-{number}" for number in range(6)), points=1_000)
    async with world.connection.transaction():
        for member in members[1:]:
            await name_same_person(world.connection, member, members[0])
    return [world.wish(one, sku) for one in members], [world.wish(one, sku) for one in reversed(members)]


async def test_a_person_gets_no_more_than_the_limit_over_all_their_memberships(database_url: str) -> None:
    async with open_world(database_url) as world:
        outcomes = await race(database_url, *await _same_person(world, 2), pause=PAUSE, batch_size=2)
        assert len(granted(outcomes)) == 2
        assert await world.one("SELECT used FROM limit_use WHERE period = 'person'") == 2


async def test_without_locks_the_check_still_keeps_the_limit_for_each_person(database_url: str) -> None:
    async with open_world(database_url) as world:
        outcomes = await race(
            database_url, *await _same_person(world, 2), unguarded=True, pause=LONG_PAUSE, batch_size=2
        )
        assert len(granted(outcomes)) == 2


async def test_without_guards_a_person_gets_beyond_the_limit(database_url: str) -> None:
    async with open_world(database_url) as world:
        await _drop(world, ("limit_use", "ck_limit_use_within_limit"))
        outcomes = await race(
            database_url, *await _same_person(world, 2), unguarded=True, pause=LONG_PAUSE, batch_size=2
        )
        assert len(granted(outcomes)) > 2


async def test_points_are_spent_once_by_two_processes(database_url: str) -> None:
    async with open_world(database_url) as world:
        sku = await world.item(points=100)
        await world.member("m", points=250)
        outcomes = await race(database_url, *_repeated(world, sku, 4), pause=PAUSE, batch_size=1)
        assert len(granted(outcomes)) == 2
        assert (await world.balances("m"))["points"] == 50


async def test_without_guards_points_are_spent_twice(database_url: str) -> None:
    async with open_world(database_url) as world:
        await _drop(world, ("lot", "ck_lot_never_below_zero"), ("account", "ck_account_balance_has_its_sign"))
        sku = await world.item(points=100)
        await world.member("m", points=250)
        # Both processes read the same 250 points and decide all their wishes on them.
        await race(database_url, *_repeated(world, sku, 4), unguarded=True, pause=LONG_PAUSE, batch_size=8)
        assert (await world.balances("m"))["points"] < 0


async def test_the_same_key_at_two_processes_is_one_redemption(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.member("m", points=1_000)
        wishes = [world.wish("m", await world.item())]
        outcomes = await race(database_url, wishes, wishes, pause=PAUSE)
        assert len(granted(outcomes)) == 2
        assert len(set(granted(outcomes))) == 1
        assert (await world.balances("m"))["points"] == 900


async def test_without_guards_the_same_key_is_redeemed_twice(database_url: str) -> None:
    async with open_world(database_url) as world:
        await _drop(world, ("idempotent_answer", "pk_idempotent_answer"))
        await world.member("m", points=1_000)
        wishes = [world.wish("m", await world.item())]
        outcomes = await race(database_url, wishes, wishes, unguarded=True, pause=LONG_PAUSE)
        assert len(set(granted(outcomes))) == 2


def _repeated(world: World, sku: str, times: int) -> tuple[list[RedeemRequest], list[RedeemRequest]]:
    return [world.wish("m", sku) for _ in range(times)], [world.wish("m", sku) for _ in range(times)]


async def test_redeeming_earning_returning_and_cancelling_at_once_keeps_the_books(database_url: str) -> None:
    """The world proves its books when it is left; here everything that moves points moves them at the same time."""
    async with open_world(database_url) as world, world.desk() as one, world.desk() as other:
        members = await world.members(*(f"m-{number}" for number in range(6)), points=2_000)
        skus = [await world.item(f"item-{number}", points=70 + number, stock=40) for number in range(3)]
        draw = random.Random(7)

        async def redeem_and_cancel() -> None:
            desk = draw.choice((one, other))
            try:
                redeemed = await desk.redeem(world.wish(draw.choice(members), draw.choice(skus), draw.randint(1, 2)))
            except DomainError:
                return
            if draw.random() < 0.4:
                await _cancel(database_url, redeemed)

        async def move() -> None:
            async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
                side = World(database_url, connection, world.clock, world.keys)
                amount = draw.randint(100, 90_000)
                await side.post(side.event(draw.choice(members), draw.choice(("purchase", "return")), amount))

        await asyncio.gather(*(redeem_and_cancel() for _ in range(120)), *(move() for _ in range(60)))
        assert await world.one("SELECT count(*) FROM redemption WHERE state = 'cancelled'") > 0


async def _cancel(url: str, redeemed: Redeemed) -> None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection, connection.transaction():
        await cancel_redemption(
            connection, redeemed.number, member_id=None, reason="changed_mind", actor="test", now=NOW, zone=ZONE
        )


@pytest.mark.parametrize("members", [1, 8])
async def test_stock_comes_back_as_often_as_it_is_cancelled(database_url: str, members: int) -> None:
    async with open_world(database_url) as world, world.desk() as desk:
        sku = await world.item(stock=members)
        crowd = await world.members(*(f"m-{number}" for number in range(members)), points=1_000)
        for _ in range(3):
            redeemed = await asyncio.gather(*(desk.redeem(world.wish(member, sku)) for member in crowd))
            assert await world.one("SELECT taken FROM item_stock") == members
            await asyncio.gather(*(_cancel(database_url, one) for one in redeemed for _ in range(2)))
            assert await world.one("SELECT taken FROM item_stock") == 0
