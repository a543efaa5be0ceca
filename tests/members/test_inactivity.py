"""Clearing by inactive days (zxc7563598/php-bilibili-danmu#178): who does nothing for long loses their points once, and is told."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from msgspec import structs
from psycopg import AsyncConnection

from liyu.core.errors import InvalidInputError
from liyu.members.points import inactivity
from liyu.members.points.adjust import adjust_points
from liyu.members.points.expiry_policy import ExpiryPolicy, change_policy
from liyu.members.points.inactivity import lapse_inactive, remind_of_inactivity
from liyu.members.points.portions import move_in_portions
from liyu.members.program import DEFAULT_TERMS
from liyu.web.i18n import load_catalogs, translate
from tests.world import NOW, ZONE, World, open_world

TERMS = structs.replace(DEFAULT_TERMS, expiry_policy="never", inactive_days=90, reminder_days=30)
TODAY = NOW.astimezone(ZONE).date()


async def clear(world: World, day: date) -> int:
    now = datetime.combine(day, NOW.timetz())
    return (await lapse_inactive(world.connection, day, zone=ZONE, actor="system", now=now)).points


async def remind(world: World, day: date) -> int:
    return await remind_of_inactivity(
        world.connection, day, now=NOW, zone=ZONE, translate=translate, base_url="https://mall.example", locale="en"
    )


async def test_who_did_nothing_for_so_long_loses_all_points_once_and_who_did_something_none(database_url: str) -> None:
    async with open_world(database_url, terms=TERMS) as world:
        for name in ("silent", "buys", "redeems", "helped", "frozen", "pre"):
            await world.member(name, points=500)
        await world.connection.execute("UPDATE member SET state = 'frozen' WHERE external_id = 'frozen'")
        await world.connection.execute("UPDATE member SET state = 'pre_registered' WHERE external_id = 'pre'")
        assert await clear(world, TODAY + timedelta(days=90)) == 0
        world.clock.instant = NOW + timedelta(days=60)
        await world.post(world.purchase("buys", 1_000))
        await world.redeem("redeems", await world.item(points=100))
        async with world.connection.transaction():
            await adjust_points(
                world.connection, "helped", 5, reason="x", key="k", actor="staff:1", now=world.clock.now(), zone=ZONE
            )
        assert await clear(world, TODAY + timedelta(days=91)) == 500
        assert await clear(world, TODAY + timedelta(days=91)) == 0
        left = {
            name: (await world.balances(name))["points"]
            for name in ("silent", "buys", "redeems", "helped", "frozen", "pre")
        }
        assert left == {"silent": 0, "buys": 510, "redeems": 400, "helped": 505, "frozen": 500, "pre": 500}
        assert await world.one("SELECT array_agg(event || ' ' || reason) FROM transfer WHERE event = 'lapse'") == [
            "lapse inactive"
        ]
        # What happened later counts from then.
        assert await clear(world, TODAY + timedelta(days=150)) == 0
        assert await clear(world, TODAY + timedelta(days=151)) == 510 + 400 + 505


async def test_without_the_rule_nobody_loses_anything_and_its_days_have_bounds(database_url: str) -> None:
    async with open_world(database_url, terms=structs.replace(TERMS, inactive_days=0)) as world:
        await world.member("m", points=500)
        assert await clear(world, TODAY + timedelta(days=3_000)) == 0
        assert await remind(world, TODAY + timedelta(days=60)) == 0
        for days in (-1, 29, 3_651):
            with pytest.raises(InvalidInputError):
                await change_policy(world.connection, ExpiryPolicy("never", 12, 0, 60, days))
        await change_policy(world.connection, ExpiryPolicy("never", 12, 0, 60, 30))
        assert await clear(world, TODAY + timedelta(days=31)) == 500


async def test_they_are_told_once_before_and_not_when_they_have_been_active(database_url: str) -> None:
    load_catalogs()
    async with open_world(database_url, terms=TERMS) as world:
        for name in ("silent", "buys"):
            await world.member(name, points=500)
        await world.connection.execute("UPDATE member SET phone = '+8613800138000' WHERE external_id = 'silent'")
        assert await remind(world, TODAY + timedelta(days=59)) == 0
        world.clock.instant = NOW + timedelta(days=59)
        await world.post(world.purchase("buys", 1_000))
        assert await remind(world, TODAY + timedelta(days=60)) == 1
        assert await remind(world, TODAY + timedelta(days=60)) == 0
        assert await world.one("SELECT body FROM outbox_message") == (
            "[Points mall] 500 of your points lapse after 20 Feb 2027, unless you earn or use some before. "
            "https://mall.example/points"
        )
        # Through the day that was named nothing lapses.
        assert await clear(world, date(2027, 2, 20)) == 0
        assert await clear(world, date(2027, 2, 21)) == 500


async def test_a_purchase_of_the_last_moment_saves_the_points(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_world(database_url, terms=TERMS) as world:
        await world.member("m", points=500)
        late = TODAY + timedelta(days=120)

        async def move_late(connection: AsyncConnection[Any], *arguments: Any) -> Any:
            world.clock.instant = NOW + timedelta(days=120)
            find, values, act, report = arguments

            async def buy_first(lots: list[int]) -> Any:
                await world_buys()
                return await act(lots)

            return await move_in_portions(connection, find, values, buy_first, report)

        async def world_buys() -> None:
            # On the same connection, so under the same lock: what the job sees when it looks again.
            await world.post(world.purchase("m", 1_000))

        monkeypatch.setattr(inactivity, "move_in_portions", move_late)
        assert await clear(world, late) == 0
        assert (await world.balances("m"))["points"] == 510
