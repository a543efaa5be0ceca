"""Who may verify what, where and when; what a use leaves behind; how a repeat and a refusal answer."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from msgspec import structs

from liyu.core.clock import local_date
from liyu.core.errors import DomainError, IdempotencyConflictError, NotFoundError
from liyu.core.limits import LIMITS, Limit, LimitExceededError
from liyu.redemption.cancel import cancel_redemption
from liyu.redemption.errors import NotCancellableError
from liyu.vouchers.codes import mask_code
from liyu.vouchers.confirm import NotUsableError, confirm_use
from liyu.vouchers.errors import (
    AlreadyVerifiedError,
    OtherStoreError,
    StoreDailyLimitError,
    UnknownVoucherError,
    VouchersNotCancellableError,
    WrongPartnerError,
    WrongStoreError,
)
from liyu.vouchers.expire import expire_vouchers
from liyu.vouchers.states import may_become
from liyu.vouchers.verify import Verified
from liyu.vouchers.wallet_code import vouchers_here
from tests.vouchers.tills import FEE, TOKENS, Shops, open_desk, open_shops
from tests.world import NOW, ZONE, open_world

LATER = NOW + timedelta(days=91)


async def test_a_use_leaves_all_its_traces(database_url: str) -> None:
    async with open_world(database_url) as world:
        shops = await open_shops(world)
        voucher = await shops.voucher()
        await world.connection.execute("UPDATE member SET name = '李雷'")
        used = await shops.verify(voucher)
        code = TOKENS.codes.code_of(voucher)
        assert (used.use_number, used.uses_allowed, used.repeated) == (1, 1, False)
        assert used.code == code
        assert (used.member, used.partner_zh, used.store_en) == ("李**", "LUCK咖啡", "SH1 store")
        assert await shops.state(voucher) == ("used_up", 1)
        assert await shops.steps(voucher) == [("issued", "used_up")]
        assert await world.one("SELECT amount_minor FROM payable_entry") == FEE
        assert await world.one("SELECT source FROM payable_entry") == f"verification:{used.verification_id}"
        assert await world.one("SELECT state FROM redemption") == "completed"


async def test_a_voucher_is_used_as_often_as_it_allows(database_url: str) -> None:
    async with open_world(database_url) as world:
        shops = await open_shops(world)
        voucher = await shops.voucher(uses=3)
        assert [(await shops.verify(voucher)).use_number for _ in range(3)] == [1, 2, 3]
        assert await shops.steps(voucher) == [("issued", "partly_used"), ("partly_used", "used_up")]
        with pytest.raises(AlreadyVerifiedError) as refusal:
            await shops.verify(voucher)
        assert refusal.value.reasons[0].details == {"used_at": NOW, "store": {"zh": "SH1店", "en": "SH1 store"}}


async def test_an_order_is_done_with_its_last_voucher(database_url: str) -> None:
    async with open_world(database_url) as world:
        shops = await open_shops(world)
        first, second = await shops.vouchers(2)
        await shops.verify(first)
        assert await world.one("SELECT state FROM redemption") == "confirmed"
        await shops.verify(second)
        assert await world.one("SELECT state FROM redemption") == "completed"


async def test_the_same_nonce_answers_as_before(database_url: str) -> None:
    async with open_world(database_url) as world:
        shops = await open_shops(world)
        voucher, other = await shops.vouchers(2, uses=5)
        first = await shops.verify(voucher, nonce="n")
        before = await shops.footprint()
        again = await shops.verify(voucher, nonce="n")
        assert again.repeated
        assert (again.verification_id, again.use_number) == (first.verification_id, 1)
        assert (await shops.verify(voucher, nonce="n", store="sh1")).repeated
        for wish in ({"voucher_id": other}, {"voucher_id": voucher, "store": "SH2"}):
            with pytest.raises(IdempotencyConflictError):
                await shops.verify(**wish, nonce="n")
        assert await shops.footprint() == before
        assert (await shops.verify(voucher, nonce="n", verifier="staff:2")).use_number == 2


async def test_a_known_nonce_is_no_place_to_try_codes(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever verified a QR code knows a nonce and the end of the code: the rest is to be found no sooner than anywhere else."""
    monkeypatch.setitem(LIMITS, "verify_failure_key", replace(LIMITS["verify_failure_key"], hits=2))
    async with open_world(database_url) as world, open_desk(world) as desk:
        shops = await open_shops(world)
        voucher = await shops.voucher(uses=2)
        await shops.verify(voucher, text=TOKENS.dynamic_token(voucher, NOW), nonce="n")
        guess = structs.replace(
            shops.request(999_999, nonce="n"), subjects=(("verify_failure_key", "key:1"),), partner_id=None
        )
        told = await asyncio.gather(*(desk.verify(guess) for _ in range(3)), return_exceptions=True)
        assert [type(one) for one in told] == [UnknownVoucherError, UnknownVoucherError, LimitExceededError]
        assert await world.one("SELECT count(*) FROM verification_refusal WHERE code = 'unknown_voucher'") == 2
        assert isinstance(told[2], LimitExceededError)
        assert [reason.code for reason in told[2].reasons] == ["verify_failure_key"]


async def test_nobody_uses_up_the_guesses_of_anothers_store(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LIMITS, "verify_failure_store", Limit(2, 600))
    async with open_world(database_url) as world, open_desk(world) as desk:
        shops = await open_shops(world)

        async def guess(partner: str, key: str) -> type[BaseException]:
            wish = shops.request(999_999, store="SH1", partner=partner, verifier=key)
            with pytest.raises(DomainError) as refusal:
                await desk.verify(structs.replace(wish, subjects=(("verify_failure_key", key),)))
            return refusal.type

        assert [await guess("TEA", f"key:{number}") for number in range(3)][2] is LimitExceededError
        assert await guess("LUCK", "key:9") is UnknownVoucherError


async def test_a_repeat_answers_although_the_wallet_token_went_stale(database_url: str) -> None:
    async with open_world(database_url) as world:
        shops = await open_shops(world)
        voucher = await shops.voucher(uses=2)
        token = TOKENS.dynamic_token(voucher, NOW)
        first = await shops.verify(voucher, text=token, nonce="n")
        code = TOKENS.codes.code_of(voucher)
        assert first.code == mask_code(code)
        again = await shops.verify(voucher, text=token, nonce="n", now=NOW + timedelta(minutes=5))
        assert again.verification_id == first.verification_id
        await _refused(shops, voucher, "stale", text=token, now=NOW + timedelta(minutes=5))


async def _refused(shops: Shops, voucher: int, code: str, **wish: Any) -> DomainError:
    before = await shops.footprint()
    with pytest.raises(DomainError) as refusal:
        await shops.verify(voucher, **wish)
    assert refusal.value.code == code
    assert await shops.footprint() == before
    return refusal.value


async def test_refusals_change_nothing_and_say_why(database_url: str) -> None:
    async with open_world(database_url) as world:
        shops = await open_shops(world)
        voucher = await shops.voucher(stores=("SH1",))
        await _refused(shops, voucher, "wrong_partner", partner="TEA", store="BJ1")
        elsewhere = await _refused(shops, voucher, "wrong_store", store="SH2")
        assert elsewhere.text.values == {"stores": {"zh": "SH1店", "en": "SH1 store"}}
        await _refused(shops, voucher, "wrong_store", store="BJ1")
        await _refused(shops, voucher, "wrong_store", store="NOWHERE")
        await _refused(shops, voucher, "unknown_store", store=None)
        await _refused(shops, voucher, "wrong_store", store="BJ1", partner=None)
        await _refused(shops, voucher, "expired", now=LATER)
        await _refused(shops, voucher, "not_yet_valid", now=NOW - timedelta(seconds=1))
        await _refused(shops, voucher, "stale", text=TOKENS.dynamic_token(voucher, NOW - timedelta(minutes=2)))
        await world.connection.execute("UPDATE member SET state = 'frozen'")
        await _refused(shops, voucher, "frozen")
        await world.connection.execute("UPDATE member SET state = 'active'")
        await world.connection.execute("UPDATE store SET active = false")
        await _refused(shops, voucher, "wrong_store")


_RULE = (
    "INSERT INTO till_rule (item_id, usable_from, uses_a_day, member_uses_a_day, store_uses_a_day) "
    "SELECT item_id, %s, %s, %s, %s FROM voucher WHERE id = %s"
)


async def test_an_item_says_from_when_its_vouchers_can_be_used(database_url: str) -> None:
    async with open_world(database_url) as world:
        shops = await open_shops(world)
        voucher = await shops.voucher()
        await world.connection.execute(_RULE, (NOW + timedelta(days=1), None, None, None, voucher))
        early = await _refused(shops, voucher, "not_yet_valid")
        assert early.reasons[0].details == {"starts": NOW + timedelta(days=1)}
        member = await world.one("SELECT member_id FROM voucher")
        for now, here in ((NOW, []), (NOW + timedelta(days=1), [voucher])):
            found = await vouchers_here(world.connection, shops.partners["LUCK"], shops.stores["SH1"], member, now)
            assert [one.id for one in found] == here
        assert (await shops.verify(voucher, now=NOW + timedelta(days=1))).use_number == 1


async def test_a_code_that_does_not_renew_waits_for_its_holders_word_where_the_item_asks_for_it(
    database_url: str,
) -> None:
    async with open_world(database_url) as world:
        shops = await open_shops(world)
        voucher = await shops.voucher(uses=4)
        await world.connection.execute(
            "INSERT INTO till_rule (item_id, paper_confirmed) SELECT item_id, true FROM voucher WHERE id = %s",
            (voucher,),
        )
        item_id = await world.one("SELECT item_id FROM voucher")
        paper = TOKENS.static_token(voucher, local_date(LATER, ZONE), item_id)
        for text in (paper, TOKENS.codes.code_of(voucher)):
            await _refused(shops, voucher, "confirmation_needed", text=text)
        assert await shops.state(voucher) == ("issued", 0)
        assert (await shops.verify(voucher, text=TOKENS.dynamic_token(voucher, NOW))).use_number == 1

        holder = await world.one("SELECT member_id FROM voucher")
        with pytest.raises(NotFoundError):
            await confirm_use(world.connection, member_id=holder + 1, voucher_id=voucher, now=NOW)
        await _refused(shops, voucher, "confirmation_needed", text=paper)
        until = await confirm_use(world.connection, member_id=holder, voucher_id=voucher, now=NOW)
        await _refused(shops, voucher, "confirmation_needed", text=paper, now=until)
        assert (await shops.verify(voucher, text=paper)).use_number == 2
        await _refused(shops, voucher, "confirmation_needed", text=paper)  # one word is one use
        assert (await shops.verify(voucher, in_hand=True)).use_number == 3
        await world.connection.execute("UPDATE voucher SET frozen_at = %s", (NOW,))
        with pytest.raises(NotUsableError):
            await confirm_use(world.connection, member_id=holder, voucher_id=voucher, now=NOW)


async def test_an_item_says_how_often_it_is_used_in_a_day(database_url: str) -> None:
    """The day is the program's: four in the morning here is noon there. What is taken back does not count."""
    async with open_world(database_url) as world:
        shops = await open_shops(world)
        first, second, third = await shops.vouchers(3, uses=5)
        await world.connection.execute(_RULE, (None, 2, 3, None, first))
        used = [await shops.verify(first) for _ in range(2)]
        limited = await _refused(shops, first, "daily_limit")
        assert limited.text.values == {"limit": 2}
        assert (await shops.check(first)).refusal is not None
        await shops.verify(second)
        limited = await _refused(shops, third, "daily_limit")
        assert limited.text.values == {"limit": 3}
        await shops.undo(used[0].verification_id)
        await shops.verify(first)
        await _refused(shops, first, "daily_limit", now=NOW + timedelta(hours=11, minutes=59))
        await shops.verify(first, now=NOW + timedelta(hours=12))
        assert await world.one("SELECT sum(used) FROM till_day_use WHERE counted LIKE 'member:%%'") == 4


async def test_a_store_takes_so_many_a_day_while_another_still_takes_more(database_url: str) -> None:
    """It refuses what is used up or not taken there for that reason first; the operator without a store is not counted."""
    async with open_world(database_url) as world:
        shops = await open_shops(world)
        first, second, third = await shops.vouchers(3, uses=5)
        await world.connection.execute(_RULE, (None, None, None, 2, first))
        used = [await shops.verify(one) for one in (first, second)]
        limited = await _refused(shops, third, "daily_limit")
        assert isinstance(limited, StoreDailyLimitError)
        assert limited.text.values == {"limit": 2}
        assert (await shops.check(third)).refusal is not None
        assert (await shops.verify(third, store="SH2")).use_number == 1
        await _refused(shops, third, "wrong_partner", partner="TEA", store="BJ1")
        await shops.undo(used[0].verification_id)
        await shops.verify(third)
        await _refused(shops, first, "daily_limit")
        await shops.verify(first, now=NOW + timedelta(hours=12))
        found = await world.connection.execute("SELECT counted, used FROM till_day_use ORDER BY day, counted")
        sh1, sh2 = (f"store:{shops.stores[code]}" for code in ("SH1", "SH2"))
        assert await found.fetchall() == [(sh1, 2), (sh2, 1), (sh1, 1)]


async def test_a_foreign_partner_learns_nothing_of_a_voucher(database_url: str) -> None:
    async with open_world(database_url) as world:
        shops = await open_shops(world)
        voucher = await shops.voucher()
        await shops.verify(voucher)
        for moment in (NOW, LATER):
            refusal = await _refused(shops, voucher, "wrong_partner", partner="TEA", store="BJ1", now=moment)
            assert refusal.reasons[0].details == {}
        await _refused(shops, voucher, "expired", now=LATER)


async def test_all_wrong_codes_get_one_answer(database_url: str) -> None:
    async with open_world(database_url) as world:
        shops = await open_shops(world)
        voucher = await shops.voucher()
        code = TOKENS.codes.code_of(voucher)
        forged = TOKENS.static_token(voucher, NOW.date(), 1)[:-1] + "0"
        absent = TOKENS.codes.code_of(999_999)
        for text in ("", "hello", code[:-1], f"{code[:-1]}{'0' if code[-1] != '0' else '1'}", forged, absent):
            refusal = await _refused(shops, voucher, "unknown_voucher", text=text)
            assert (refusal.status, refusal.reasons[0].details) == (404, {})


async def test_a_cashier_verifies_at_the_own_store_only(database_url: str) -> None:
    async with open_world(database_url) as world:
        shops = await open_shops(world)
        voucher = await shops.voucher(uses=2)
        with pytest.raises(OtherStoreError):
            await shops.verify(voucher, store="SH2", allowed="SH1")
        assert (await shops.verify(voucher, store=None, allowed="SH1")).store_code == "SH1"
        assert (await shops.verify(voucher, store="sh1", allowed="SH1")).use_number == 2


async def test_the_operator_verifies_everything_and_rights_of_its_own_anywhere(database_url: str) -> None:
    async with open_world(database_url) as world:
        shops = await open_shops(world)
        voucher, own = await shops.voucher(), await shops.voucher(partner=None, uses=3)
        assert (await shops.verify(voucher, partner=None, verifier="key:1")).partner_en == "LUCK Coffee"
        assert (await shops.verify(own, partner=None, store=None)).store_code is None
        assert (await shops.verify(own, partner=None, store="BJ1")).store_code == "BJ1"
        await _refused(shops, own, "wrong_partner")
        await shops.verify(own, partner=None, store=None)
        refusal = await _refused(shops, own, "already_verified", partner=None, store=None)
        assert refusal.reasons[0].details == {"used_at": NOW}


async def test_refused_attempts_are_kept_without_the_scan(database_url: str) -> None:
    async with open_world(database_url) as world, open_desk(world) as desk:
        shops = await open_shops(world)
        voucher = await shops.voucher()
        expected: list[tuple[int | None, int | None, str]] = []
        for wish, error, kept in (
            (shops.request(voucher, text="nonsense"), UnknownVoucherError, (None, "unknown_voucher")),
            (shops.request(voucher, partner="TEA", store="BJ1"), WrongPartnerError, (voucher, "wrong_partner")),
            (shops.request(voucher, store="NOWHERE"), WrongStoreError, (voucher, "wrong_store")),
        ):
            with pytest.raises(error):
                await desk.verify(wish)
            store = shops.stores.get(wish.store_code or "")
            expected.append((kept[0], store, kept[1]))
        found = await world.connection.execute(
            "SELECT voucher_id, store_id, code FROM verification_refusal ORDER BY id"
        )
        assert await found.fetchall() == expected
        assert (await desk.verify(shops.request(voucher))).use_number == 1


async def test_a_batch_decides_in_order_and_saves_together(database_url: str) -> None:
    """Two tills with one voucher, a repeat of one nonce, a free quota that ends in the middle, and a stranger's code."""
    async with open_world(database_url) as world, open_desk(world) as desk:
        shops = await open_shops(world)
        shops.lines["LUCK"] = await world.one(
            "INSERT INTO agreement_line (partner_id, code, version, mode, title_zh, title_en, currency, unit_price_minor, "
            "commission_minor, free_quota, tax_rate_basis_points, valid_from) SELECT partner_id, 'Q', 1, 'free_quota', '', '', "
            "'CNY', unit_price_minor, 0, 3, 600, valid_from FROM agreement_line WHERE id = %s RETURNING id",
            shops.lines["LUCK"],
        )
        once, thrice = await shops.voucher(), await shops.voucher(uses=3)
        wishes = [
            *(shops.request(once) for _ in range(2)),
            *(shops.request(thrice) for _ in range(2)),
            *(shops.request(thrice, nonce="same") for _ in range(2)),
            shops.request(thrice),
            shops.request(once, text="nonsense"),
        ]
        outcomes = await asyncio.gather(*(desk.verify(wish) for wish in wishes), return_exceptions=True)
        assert [
            (one.use_number, one.repeated) if isinstance(one, Verified) else getattr(one, "code", None)
            for one in outcomes
        ] == [
            (1, False), "already_verified", (1, False), (2, False), (3, False), (3, True), "already_verified", "unknown_voucher",
        ]  # fmt: skip
        entries = await world.connection.execute("SELECT free, amount_minor FROM payable_entry ORDER BY id")
        assert await entries.fetchall() == [(True, 0)] * 3 + [(False, FEE)]
        assert await world.one("SELECT used FROM quota_use") == 3
        assert await shops.steps(thrice) == [("issued", "partly_used"), ("partly_used", "used_up")]
        assert await world.one("SELECT count(*) FROM redemption WHERE state = 'completed'") == 2
        assert desk.settled == desk.joined == len(wishes)


async def test_looking_uses_nothing_and_shows_what_staff_need(database_url: str) -> None:
    async with open_world(database_url) as world:
        shops = await open_shops(world)
        voucher = await shops.voucher(uses=2, stores=("SH1",))
        before = await shops.footprint()
        seen = await shops.check(voucher)
        assert (seen.uses_left, seen.state, seen.refusal) == (2, "issued", None)
        elsewhere = await shops.check(voucher, store="SH2")
        assert elsewhere.refusal is not None
        assert elsewhere.refusal.code == "wrong_store"
        with pytest.raises(WrongPartnerError):
            await shops.check(voucher, partner="TEA", store="BJ1")
        with pytest.raises(UnknownVoucherError):
            await shops.check(999_999)
        assert await shops.footprint() == before


async def test_vouchers_run_out_once(database_url: str) -> None:
    async with open_world(database_url) as world:
        shops = await open_shops(world)
        unused, half, done = await shops.voucher(), await shops.voucher(uses=2), await shops.voucher()
        await shops.verify(half)
        await shops.verify(done)
        assert await expire_vouchers(world.connection, NOW) == 0
        assert await expire_vouchers(world.connection, LATER) == 2
        assert await expire_vouchers(world.connection, LATER) == 0
        assert [await shops.state(one) for one in (unused, half, done)] == [
            ("expired", 0),
            ("expired", 1),
            ("used_up", 1),
        ]
        await _refused(shops, unused, "expired")


async def test_cancelling_takes_vouchers_along_unless_one_was_used(database_url: str) -> None:
    async with open_world(database_url) as world:
        shops = await open_shops(world)
        first, second = await shops.vouchers(2)
        used = await shops.verify(first)
        number = await world.one("SELECT number FROM redemption")

        async def cancel() -> None:
            async with world.connection.transaction():
                await cancel_redemption(
                    world.connection, number, member_id=None, reason="no", actor="t", now=NOW, zone=ZONE
                )

        with pytest.raises((VouchersNotCancellableError, NotCancellableError)):
            await cancel()
        assert await shops.state(second) == ("issued", 0)
        await shops.undo(used.verification_id)
        await cancel()
        assert [await shops.state(one) for one in (first, second)] == [("cancelled", 0)] * 2
        await _refused(shops, second, "cancelled")
        found = await world.connection.execute("SELECT from_state, to_state FROM voucher_transition")
        assert all(may_become(before, after) for before, after in await found.fetchall())
