"""Lapse, maturing and adjustments."""

from datetime import date, timedelta

import pytest

from liyu.core.errors import InvalidInputError, NotFoundError
from liyu.members.points import portions
from liyu.members.points.adjust import NotEnoughToTakeError, adjust_points
from liyu.members.points.lapse import lapse_points, mature_points
from liyu.members.program import RuleRow
from liyu.redemption.errors import RefusedError
from tests.world import NOW, ZONE, World, open_world


async def test_a_lot_lapses_at_the_midnight_that_ends_its_last_day_and_only_once(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.member("m", points=300)
        for day, expected in ((date(2027, 12, 31), 0), (date(2028, 1, 1), 300), (date(2028, 1, 1), 0)):
            moved = await lapse_points(world.connection, day, actor="test", now=NOW)
            assert moved.points == expected
        assert (await world.balances("m"))["points"] == 0
        assert await world.one("SELECT count(*) FROM transfer WHERE event = 'lapse'") == 1


async def test_points_past_their_last_day_cannot_be_spent_even_before_they_were_lapsed(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.member("m", points=300)
        sku = await world.item(points=100)
        world.clock.instant = NOW.replace(year=2028, month=1, day=2)
        with pytest.raises(RefusedError) as refusal:
            await world.redeem("m", sku)
        assert refusal.value.reasons[0].details == {"needed": 100, "usable": 0, "missing": 100}


async def test_lapsing_goes_on_where_it_was_stopped(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portions, "PORTION", 3)
    async with open_world(database_url) as world:
        for number in range(10):
            await world.member(f"m-{number}", points=10)

        def stop(moved: portions.Moved) -> None:
            if moved.lots >= 6:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            await lapse_points(world.connection, date(2028, 1, 1), actor="test", now=NOW, report=stop)
        assert await world.one("SELECT count(*) FROM transfer WHERE event = 'lapse'") == 6
        moved = await lapse_points(world.connection, date(2028, 1, 1), actor="test", now=NOW)
        assert (moved.lots, moved.points) == (4, 40)


async def test_pending_points_become_usable_on_their_day(database_url: str) -> None:
    rules = [RuleRow("purchase", "purchase", "消费", "Purchases", 1, 1, 100, pending_days=7)]
    async with open_world(database_url, rules=rules) as world:
        await world.member("m")
        await world.post(world.purchase("m", 10_000, at=NOW))
        today = NOW.astimezone(ZONE).date()
        assert (await mature_points(world.connection, today + timedelta(days=6), actor="test", now=NOW)).points == 0
        assert (await mature_points(world.connection, today + timedelta(days=7), actor="test", now=NOW)).points == 100
        assert await world.balances("m") == {"points": 100, "pending": 0, "debt": 0}


async def _adjust(world: World, points: int, *, reason: str = "goodwill", member: str = "m") -> int:
    async with world.connection.transaction():
        return await adjust_points(
            world.connection,
            member,
            points,
            reason=reason,
            key=f"a-{next(world.keys)}",
            actor="staff:1",
            now=NOW,
            zone=ZONE,
        )


async def test_an_adjustment_gives_and_takes_and_pays_a_debt_first(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.member("m")
        await world.post(world.event("m", "return", 3_000))
        assert await _adjust(world, 100) == 70
        assert await _adjust(world, -50) == 20
        assert await world.balances("m") == {"points": 20, "pending": 0, "debt": 0}


async def test_a_refused_adjustment_changes_nothing_and_names_every_fault(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.member("m", points=10)
        before = await world.footprint()
        with pytest.raises(NotEnoughToTakeError):
            await _adjust(world, -11)
        with pytest.raises(InvalidInputError) as refusal:
            await _adjust(world, 0, reason=" ")
        assert {reason.details["field"] for reason in refusal.value.reasons} == {"points", "reason"}
        with pytest.raises(NotFoundError):
            await _adjust(world, 5, member="nobody")
        assert await world.footprint() == before
