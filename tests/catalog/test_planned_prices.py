"""Prices from an instant on: published once, in their order, as versions; refused or withdrawn they change nothing."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from psycopg import AsyncConnection

from liyu.catalog.errors import ItemNotFoundError
from liyu.catalog.planned_prices import (
    PriceDecidedError,
    PriceDraft,
    list_planned_prices,
    plan_price,
    publish_due_prices,
    withdraw_price,
)
from liyu.catalog.service import set_state
from liyu.core.errors import InvalidInputError
from tests.world import NOW, ZONE, World, open_world

HOUR = timedelta(hours=1)


def draft(points: int, hours: int = 1, **more: Any) -> PriceDraft:
    return PriceDraft(points=points, begins_at=NOW + hours * HOUR, reason="Winter", **more)


async def plan(world: World, price: PriceDraft, sku: str = "tea") -> int:
    async with world.connection.transaction():
        return await plan_price(world.connection, sku, price, actor="staff:1", now=NOW, zone=ZONE)


async def publish(world: World, hours: int) -> int:
    return await publish_due_prices(world.connection, now=NOW + hours * HOUR, zone=ZONE)


async def price_of(world: World) -> tuple[int, int]:
    found = await world.connection.execute("SELECT points, cash_minor FROM item WHERE sku = 'tea'")
    row = await found.fetchone()
    assert row is not None
    return row[0], row[1]


async def test_prices_hold_from_their_instant_on(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.item("tea", points=100)
        item = await world.one("SELECT id FROM item")
        await plan(world, draft(80, 2, cash_minor=500, tier_prices={"gold": 60}))
        await plan(world, draft(90, 1))
        assert await publish(world, 0) == 0
        assert await price_of(world) == (100, 0)
        assert await publish(world, 1) == 1
        assert await price_of(world) == (90, 0)
        # A worker that was away makes up for what it missed, in order.
        await plan(world, draft(70, 3))
        assert await publish(world, 9) == 2
        assert await price_of(world) == (70, 0)
        assert await publish(world, 9) == 0
        versions = await world.connection.execute(
            "SELECT facts->>'points', reason, actor FROM item_version ORDER BY number"
        )
        assert await versions.fetchall() == [(str(points), "planned_price", "staff:1") for points in (90, 80, 70)]
        assert [one.state for one in await list_planned_prices(world.connection, item)] == ["published"] * 3


async def test_what_makes_no_sense_is_refused_before_its_hour(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.item("tea", points=100)
        await plan(world, draft(90))
        for faulty, field in (
            (draft(80, 0), "begins_at"),
            (draft(80), "begins_at"),
            (draft(80, 2, tier_prices={"paper": 1}), "tier_prices"),
        ):
            with pytest.raises(InvalidInputError) as refusal:
                await plan(world, faulty)
            assert [reason.details["field"] for reason in refusal.value.reasons] == [field]
        with pytest.raises(ItemNotFoundError):
            await plan(world, draft(80), "coffee")
        assert await world.one("SELECT count(*) FROM planned_price") == 1


async def test_a_withdrawn_price_and_one_of_an_ended_item_change_nothing(database_url: str) -> None:
    async with open_world(database_url) as world:
        connection = world.connection
        await world.item("tea", points=100)
        item = await world.one("SELECT id FROM item")
        taken_back, late = await plan(world, draft(90)), await plan(world, draft(80, 2))
        await withdraw_price(connection, item, taken_back, now=NOW)
        with pytest.raises(PriceDecidedError):
            await withdraw_price(connection, item, taken_back, now=NOW)
        assert await publish(world, 1) == 0
        await set_state(connection, item, "ended", actor="t", reason="over", now=NOW)
        assert await publish(world, 2) == 1
        found = {one.id: one for one in await list_planned_prices(connection, item)}
        assert (found[taken_back].state, found[late].state) == ("withdrawn", "refused")
        assert found[late].fault_message is not None
        assert await price_of(world) == (100, 0)
        with pytest.raises(PriceDecidedError):
            await withdraw_price(connection, item, late, now=NOW)


async def test_two_workers_and_a_withdrawal_at_once_decide_each_price_once(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.item("tea", points=100)
        item = await world.one("SELECT id FROM item")
        ids = [await plan(world, draft(200 + hours, hours)) for hours in range(1, 13)]

        async def work() -> int:
            async with await AsyncConnection.connect(world.url, autocommit=True) as connection:
                return await publish_due_prices(connection, now=NOW + 24 * HOUR, zone=ZONE)

        async def take_back() -> int:
            withdrawn = 0
            async with await AsyncConnection.connect(world.url, autocommit=True) as connection:
                for price in reversed(ids):
                    try:
                        await withdraw_price(connection, item, price, now=NOW)
                    except PriceDecidedError:
                        continue
                    withdrawn += 1
            return withdrawn

        done = await asyncio.gather(work(), take_back(), work())
        assert sum(done) == len(ids)
        published = await world.one("SELECT count(*) FROM planned_price WHERE state = 'published'")
        assert await world.one("SELECT count(*) FROM item_version") == published == len(ids) - done[1]
