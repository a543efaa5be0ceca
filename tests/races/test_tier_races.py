"""Posting and evaluating at the same moment: the lock of the points account keeps them apart, and is seen to be what does."""

import asyncio
from datetime import UTC, date, datetime
from typing import Any

import pytest
from psycopg import AsyncConnection

from liyu.members.points.post import post_events
from liyu.members.tiers import evaluate as evaluation
from liyu.members.tiers import save
from liyu.members.tiers.evaluate import Evaluated, evaluate_tiers
from tests.world import ZONE, World, open_world

START = datetime(2026, 1, 5, 4, 0, tzinfo=UTC)
LATE = datetime(2028, 2, 2, 4, 0, tzinfo=UTC)
DAY = date(2028, 2, 1)
MEMBERS = [f"m-{number}" for number in range(6)]


async def race(world: World, monkeypatch: pytest.MonkeyPatch) -> Evaluated:
    """Evaluate with a pause between reading and writing, while everybody buys something."""
    for member in MEMBERS:
        await world.member(member)
        await world.post(world.purchase(member, 300_000, at=START))
    has_read = asyncio.Event()
    write = save.save_tiers

    async def write_late(*arguments: Any) -> None:
        has_read.set()
        await asyncio.sleep(0.3)
        await write(*arguments)

    monkeypatch.setattr(evaluation, "save_tiers", write_late)

    async def evaluate() -> Evaluated:
        async with await AsyncConnection.connect(world.url, autocommit=True) as connection:
            return await evaluate_tiers(connection, DAY, now=LATE)

    async def buy(member: str) -> None:
        async with await AsyncConnection.connect(world.url, autocommit=True) as connection, connection.transaction():
            event = world.purchase(member, 120_000, at=LATE)
            await post_events(connection, [event], actor="test", now=LATE, zone=ZONE)

    async def buy_once_it_has_read() -> None:
        await has_read.wait()
        await asyncio.gather(*map(buy, MEMBERS))

    evaluated, _ = await asyncio.gather(evaluate(), buy_once_it_has_read())
    return evaluated


async def falls(world: World) -> int:
    found: int = await world.one("SELECT count(*) FROM tier_change WHERE reason = 'downgraded'")
    return found


async def test_posting_and_evaluating_in_parallel_lose_no_growth_and_decide_once(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_world(database_url, now=START) as world:
        evaluated = await race(world, monkeypatch)
        assert (evaluated.downgraded, await falls(world)) == (len(MEMBERS), len(MEMBERS))
        assert await world.one("SELECT count(*) FROM member WHERE growth = 1200 AND period_growth = 1200") == len(
            MEMBERS
        )


async def test_without_the_lock_growth_is_lost(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(save, "_LOCK", save._LOCK.replace("FOR UPDATE", ""))
    async with open_world(database_url, now=START) as world:
        await race(world, monkeypatch)
        proof = await world.proof()
        assert {one["check"] for one in proof.offenders} >= {"growth_differs_from_its_entries"}
        assert await falls(world) > len(MEMBERS)
        # Mended, so that the world can be left with its books in order.
        await world.connection.execute(
            "UPDATE member m SET period_growth = e.own, growth = e.own FROM (SELECT m.id, (SELECT coalesce(sum(amount), 0) "
            "FROM growth_entry g WHERE g.member_id = m.id AND g.period = m.tier_period) AS own FROM member m) AS e "
            "WHERE e.id = m.id"
        )
