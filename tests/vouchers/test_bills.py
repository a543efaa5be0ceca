"""Several coupons on one bill: all or none, once, by the rules of what goes together."""

from asyncio import gather
from collections import Counter
from typing import Any

import pytest

from liyu.catalog.coupons import CouponRuleTerms, save_coupon_rule
from liyu.core.errors import DomainError, IdempotencyConflictError, NotFoundError
from liyu.redemption.fulfil import complete_when_used_up
from liyu.vouchers.bills import Bill, CouponsRefusedError, bill_of_partner, verify_together
from tests.vouchers.tills import FEE, TOKENS, Connections, Shops, open_shops
from tests.world import NOW, ZONE, World, open_world

AMOUNT = 10_000
_COUPON = """
    UPDATE item SET kind = 'coupon', coupon_purpose = 'ordinary', coupon_form = 'cash', coupon_benefit = %s
    WHERE id = (SELECT item_id FROM voucher WHERE id = %s) RETURNING sku"""


async def coupons(shops: Shops, quantity: int, *, off: int = 600, most: int = 2, **wish: Any) -> list[int]:
    """Coupons of one item of which `most` go on a bill, beside those of every other item."""
    vouchers = await shops.vouchers(quantity, **wish)
    sku = await shops.world.one(_COUPON, off, vouchers[0])
    terms = CouponRuleTerms("everything", most_per_bill=most)
    await save_coupon_rule(shops.world.connection, sku, terms, actor="staff:1", now=NOW)
    return vouchers


async def use(
    shops: Shops, vouchers: list[int], *, nonce: str = "b", amount: int = AMOUNT, connection: Any = None, **wish: Any
) -> Bill:
    return await verify_together(
        connection or shops.world.connection, [shops.request(one, **wish) for one in vouchers], nonce=nonce,
        amount_minor=amount, now=NOW, zone=ZONE, tokens=TOKENS, on_used_up=complete_when_used_up,
    )  # fmt: skip


async def footprint(shops: Shops) -> dict[str, Any]:
    bills = {table: await shops.world.one(f"SELECT count(*) FROM {table}") for table in ("till_bill", "till_bill_use")}
    return bills | await shops.footprint()


async def test_all_are_used_and_a_repeat_answers_as_before(database_url: str) -> None:
    async with open_world(database_url) as world:
        shops = await open_shops(world)
        first, second = sorted(await coupons(shops, 2))
        (third,) = await coupons(shops, 1, off=1_000)
        bill = await use(shops, [third, first, second])
        assert (bill.amount_minor, bill.saved_minor, bill.repeated) == (AMOUNT, 2_200, False)
        assert [(one.voucher_id, one.saved_minor) for one in bill.uses] == [(first, 600), (second, 600), (third, 1_000)]
        assert await world.one("SELECT sum(amount_minor) FROM payable_entry") == 3 * FEE
        before = await footprint(shops)
        again = await use(shops, [first, second, third])
        assert (again.id, again.repeated, len(again.uses)) == (bill.id, True, 3)
        everything = [first, second, third]
        for other in (
            {"vouchers": [first, second]},
            {"vouchers": everything, "amount": AMOUNT + 1},
            {"vouchers": everything, "store": "SH2"},
        ):
            with pytest.raises(IdempotencyConflictError):
                await use(shops, **other)
        with pytest.raises(CouponsRefusedError) as tried:
            await use(shops, [first, second, 999_999])
        assert [one.code for one in tried.value.refused.values()] == ["unknown_voucher"]
        assert await world.one("SELECT count(*) FROM verification_refusal") == 1
        assert await footprint(shops) == before
        # Each is taken back by itself.
        await shops.undo(bill.uses[0].verification_id)
        found = await bill_of_partner(world.connection, shops.partners["LUCK"], bill.id)
        assert [one.undone_at for one in found.uses] == [NOW, None, None]
        for partner, store in (("TEA", None), ("LUCK", shops.stores["SH2"])):
            with pytest.raises(NotFoundError):
                await bill_of_partner(world.connection, shops.partners[partner], bill.id, store_id=store)


async def test_one_that_is_refused_leaves_all_unused_and_says_why(database_url: str) -> None:
    async with open_world(database_url) as world:
        shops = await open_shops(world)
        good, spent, third = await coupons(shops, 3)
        (foreign,) = await coupons(shops, 1, partner="TEA")
        right = await shops.voucher()
        await shops.verify(spent)
        before = await footprint(shops)

        async def refused(*vouchers: int, **wish: Any) -> CouponsRefusedError:
            with pytest.raises(CouponsRefusedError) as refusal:
                await use(shops, list(vouchers), **wish)
            assert await footprint(shops) == before
            return refusal.value

        async def codes(*vouchers: int, **wish: Any) -> dict[int, str]:
            return {place: one.code for place, one in (await refused(*vouchers, **wish)).refused.items()}

        assert await codes(good, spent) == {1: "already_verified"}
        assert await codes(good, foreign) == {1: "wrong_partner"}
        assert await codes(good, 999_999) == {1: "unknown_voucher"}
        assert await codes(good, right, spent) == {1: "no_coupon", 2: "already_verified"}
        assert await codes(good, third, good) == {2: "shown_twice"}
        assert await codes(good, store="BJ1", partner=None) == {0: "wrong_store"}
        attempts = "SELECT count(*) FROM verification_refusal"
        assert await world.one(attempts) == 5
        await world.connection.execute("UPDATE coupon_rule SET most_per_bill = 1")
        (objection,) = (await refused(good, third)).objections
        assert (objection.reason, objection.figure) == ("too_many_of_item", 1)
        await world.connection.execute("UPDATE item SET coupon_threshold_minor = 20000")
        assert [one.reason for one in (await refused(good)).objections] == ["below_threshold"]
        assert await world.one(attempts) == 5


async def test_the_limit_of_a_day_and_wrong_pins_count_over_a_bill_too(database_url: str) -> None:
    async with open_world(database_url) as world:
        shops = await open_shops(world)
        vouchers = await coupons(shops, 3, most=3)
        await world.connection.execute(
            "INSERT INTO till_rule (item_id, member_uses_a_day, paper_confirmed) SELECT DISTINCT item_id, 2, true FROM voucher"
        )
        before = await footprint(shops)
        for left in (4, 3, 2, 1, 0):
            with pytest.raises(CouponsRefusedError) as wrong:
                await use(shops, vouchers[:1], pin="1")
            assert wrong.value.refused[0].text.values == {"left": left}
        with pytest.raises(CouponsRefusedError) as locked:
            await use(shops, vouchers[:1], pin=TOKENS.pins.pin_of(vouchers[0], 0))
        assert locked.value.refused[0].code == "pin_locked"
        with pytest.raises(CouponsRefusedError) as enough:
            await use(shops, vouchers, in_hand=True)
        assert {place: one.code for place, one in enough.value.refused.items()} == {2: "daily_limit"}
        assert await footprint(shops) == before
        assert len((await use(shops, vouchers[:2], in_hand=True)).uses) == 2


async def test_bills_that_share_a_coupon_meet_and_one_of_them_is_whole(database_url: str) -> None:
    async with open_world(database_url) as world, Connections(database_url, 6) as lines:
        shops = await open_shops(world)
        vouchers = await coupons(shops, 7)
        shared = vouchers[0]

        async def try_one(turn: int) -> str:
            try:
                # Half of them send the very same bill.
                pair = [vouchers[max(turn - 2, 1)], shared]
                bill = await use(shops, pair, nonce=f"b{max(turn - 2, 1)}", connection=lines[turn])
            except DomainError as refusal:
                return refusal.code
            return "repeated" if bill.repeated else "whole"

        told = Counter(await gather(*(try_one(turn) for turn in range(6))))
        assert told["whole"] == 1
        assert told["repeated"] in (0, 3)
        assert told.total() == 6
        assert (
            await world.one("SELECT count(*) FROM till_bill_use")
            == await world.one("SELECT count(*) FROM verification")
            == 2
        )
        assert await _whole(world)


async def _whole(world: World) -> bool:
    sums = "SELECT sum(u.saved_minor) FROM till_bill_use u WHERE u.bill_id = b.id"
    return bool(await world.one(f"SELECT count(*) FROM till_bill b WHERE saved_minor <> ({sums})") == 0)
