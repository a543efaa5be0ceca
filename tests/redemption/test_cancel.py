"""Cancelling: points go back into their own lots, and a lapsed lot follows the program's stated rule."""

from datetime import UTC, date, datetime

import msgspec
import pytest

from liyu.core.errors import NotFoundError
from liyu.members.points.lapse import lapse_points
from liyu.members.program import DEFAULT_TERMS
from liyu.redemption.cancel import cancel_redemption
from liyu.redemption.errors import NotCancellableError
from tests.world import NOW, ZONE, World, open_world


async def _cancel(world: World, number: str, member_id: int | None = None) -> int:
    async with world.connection.transaction():
        return await cancel_redemption(
            world.connection,
            number,
            member_id=member_id,
            reason="changed_mind",
            actor="test",
            now=world.clock.now(),
            zone=ZONE,
        )


async def test_everything_is_given_back_once(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.member("m", points=500)
        sku = await world.item(stock=5, per_member_limit=2, per_day_limit=2)
        redeemed = await world.redeem("m", sku, 2)
        lots = await world.lots("m")
        assert await _cancel(world, redeemed.number) == 200
        assert await _cancel(world, redeemed.number) == 0
        assert await world.lots("m") == {day: rest + 200 for day, rest in lots.items()}
        assert await world.one("SELECT taken FROM item_stock") == 0
        assert await world.one("SELECT count(*) FROM voucher WHERE state = 'cancelled'") == 2
        assert (await world.redeem("m", sku, 2)).points == 200


async def test_only_the_member_concerned_can_cancel_and_not_after_completion(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.member("m", points=500)
        redeemed = await world.redeem("m", await world.item())
        given = await world.redeem("m", await world.item("gift", kind="donation"))
        with pytest.raises(NotFoundError):
            await _cancel(world, redeemed.number, member_id=10**9)
        with pytest.raises(NotCancellableError):
            await _cancel(world, given.number)
        assert (await world.balances("m"))["points"] == 300


@pytest.mark.parametrize(("grace_days", "expected"), [(0, {}), (30, {date(2028, 2, 1): 100})])
async def test_points_of_a_lapsed_lot_follow_the_stated_rule(
    database_url: str, grace_days: int, expected: dict[date, int]
) -> None:
    terms = msgspec.structs.replace(DEFAULT_TERMS, lapsed_grace_days=grace_days)
    async with open_world(database_url, terms=terms) as world:
        await world.member("m", points=300)
        world.clock.instant = datetime(2027, 12, 31, 4, tzinfo=UTC)
        redeemed = await world.redeem("m", await world.item())
        await lapse_points(world.connection, date(2028, 1, 1), actor="test", now=NOW)
        world.clock.instant = datetime(2028, 1, 2, 4, tzinfo=UTC)
        assert await _cancel(world, redeemed.number) == 100
        assert {day: rest for day, rest in (await world.lots("m")).items() if rest} == expected
