"""What hangs is let go by rule, once, and only while it still hangs."""

from datetime import timedelta

import pytest

from liyu.core.errors import DomainError
from liyu.redemption.cancel import cancel_redemption
from liyu.redemption.errors import CancelTimeOverError, NotCancellableError
from liyu.redemption.orderdesk import hanging
from liyu.redemption.orderdesk.hanging import Released, release_hanging
from liyu.redemption.orderdesk.rules import OrderRules, save_rules
from liyu.redemption.shipping.parcels import Waybill, send_parcel
from liyu.vouchers.expire import expire_vouchers
from tests.world import ZONE, World, open_world


async def _release(world: World) -> Released:
    return await release_hanging(world.connection, now=world.clock.now(), zone=ZONE)


async def test_what_is_not_picked_up_goes_back_after_its_last_day(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.member("m", points=1_000)
        await world.item("mug", kind="pick_up", points=100, stock=5)
        left, touched = [(await world.redeem("m", "mug", 2)).number for _ in range(2)]
        assert await world.one("SELECT count(*) FROM voucher WHERE state = 'issued'") == 4
        await world.connection.execute(
            "UPDATE voucher SET uses = 1, state = 'used_up' WHERE id = (SELECT max(id) FROM voucher)"
        )
        world.clock.instant += timedelta(days=90)
        assert await _release(world) == Released()
        world.clock.instant += timedelta(days=1)
        await expire_vouchers(world.connection, world.clock.now())
        assert await _release(world) == Released(not_picked_up=1)
        assert await _release(world) == Released()
        states = dict(await (await world.connection.execute("SELECT number, state FROM redemption")).fetchall())
        assert states == {left: "cancelled", touched: "confirmed"}
        assert (await world.balances("m"))["points"] == 800
        assert await world.one("SELECT taken FROM item_stock") == 2
        assert await world.one("SELECT count(*) FROM member_notice WHERE topic = 'order_given_back'") == 1
        await world.connection.execute("UPDATE voucher SET uses = 0, state = 'expired' WHERE uses = 1")


async def test_orders_that_never_go_back_do_not_stand_before_others(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hanging, "MOST_AT_ONCE", 1)
    async with open_world(database_url) as world:
        await world.members("m", "friend", points=1_000)
        await world.item("mug", kind="pick_up", points=100)
        given, spent, left = [(await world.redeem("m", "mug", 1)).voucher_ids[0] for _ in range(3)]
        await world.connection.execute(
            "UPDATE voucher SET holder_id = (SELECT id FROM member WHERE external_id = 'friend') WHERE id = %s",
            (given,),
        )
        await world.connection.execute("UPDATE voucher SET state = 'cancelled' WHERE id = %s", (spent,))
        world.clock.instant += timedelta(days=91)
        assert await _release(world) == Released(not_picked_up=1)
        assert await world.one("SELECT state FROM voucher WHERE id = %s", left) == "cancelled"
        assert (await world.balances("m"))["points"] == 800
        assert await _release(world) == Released()


async def test_orders_that_nobody_sends_are_given_back_only_when_the_rule_says_so(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.member("m", points=1_000)
        await world.item("tea", kind="goods", points=100)
        unsent, sent = [(await world.redeem("m", "tea")).number for _ in range(2)]
        async with world.connection.transaction():
            waybill = Waybill("SF", "SF1234567890123")
            await send_parcel(world.connection, sent, waybill, partner_id=None, actor="staff:1", now=world.clock.now())
        world.clock.instant += timedelta(days=5)
        assert await _release(world) == Released()
        await save_rules(world.connection, OrderRules(cancel_unsent_days=5), world.clock.now())
        assert await _release(world) == Released(not_sent=1)
        assert await world.one("SELECT state FROM redemption WHERE number = %s", unsent) == "cancelled"
        assert await world.one("SELECT state FROM redemption WHERE number = %s", sent) == "fulfilling"
        world.clock.instant += timedelta(days=5)
        assert await _release(world) == Released(received=1)


@pytest.mark.parametrize(
    ("hours", "later", "refusal"), [(0, 0, CancelTimeOverError), (2, 2, CancelTimeOverError), (None, 99, None)]
)
async def test_members_cancel_within_the_hours_of_the_item(
    database_url: str, hours: int | None, later: int, refusal: type[DomainError] | None
) -> None:
    async with open_world(database_url) as world:
        await world.member("m", points=1_000)
        await world.item("tea", kind="goods", points=100)
        await world.connection.execute("UPDATE item SET cancel_hours = %s", (hours,))
        number = (await world.redeem("m", "tea")).number
        member = await world.one("SELECT id FROM member")
        world.clock.instant += timedelta(hours=later)

        async def cancel(member_id: int | None) -> int:
            async with world.connection.transaction():
                return await cancel_redemption(
                    world.connection, number, member_id=member_id, reason="changed_mind", actor="test",
                    now=world.clock.now(), zone=ZONE,
                )  # fmt: skip

        if refusal is None:
            await world.connection.execute("UPDATE redemption SET state = 'fulfilling'")
            with pytest.raises(NotCancellableError):
                await cancel(member)
            await world.connection.execute("UPDATE redemption SET state = 'confirmed'")
            assert await cancel(member) == 100
        else:
            with pytest.raises(refusal):
                await cancel(member)
            assert (await world.balances("m"))["points"] == 900
            assert await cancel(None) == 100, "operators are not bound by the hours"
