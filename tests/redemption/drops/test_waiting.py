"""The waiting list of a drop: who may join, who is next, and for how long something is kept."""

from collections.abc import AsyncIterator

import pytest

from liyu.redemption.drops.errors import (
    DropStateError,
    ListClosedError,
    NotPlannableError,
    NotWaitingError,
    StillLeftError,
    TooManyUnitsError,
)
from liyu.redemption.drops.service import DropPlan, WavePlan, announce_drop, call_off, change_plan, plan_drop
from liyu.redemption.drops.waves import open_due_waves
from liyu.redemption.errors import RefusedError
from tests.redemption.drops.shop import HOUR, MINUTE, Shop, announce
from tests.world import World, open_world


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    async with open_world(database_url) as opened:
        yield opened


async def refused(shop: Shop, member: str, **options: int | None) -> str:
    before = await shop.world.footprint()
    with pytest.raises(RefusedError) as refusal:
        await shop.redeem(member, **options)  # type: ignore[arg-type]
    assert await shop.world.footprint() == before
    return refusal.value.stable_code


async def test_nothing_can_be_had_before_the_first_wave_and_all_of_it_from_then_on(world: World) -> None:
    shop = await announce(world, 1)
    assert await refused(shop, "m-0") == "not_on_sale"
    world.clock.instant += HOUR
    await shop.redeem("m-0")
    assert await refused(shop, "m-1") == "sold_out"


async def test_a_released_unit_goes_to_the_first_in_line_and_to_nobody_else(world: World) -> None:
    shop = await announce(world, 1)
    await shop.open()
    redeemed = await shop.redeem("m-0")
    assert [await shop.join("m-1"), await shop.join("m-2"), await shop.join("m-1")] == [1, 2, 1]
    await shop.cancel(redeemed)
    assert await shop.left() == 0
    offer = await shop.offer_of("m-1")
    assert await refused(shop, "m-3") == "sold_out"
    assert await refused(shop, "m-2", offer=offer) == "offer_over"
    assert await refused(shop, "m-1", offer=offer, quantity=2) == "offer_units"
    await shop.redeem("m-1", offer=offer)
    assert await refused(shop, "m-1", offer=offer) == "offer_over"
    assert await shop.notes("m-1") == ["joined", "offered", "taken"]
    assert await world.one("SELECT count(*) FROM member_notice WHERE topic = 'drop_offered'") == 1


async def test_what_is_not_taken_in_time_goes_to_the_next_and_at_last_to_everybody(world: World) -> None:
    shop = await announce(world, 1)
    await shop.open()
    redeemed = await shop.redeem("m-0")
    await shop.join("m-1")
    await shop.join("m-2")
    await shop.cancel(redeemed)
    late = await shop.offer_of("m-1")
    # The desk is exact even where the job comes late.
    world.clock.instant += 30 * MINUTE
    assert await refused(shop, "m-1", offer=late) == "offer_over"
    await shop.pass_time(MINUTE)
    assert await shop.offer_of("m-1") is None
    assert await shop.offer_of("m-2") is not None
    await shop.pass_time(31 * MINUTE)
    assert await shop.left() == 1
    assert await shop.notes("m-2") == ["joined", "offered", "lapsed"]
    await shop.redeem("m-3")


async def test_declining_hands_on_and_leaving_gives_up_the_place(world: World) -> None:
    shop = await announce(world, 1)
    await shop.open()
    redeemed = await shop.redeem("m-0")
    for member in ("m-1", "m-2", "m-3"):
        await shop.join(member)
    await shop.leave("m-2")
    await shop.cancel(redeemed)
    await shop.leave("m-1")
    assert await shop.offer_of("m-3") is not None
    with pytest.raises(NotWaitingError):
        await shop.leave("m-2")
    assert await shop.notes("m-1") == ["joined", "offered", "declined"]


async def test_who_asks_for_two_is_kept_what_there_is(world: World) -> None:
    shop = await announce(world, 3, per_member_limit=2)
    await shop.open()
    held = [await shop.redeem("m-0", quantity=2), await shop.redeem("m-1")]
    await shop.join("m-2", 2)
    await shop.join("m-3", 2)
    await shop.cancel(held[1])
    await shop.cancel(held[0])
    kept = await (await world.connection.execute("SELECT units FROM drop_offer ORDER BY id")).fetchall()
    assert kept == [(1,), (2,)]
    with pytest.raises(TooManyUnitsError):
        await shop.join("m-1", 3)


async def test_nobody_waits_while_something_is_left_or_before_the_opening(world: World) -> None:
    shop = await announce(world, 1)
    with pytest.raises(ListClosedError):
        await shop.join("m-0")
    await shop.open()
    with pytest.raises(StillLeftError):
        await shop.join("m-0")
    assert await world.one("SELECT count(*) FROM drop_entry") == 0


async def test_waves_share_one_list_and_open_once(world: World) -> None:
    shop = await announce(world, 1, 2)
    await shop.open()
    first = await shop.redeem("m-0")
    await shop.join("m-1")
    assert await open_due_waves(world.connection, now=shop.now) == 0
    await shop.open()
    assert [await open_due_waves(world.connection, now=shop.now) for _ in range(2)] == [1, 0]
    assert await shop.left() == 2
    # Who redeemed from the second wave waits no more: what the first wave releases goes to somebody else.
    await shop.redeem("m-1")
    await shop.redeem("m-2")
    await shop.join("m-3")
    await shop.cancel(first)
    assert await shop.offer_of("m-1") is None
    assert await shop.offer_of("m-3") is not None
    assert await shop.notes("m-1") == ["joined", "served"]


async def test_the_end_sends_everybody_home_with_a_word(world: World) -> None:
    shop = await announce(world, 1)
    await shop.open()
    redeemed = await shop.redeem("m-0")
    await shop.join("m-1")
    await shop.join("m-2")
    await shop.pass_time(8 * HOUR + 45 * MINUTE)
    await shop.cancel(redeemed)
    # Nothing is kept beyond the end of the sale.
    assert await world.one("SELECT deadline FROM drop_offer") == await world.one("SELECT ends_at FROM drop")
    await shop.pass_time(15 * MINUTE)
    assert await world.one("SELECT state FROM drop") == "ended"
    assert (await shop.notes("m-1"))[-1] == "lapsed"
    assert (await shop.notes("m-2"))[-1] == "over"
    with pytest.raises(ListClosedError):
        await shop.join("m-3")


async def test_calling_off_takes_what_is_left_and_tells_why(world: World) -> None:
    shop = await announce(world, 2)
    await shop.open()
    await shop.redeem("m-0")
    async with world.connection.transaction():
        await call_off(world.connection, shop.number, "The partner cannot deliver", actor="staff:1", now=shop.now)
    assert await shop.left() == 0
    assert await refused(shop, "m-1") == "sold_out"
    with pytest.raises(DropStateError):
        await call_off(world.connection, shop.number, "Again", actor="staff:1", now=shop.now)


@pytest.mark.parametrize(
    ("changes", "faults"),
    [
        ({"sku": "nothing"}, ["unknown_item"]),
        ({"sku": "endless"}, ["item_not_limited"]),
        ({"waves": []}, ["no_wave"]),
        ({"waves": [(2, 1), (1, 1)]}, ["waves_out_of_order"]),
        ({"waves": [(-1, 0)], "offer_minutes": 0}, ["no_units", "opens_in_the_past", "offer_minutes"]),
        ({"waves": [(30, 1)]}, ["ends_too_early"]),
    ],
)
async def test_a_plan_is_refused_with_every_reason(world: World, changes: dict[str, object], faults: list[str]) -> None:
    await world.item("cup", stock=5)
    await world.item("endless")
    now = world.clock.now()
    hours: list[tuple[int, int]] = changes.get("waves", [(1, 3)])  # type: ignore[assignment]
    plan = DropPlan(
        str(changes.get("sku", "cup")), [WavePlan(now + at * HOUR, units) for at, units in hours],
        now + 9 * HOUR, offer_minutes=int(str(changes.get("offer_minutes", 30))),
    )  # fmt: skip
    with pytest.raises(NotPlannableError) as refusal:
        await plan_drop(world.connection, plan, actor="test", now=now)
    assert [reason.code for reason in refusal.value.reasons] == faults
    assert await world.one("SELECT count(*) FROM drop") == 0


async def test_an_item_has_one_drop_at_a_time_and_what_is_announced_stays(world: World) -> None:
    shop = await announce(world, 1)
    now = world.clock.now()
    plan = DropPlan(shop.sku, [WavePlan(now + HOUR, 5)], now + 9 * HOUR)
    with pytest.raises(NotPlannableError) as refusal:
        await plan_drop(world.connection, plan, actor="test", now=now)
    assert [reason.code for reason in refusal.value.reasons] == ["another_drop"]
    with pytest.raises(DropStateError):
        await change_plan(world.connection, shop.number, plan, now=now)
    with pytest.raises(DropStateError):
        await announce_drop(world.connection, shop.number, actor="test", now=now)
