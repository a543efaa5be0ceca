"""The rush at a drop over several servers and workers: exactly what there is, nobody beyond the limit, whatever is killed.

In `make prove` alone: 20,000 attempts by 5,000 members at a drop of 500 over two servers and two workers, once undisturbed and once
while servers, workers or PostgreSQL are killed thirty times. The short form, on desks alone, stands in `test_killed_desk.py`.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from liyu.core.clock import FixedClock
from liyu.core.embedded import EmbeddedPostgres
from liyu.core.migrations import upgrade
from liyu.redemption.cancel import cancel_redemption
from liyu.redemption.drops.hand_on import lapse_offers
from liyu.redemption.drops.service import DropPlan, WavePlan, announce_drop, plan_drop
from liyu.redemption.drops.waiting import join_list
from liyu.redemption.payments.settle import settle_due
from tests.faults.rush import Installation, Rush
from tests.world import ZONE, World, open_world

ATTEMPTS = 20_000
MEMBERS = 5_000
UNITS = 500
KILLS = 30
SERVERS = WORKERS = 2
CONNECTIONS = 64
WAITING = 10
KILL_SECONDS = (0.05, 1.5)

pytestmark = pytest.mark.proof


@pytest.fixture
async def installation(tmp_path: Path) -> AsyncIterator[Installation]:
    """An installation with a PostgreSQL of its own, which keeps what it has acknowledged and can be killed."""
    postgres = EmbeddedPostgres(tmp_path / "database")
    made = Installation(tmp_path, postgres.start(), postgres)
    await asyncio.to_thread(upgrade, made.url)
    try:
        yield made
    finally:
        made.stop()
        postgres.release(wait=True)


async def _open_drop(world: World) -> str:
    """A drop of which the first wave has just opened, with a limit for each member."""
    now = world.clock.now()
    sku = await world.item("rush", stock=1, points=10, per_member_limit=1)
    async with world.connection.transaction():
        plan = DropPlan(sku, [WavePlan(now + timedelta(seconds=1), UNITS)], now + timedelta(days=1), offer_minutes=1)
        number = await plan_drop(world.connection, plan, actor="test", now=now)
        await announce_drop(world.connection, number, actor="test", now=now)
    await world.members(*(f"m-{place}" for place in range(MEMBERS)), points=100)
    return number


@pytest.mark.parametrize("kills", [0, KILLS])
async def test_a_rush_gives_out_exactly_what_there_is_whatever_is_killed(
    installation: Installation, kills: int
) -> None:
    now = datetime.now(UTC)
    async with open_world(installation.url, now=now) as world:
        number = await _open_drop(world)
    key = installation.call("apikey", "create", "--name", "rush", "--scopes", "all")
    await installation.start(SERVERS, WORKERS)
    rush = Rush(installation, key, "rush", [f"m-{place % MEMBERS}" for place in range(ATTEMPTS)])
    running = asyncio.create_task(rush.run(CONNECTIONS))
    draw, killed = random.Random(kills), []
    for _ in range(kills):
        await asyncio.sleep(draw.uniform(*KILL_SECONDS))
        killed.append(await installation.kill_one(draw))
    await running
    print(f"killed {killed}; {rush.repeated} repeated; {rush.answers}")
    async with open_world(installation.url, now=datetime.now(UTC)) as world:
        assert sum(rush.answers.values()) == ATTEMPTS
        assert len(rush.numbers) == len(set(rush.numbers.values())) == UNITS
        found = await world.connection.execute("SELECT number, member_id FROM redemption")
        orders = await found.fetchall()
        assert {order for order, _ in orders} == set(rush.numbers.values())
        assert len({member for _, member in orders}) == UNITS
        assert await world.one("SELECT taken FROM item_stock") == UNITS
        await _hand_on(world, number, [order for order, _ in orders][:WAITING])


async def _hand_on(world: World, number: str, orders: list[str]) -> None:
    """Some wait, some give back, holds run out: nothing that is kept hangs past its deadline."""
    found = await world.connection.execute(
        "SELECT id FROM member WHERE id NOT IN (SELECT member_id FROM redemption) ORDER BY id LIMIT %s", (WAITING,)
    )
    past = FixedClock(world.clock.now())
    for (member,) in await found.fetchall():
        async with world.connection.transaction():
            await join_list(world.connection, number, member, 1, now=past.now())
    for order in orders:
        async with world.connection.transaction():
            await cancel_redemption(
                world.connection, order, member_id=None, reason="changed_mind", actor="test", now=past.now(), zone=ZONE
            )
    await world.item("set", points=10, cash_minor=100, stock=5)
    async with World(world.url, world.connection, past).desk(payments_available=True) as desk:
        await desk.redeem(world.wish("m-0", "set"))
    assert await world.one("SELECT count(*) FROM drop_offer WHERE state = 'open'") == WAITING
    assert (
        await world.one("SELECT total - taken FROM item_stock s JOIN item i ON i.id = s.item_id WHERE sku = 'rush'")
        == 0
    )
    later = world.clock.now() + timedelta(minutes=31)
    await asyncio.gather(*(_settle(world.url, later) for _ in range(3)))
    assert await world.one("SELECT count(*) FROM drop_offer WHERE state = 'open'") == 0
    assert await world.one("SELECT count(*) FROM payment_hold WHERE outcome IS NULL") == 0
    assert (
        await world.one("SELECT total - taken FROM item_stock s JOIN item i ON i.id = s.item_id WHERE sku = 'rush'")
        == WAITING
    )


async def _settle(url: str, now: datetime) -> None:
    """What the workers do every minute, several at once."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await lapse_offers(connection, now=now)
        await settle_due(connection, None, now, ZONE)
