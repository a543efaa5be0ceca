"""The holder's word as a PIN: once for each use, five tries an hour for a voucher, whoever types them."""

from asyncio import gather
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from liyu.core.errors import DomainError
from liyu.core.limits import Windows
from liyu.vouchers.accept import Asked, find_refusal
from liyu.vouchers.confirm import confirm_use
from liyu.vouchers.errors import ClaimNeededError, VoucherRefusedError
from liyu.vouchers.serials import serial_of
from liyu.vouchers.state import ItemTerms, TillState, TillStore, TillTerms, VoucherState
from liyu.vouchers.tokens import Form, Presented
from tests.vouchers.tills import TOKENS, Connections, Shops, open_desk, open_shops, verify_on
from tests.world import NOW, ZONE, open_world

TILLS = 4
_ASK = "INSERT INTO till_rule (item_id, paper_confirmed) SELECT DISTINCT item_id, true FROM voucher"


async def test_a_pin_stands_for_the_holders_word_once_and_five_wrong_ones_lock_it_for_an_hour(
    database_url: str,
) -> None:
    async with open_world(database_url) as world:
        shops = await open_shops(world)
        voucher, other = await shops.vouchers(2, uses=4)
        await world.connection.execute(_ASK)
        pins = [TOKENS.pins.pin_of(voucher, uses) for uses in range(4)]
        assert len({*pins, TOKENS.pins.pin_of(other, 0), TOKENS.pins.pin_of(serial_of(voucher, 1), 0)}) == 6
        assert all(len(pin) == 6 and pin.isascii() and pin.isdigit() for pin in pins)
        typed = f" {pins[0][:3]} {pins[0][3:]}".translate({ord("0") + digit: ord("０") + digit for digit in range(10)})
        assert (await shops.verify(voucher, pin=typed, nonce="n")).use_number == 1
        # Heard once, it is worth nothing for the next use; the same nonce is still answered as before.
        wrong = await _refused(shops, voucher, "wrong_pin", pin=pins[0])
        assert wrong.text.values == {"left": 4}
        assert (await shops.verify(voucher, pin=pins[0], nonce="n")).repeated
        await _refused(shops, voucher, "confirmation_needed", pin="")
        await _refused(shops, voucher, "wrong_store", pin="0", store="BJ1", partner=None)
        for pin in ("x", "000 000\x00", pins[1] + "0", TOKENS.pins.pin_of(other, 0)):
            await _refused(shops, voucher, "wrong_pin", pin=pin)
        await _refused(shops, voucher, "pin_locked", pin=pins[1])
        await _refused(shops, voucher, "confirmation_needed")
        # Another voucher is not locked by it, nor is the wallet.
        assert (await shops.verify(other, pin=TOKENS.pins.pin_of(other, 0))).use_number == 1
        holder = await world.one("SELECT member_id FROM voucher WHERE id = %s", voucher)
        await confirm_use(world.connection, member_id=holder, voucher_id=voucher, now=NOW)
        assert (await shops.verify(voucher, pin="wrong")).use_number == 2
        hour = NOW + timedelta(hours=1)
        await _refused(shops, voucher, "pin_locked", pin=pins[2], now=hour - timedelta(seconds=1))
        assert (await shops.verify(voucher, pin=pins[2], now=hour)).use_number == 3
        codes = await world.one(
            "SELECT count(*) FROM verification_refusal WHERE code = 'wrong_pin' AND voucher_id = %s", voucher
        )
        assert codes == 5


def test_a_printed_voucher_in_no_wallet_has_nobody_who_could_say_the_word() -> None:
    voucher = VoucherState(
        id=1, generation=0, redemption_id=None, item_id=1, partner_id=1, agreement_line_id=None, state="issued", uses=0,
        uses_allowed=1, issued_at=NOW, expires_at=NOW + timedelta(days=1), is_frozen=False, paper_until=None,
        member_id=None, member_state=None, member_name=None, last_use=None,
    )  # fmt: skip
    paper, here = Presented(1, Form.STATIC), Asked(1, TillStore(1, 1, "SH1", "一店", "One"), names_store=True)

    def refuse(*, paper_confirmed: bool) -> VoucherRefusedError | None:
        terms = TillTerms(None, None, None, paper_confirmed, None)
        state = TillState(NOW, ZONE, {1: voucher}, {1: ItemTerms("s", "", "", None, terms)}, {}, [], {}, Windows(NOW))
        return find_refusal(state, paper, voucher, here)

    assert isinstance(refuse(paper_confirmed=True), ClaimNeededError)
    assert refuse(paper_confirmed=False) is None


async def test_parallel_guesses_are_five_in_an_hour_and_no_more(database_url: str) -> None:
    async with open_world(database_url) as world:
        shops = await open_shops(world)
        voucher = await shops.voucher()
        await world.connection.execute(_ASK)
        wrong = f"{(int(TOKENS.pins.pin_of(voucher, 0)) + 1) % 10**6:06}"
        async with Connections(world.url, TILLS) as tills, open_desk(world) as desk:
            answers = await gather(
                *(
                    _code(verify_on(one, shops.request(voucher, pin=wrong, verifier=f"staff:{n}")))
                    for n, one in enumerate(tills)
                ),
                *(_code(desk.verify(shops.request(voucher, pin=wrong))) for _ in range(TILLS)),
            )
        assert Counter(answers) == {"wrong_pin": 5, "pin_locked": 2 * TILLS - 5}
        assert await world.one("SELECT hits FROM rate_limit WHERE action = 'voucher_pin'") == 5
        assert await shops.state(voucher) == ("issued", 0)


async def _code(answer: Any) -> str:
    try:
        await answer
    except DomainError as refusal:
        return refusal.code
    return "verified"


async def _refused(shops: Shops, voucher: int, code: str, **wish: Any) -> VoucherRefusedError:
    before = await shops.footprint()
    with pytest.raises(VoucherRefusedError) as refusal:
        await shops.verify(voucher, **wish)
    assert refusal.value.code == code
    assert await shops.footprint() == before
    return refusal.value
