"""What operators do to vouchers: each act once, with who and why; many at once by two people; points to the fen of a share."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from liyu.core.clock import local_date, start_of_day
from liyu.core.errors import InvalidInputError, NotFoundError
from liyu.redemption.cancel import cancel_redemption
from liyu.redemption.cancel_voucher import PointsStayError, cancel_voucher
from liyu.redemption.closing import close_account
from liyu.vouchers import office
from liyu.vouchers.errors import VoucherExpiredError, VoucherFrozenError, VouchersNotCancellableError
from liyu.vouchers.expire import expire_vouchers
from liyu.vouchers.gifts.service import GiftLinks, offer_gift
from liyu.vouchers.office import (
    ExtensionDecidedError,
    ExtensionWish,
    NothingToExtendError,
    OwnExtensionError,
    VoucherMovedOnError,
    count_extendable,
    count_left_alone,
    decide_extension,
    extend_or_ask,
    extend_voucher,
    freeze_voucher,
    list_extensions,
    unfreeze_voucher,
)
from liyu.vouchers.office_queries import (
    GROUPS,
    VoucherFilter,
    list_vouchers,
    read_voucher,
    voucher_history,
    vouchers_of_uses,
)
from liyu.vouchers.rules import VoucherRules, save_rules
from tests.vouchers.tills import Connections, Shops, open_shops
from tests.world import NOW, ZONE, World, open_world

DAY = timedelta(days=1)
TODAY = local_date(NOW, ZONE)
WHO: dict[str, Any] = {"reason": "Service outage", "actor": "staff:1", "now": NOW}


async def _wish(world: World, voucher: int, days: int = 200) -> ExtensionWish:
    item = await world.one("SELECT item_id FROM voucher WHERE id = %s", voucher)
    return ExtensionWish(item, TODAY - 10 * DAY, TODAY + 120 * DAY, TODAY + days * DAY)


async def _footprint(world: World) -> list[Any]:
    tables = ("voucher", "voucher_change", "voucher_transition", "voucher_extension", "voucher_gift", "transfer", "lot")
    rows = "SELECT md5(coalesce(string_agg(t::text, '' ORDER BY t.id), '')) FROM {} t"
    return [await world.one(rows.format(table)) for table in tables]


async def test_a_frozen_voucher_is_not_taken_until_it_is_unfrozen(database_url: str) -> None:
    async with open_world(database_url) as world:
        shops = await open_shops(world)
        voucher, gone = await shops.voucher(), await shops.voucher()
        await freeze_voucher(world.connection, voucher, **WHO)
        with pytest.raises(VoucherFrozenError):
            await shops.verify(voucher)
        await shops.verify(gone)
        before = await _footprint(world)
        for act, whose in (
            (freeze_voucher, voucher),
            (freeze_voucher, gone),
            (unfreeze_voucher, gone),
            (freeze_voucher, 999),
        ):
            with pytest.raises(VoucherMovedOnError):
                await act(world.connection, whose, **WHO)
        assert await _footprint(world) == before
        for group in GROUPS:
            lines, _ = await list_vouchers(world.connection, VoucherFilter(group=group), now=NOW)
            assert [one.id for one in lines] == {"frozen": [voucher], "used_up": [gone]}.get(group, [])
        await unfreeze_voucher(world.connection, voucher, **WHO)
        await shops.verify(voucher)
        events = [(event.kind, event.what) for event in await voucher_history(world.connection, voucher)]
        assert set(events) == {("change", "frozen"), ("change", "unfrozen"), ("issued", "used_up"), ("use", "1")}
        use = await world.one("SELECT 'verification:' || id FROM verification WHERE voucher_id = %s", voucher)
        sources = [use, "verification:99", "verification:x", "membership:1"]
        assert await vouchers_of_uses(world.connection, sources) == {use: voucher}


async def test_a_later_last_day_brings_an_expired_voucher_back(database_url: str) -> None:
    async with open_world(database_url) as world:
        shops = await open_shops(world)
        fresh, partly, used = await shops.voucher(), await shops.voucher(uses=2), await shops.voucher()
        await shops.verify(partly)
        await shops.verify(used)
        late = NOW + 100 * DAY
        await expire_vouchers(world.connection, late)
        for voucher, state in ((fresh, "issued"), (partly, "partly_used")):
            with pytest.raises(VoucherExpiredError):
                await shops.verify(voucher, now=late)
            until = TODAY + 120 * DAY
            await extend_voucher(world.connection, voucher, last_day=until, zone=ZONE, **WHO | {"now": late})
            assert (await shops.state(voucher))[0] == state
            assert (await read_voucher(world.connection, voucher)).expires_at == start_of_day(until + DAY, ZONE)
            await shops.verify(voucher, now=late)
        before = await _footprint(world)
        for voucher, day, error in (
            (used, TODAY + 300 * DAY, VoucherMovedOnError),
            (partly, TODAY + 110 * DAY, InvalidInputError),
            (fresh, TODAY - DAY, InvalidInputError),
            (fresh, TODAY + 900 * DAY, InvalidInputError),
        ):
            with pytest.raises(error):
                await extend_voucher(world.connection, voucher, last_day=day, zone=ZONE, **WHO)
        assert await _footprint(world) == before


async def _two_of_one(shops: Shops) -> list[int]:
    return await shops.vouchers(2, agreement=False)


async def test_many_are_extended_by_one_person_or_by_two(database_url: str) -> None:
    async with open_world(database_url) as world:
        shops = await open_shops(world)
        vouchers = await _two_of_one(shops)
        other = await shops.voucher()
        wish = await _wish(world, vouchers[0])
        assert await count_extendable(world.connection, wish, ZONE) == 2
        done = await extend_or_ask(world.connection, wish, zone=ZONE, **WHO)
        assert (done.state, done.vouchers, done.decided_by) == ("done", 2, "staff:1")
        ends = await world.one(
            "SELECT count(*) FROM voucher WHERE expires_at = %s", start_of_day(wish.last_day + DAY, ZONE)
        )
        assert ends == 2
        before = await _footprint(world)
        with pytest.raises(NothingToExtendError):
            await extend_or_ask(world.connection, wish, zone=ZONE, **WHO)
        wrong = ExtensionWish(wish.item_id, TODAY, TODAY - DAY, TODAY - DAY)
        with pytest.raises(InvalidInputError) as faults:
            await extend_or_ask(world.connection, wrong, zone=ZONE, **WHO)
        assert {reason.details["field"] for reason in faults.value.reasons} == {"runs_out_to", "last_day"}
        assert await _footprint(world) == before

        # What was extended alone counts for the day, so that no span is cut in pieces for want of a second person.
        await save_rules(world.connection, VoucherRules(extensions_alone=2), NOW)
        assert await count_left_alone(world.connection, "staff:1", now=NOW, zone=ZONE) == 0
        assert await count_left_alone(world.connection, "staff:2", now=NOW, zone=ZONE) == 2
        assert await count_left_alone(world.connection, "staff:1", now=NOW + DAY, zone=ZONE) == 2
        asked = await extend_or_ask(world.connection, await _wish(world, other), zone=ZONE, **WHO)
        assert asked.state == "waiting"
        before = await _footprint(world)
        with pytest.raises(OwnExtensionError):
            await decide_extension(world.connection, asked.id, approved=True, actor="staff:1", now=NOW, zone=ZONE)
        with pytest.raises(NotFoundError):
            await decide_extension(world.connection, 999, approved=True, actor="staff:2", now=NOW, zone=ZONE)
        assert await _footprint(world) == before
        # A day that went by while it waited is no last day any more.
        with pytest.raises(InvalidInputError):
            async with world.connection.transaction():
                await decide_extension(
                    world.connection, asked.id, approved=True, actor="staff:2", now=NOW + 201 * DAY, zone=ZONE
                )
        assert await _footprint(world) == before
        assert await _decide_at_once(database_url, asked.id) == ["1", "ExtensionDecidedError", "ExtensionDecidedError"]
        assert [one.state for one in await list_extensions(world.connection)] == ["done", "done"]


async def test_one_person_who_extends_twice_at_once_stays_within_the_limit_of_the_day(database_url: str) -> None:
    async with open_world(database_url) as world, Connections(database_url, 3) as lines:
        shops = await open_shops(world)
        wishes = [await _wish(world, (await _two_of_one(shops))[0]) for _ in lines]
        await save_rules(world.connection, VoucherRules(extensions_alone=3), NOW)

        async def extend(on: Any, wish: ExtensionWish) -> str:
            async with on.transaction():
                return (await extend_or_ask(on, wish, zone=ZONE, **WHO)).state

        states = await asyncio.gather(*(extend(on, wish) for on, wish in zip(lines, wishes, strict=True)))
        assert sorted(states) == ["done", "waiting", "waiting"]


async def _decide_at_once(url: str, extension_id: int) -> list[str]:
    async def decide(on: Any, actor: str) -> int:
        async with on.transaction():
            return await decide_extension(on, extension_id, approved=True, actor=actor, now=NOW, zone=ZONE)

    async with Connections(url, 3) as connections:
        acts = (decide(one, f"staff:{place + 2}") for place, one in enumerate(connections))
        found = await asyncio.gather(*acts, return_exceptions=True)
    return sorted(type(one).__name__ if isinstance(one, BaseException) else str(one) for one in found)


async def test_without_its_condition_an_extension_is_decided_again(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    unguarded = office._DECIDE.replace("AND state = 'waiting' AND asked_by <> %(actor)s", "")
    assert unguarded != office._DECIDE
    monkeypatch.setattr(office, "_DECIDE", unguarded)
    async with open_world(database_url) as world:
        voucher = await (await open_shops(world)).voucher()
        await save_rules(world.connection, VoucherRules(extensions_alone=0), NOW)
        asked = await extend_or_ask(world.connection, await _wish(world, voucher), zone=ZONE, **WHO)
        assert ExtensionDecidedError.__name__ not in await _decide_at_once(database_url, asked.id)


async def test_a_cancelled_voucher_gives_its_share_back_and_the_order_the_rest(database_url: str) -> None:
    async with open_world(database_url) as world:
        shops = await open_shops(world)
        await world.member("m-7", points=1_000)
        first, second, third = await shops.vouchers(3, member="m-7", agreement=False)
        number = await world.one("SELECT number FROM redemption")
        member = await world.one("SELECT id FROM member WHERE external_id = 'm-7'")

        async def cancel(voucher: int, *, points_back: bool) -> int:
            async with world.connection.transaction():
                return await cancel_voucher(world.connection, voucher, points_back=points_back, zone=ZONE, **WHO)

        assert (await world.balances("m-7"))["points"] == 997
        links = GiftLinks("0" * 40)
        async with world.connection.transaction():
            await offer_gift(world.connection, member, first, words="", links=links, actor="m", now=NOW, zone=ZONE)
        assert await cancel(first, points_back=True) == 1
        assert await world.one("SELECT state FROM voucher_gift") == "taken_back"
        before = await _footprint(world)
        with pytest.raises(VoucherMovedOnError):
            await cancel(first, points_back=True)
        assert await _footprint(world) == before
        async with world.connection.transaction():
            back = await cancel_redemption(
                world.connection, number, member_id=None, reason="r", actor="t", now=NOW, zone=ZONE
            )
        assert back == 2
        assert (await world.balances("m-7"))["points"] == 1_000
        assert [await shops.state(one) for one in (second, third)] == [("cancelled", 0)] * 2


@pytest.mark.parametrize("used", [False, True])
async def test_points_that_stay_spent_do_not_come_back_with_the_order(database_url: str, used: bool) -> None:
    async with open_world(database_url) as world:
        shops = await open_shops(world)
        spent, unused = await shops.vouchers(2, member="m-7", uses=2, agreement=False)
        if used:
            await shops.verify(spent)
        async with world.connection.transaction():
            assert await cancel_voucher(world.connection, spent, points_back=False, zone=ZONE, **WHO) == 0
        number, member = await world.one("SELECT number FROM redemption"), await world.one("SELECT id FROM member")
        before = await _footprint(world)
        for who in (None, member):
            with pytest.raises(VouchersNotCancellableError):
                async with world.connection.transaction():
                    await cancel_redemption(
                        world.connection, number, member_id=who, reason="r", actor="t", now=NOW, zone=ZONE
                    )
        assert await _footprint(world) == before
        # What is left of the order is cancelled voucher by voucher.
        async with world.connection.transaction():
            assert await cancel_voucher(world.connection, unused, points_back=True, zone=ZONE, **WHO) == 1
        assert (await world.balances("m-7"))["points"] == 999


async def test_points_do_not_go_to_somebody_who_has_left(database_url: str) -> None:
    async with open_world(database_url) as world:
        voucher = await (await open_shops(world)).voucher(member="m-7", agreement=False)
        member = await world.one("SELECT id FROM member WHERE external_id = 'm-7'")
        async with world.connection.transaction():
            await close_account(world.connection, member, actor="t", now=NOW)
        before = await _footprint(world)
        with pytest.raises(PointsStayError):
            async with world.connection.transaction():
                await cancel_voucher(world.connection, voucher, points_back=True, zone=ZONE, **WHO)
        assert await _footprint(world) == before


async def test_points_of_a_used_voucher_stay(database_url: str) -> None:
    async with open_world(database_url) as world:
        shops = await open_shops(world)
        voucher = await shops.voucher(uses=2)
        await shops.verify(voucher)
        before = await _footprint(world)
        with pytest.raises(PointsStayError):
            async with world.connection.transaction():
                await cancel_voucher(world.connection, voucher, points_back=True, zone=ZONE, **WHO)
        assert await _footprint(world) == before
        async with world.connection.transaction():
            assert await cancel_voucher(world.connection, voucher, points_back=False, zone=ZONE, **WHO) == 0
        assert await shops.state(voucher) == ("cancelled", 1)
