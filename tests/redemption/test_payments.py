"""Points + cash: held, paid or released, never both; late money goes back; every message may come twice, late, or never."""

import asyncio
from typing import Any

import psycopg
import pytest
from psycopg.errors import CheckViolation, RestrictViolation

from liyu.catalog.pools.imports import import_codes, split_codes
from liyu.redemption import cancel
from liyu.redemption.cancel import release_redemption
from liyu.redemption.errors import NotCancellableError, RefusedError
from liyu.redemption.payments import holds, settle
from liyu.redemption.payments.cash import want_back
from liyu.redemption.payments.errors import (
    BadSignatureError,
    NotPayableError,
    ProviderRefusedError,
    ProviderUnreachableError,
    RefundTooLargeError,
)
from liyu.redemption.payments.provider import Paid, Wish
from liyu.redemption.payments.refunds import refund_part
from liyu.redemption.payments.settle import settle_due, take_money
from tests.redemption.conftest import PRICE, Till
from tests.redemption.stripe_peer import SECRET
from tests.world import NOW, ZONE


async def test_an_order_with_a_cash_part_is_held_and_gives_nothing_out_yet(till: Till) -> None:
    number = await till.order(quantity=2)
    assert await till.state(number) == "held"
    assert (await till.world.balances("m"))["points"] == 800
    assert await till.world.one("SELECT taken FROM item_stock") == 2
    assert await till.world.one("SELECT count(*) FROM voucher") == 0
    assert await till.world.one("SELECT deadline - %s FROM payment_hold WHERE amount_minor = %s", NOW, 2 * PRICE)
    assert till.peer.calls == []


async def test_without_a_provider_it_is_refused_and_nothing_changes(till: Till) -> None:
    before = await till.world.footprint()
    with pytest.raises(RefusedError) as refusal:
        await till.world.redeem("m", "set")
    assert refusal.value.stable_code == "payment_unavailable"
    assert await till.world.footprint() == before


@pytest.mark.parametrize("way", ["alipay", "wechat_pay", "card"])
async def test_paying_captures_the_hold_and_issues_the_vouchers(till: Till, way: str) -> None:
    number = await till.order(quantity=2)
    address = await till.begin(number, way)
    assert address.startswith(till.peer.base)
    place = address.rpartition("/")[2]
    if way == "card":
        till.peer.pay(session=place)
    else:
        till.peer.pay(intent=place)
    await till.deliver(*till.peer.events)
    assert await till.steps(number) == ["held", "confirmed"]
    assert await till.world.one("SELECT count(*) FROM voucher WHERE state = 'issued'") == 2
    assert await till.world.one("SELECT amount FROM transfer WHERE event = 'payment'") == 2 * PRICE
    assert (await till.pass_deadline()).released == 0
    assert await till.state(number) == "confirmed"


async def test_a_code_is_done_once_it_is_paid_and_goes_back_into_the_pool_when_it_is_not(till: Till) -> None:
    await till.world.item("code", kind="code", points=10, cash_minor=PRICE, stock=0)
    secret_key = till.worker.services.settings.secret_key
    await import_codes(
        till.world.connection, "code", split_codes("ONE-AND-ONLY"), secret_key=secret_key, actor="test", now=NOW
    )
    first = await till.order("code")
    await till.pass_deadline()
    assert await till.is_untouched()
    assert await till.world.one("SELECT count(*) FROM pool_code WHERE redemption_id IS NULL") == 1
    second = await till.order("code")
    till.peer.pay(intent=await till.intent(second))
    await till.deliver(*till.peer.events)
    assert (await till.steps(first), await till.steps(second)) == (
        ["held", "released"],
        ["held", "confirmed", "completed"],
    )


async def test_what_is_not_paid_by_the_deadline_is_released_and_can_no_longer_be_paid(till: Till) -> None:
    number = await till.order(quantity=3)
    lots = await till.world.lots("m")
    intent = await till.intent(number)
    assert (await settle_due(till.world.connection, till.provider, till.world.clock.now(), ZONE)).released == 0
    assert (await till.pass_deadline()).released == 1
    assert await till.is_untouched()
    assert {day: rest - 300 for day, rest in (await till.world.lots("m")).items()} == lots
    assert await till.world.one("SELECT used FROM limit_use") == 0
    assert till.peer.intents[intent]["status"] == "canceled"
    with pytest.raises(NotPayableError):
        await till.begin(number)


async def test_a_member_who_thinks_again_has_everything_back_and_the_page_of_the_wallet_is_closed(till: Till) -> None:
    number = await till.order()
    intent = await till.intent(number)
    await till.begin(number, "card")
    assert await till.cancel(number) == 100
    assert await till.cancel(number) == 0
    await till.worker.run()
    assert till.peer.intents[intent]["status"] == "canceled"
    assert till.peer.sessions["cs_1"]["status"] == "expired"
    assert await till.is_untouched()


async def test_events_that_come_twice_or_in_another_order_change_nothing(till: Till) -> None:
    number = await till.order()
    intent = await till.intent(number)
    till.peer.fail(intent)
    till.peer.pay(intent=intent)
    failed, paid = till.peer.events
    await till.deliver(paid, paid, failed, run=False)
    await till.worker.run()
    await till.deliver(failed, paid)
    await till.handle(paid["id"])
    assert await till.steps(number) == ["held", "confirmed"]
    assert await till.world.one("SELECT count(*) FROM payment") == 1
    assert await till.world.one("SELECT count(*) FROM payment_event") == 2
    assert await till.world.one("SELECT count(*) FROM voucher") == 1


async def test_a_lost_webhook_is_made_up_for_before_the_deadline_releases(till: Till) -> None:
    number = await till.order()
    till.peer.pay(intent=await till.intent(number))
    assert (await till.pass_deadline()).released == 0
    assert await till.state(number) == "confirmed"
    await till.deliver(*till.peer.events)
    assert await till.world.one("SELECT count(*) FROM payment") == 1


async def test_late_money_for_a_released_hold_goes_back_whole(till: Till) -> None:
    number = await till.order()
    intent = await till.intent(number)
    till.peer.down = True
    assert (await till.pass_deadline()).released == 1
    till.peer.down = False
    till.peer.pay(intent=intent)
    await till.deliver(*till.peer.events)
    await till.deliver(*till.peer.events)
    assert await till.state(number) == "released"
    assert till.peer.refunded(intent) == PRICE
    assert await till.is_untouched()
    assert await till.world.one("SELECT reason || ' ' || state FROM payment_refund") == "late made"


async def test_late_money_that_no_webhook_tells_of_is_found_by_the_sweep(till: Till) -> None:
    number = await till.order()
    intent = await till.intent(number)
    till.peer.down = True
    await till.pass_deadline()
    till.peer.down = False
    till.peer.pay(intent=intent)
    await till.pass_deadline()
    await till.worker.run()
    assert till.peer.refunded(intent) == PRICE
    assert await till.world.one("SELECT count(*) FROM payment_hold WHERE closed_at IS NULL") == 0


async def test_who_pays_twice_gets_the_second_payment_back(till: Till) -> None:
    number = await till.order()
    intent = await till.intent(number)
    await till.begin(number, "card")
    second = till.peer.pay(session="cs_1")
    till.peer.pay(intent=intent)
    await till.deliver(*till.peer.events)
    assert await till.state(number) == "confirmed"
    assert (till.peer.refunded(second), till.peer.refunded(intent)) == (0, PRICE)


async def test_another_amount_than_the_order_asks_for_does_not_capture(till: Till) -> None:
    number = await till.order()
    intent = await till.intent(number)
    till.peer.pay(intent=intent, amount=PRICE - 1)
    await till.deliver(*till.peer.events)
    assert await till.state(number) == "held"
    assert till.peer.refunded(intent) == PRICE - 1
    assert await take_money(till.world.connection, Paid("pi_x", "R0", 1, "CNY"), NOW, ZONE) == "foreign"


async def test_an_answer_that_is_lost_after_the_work_was_done_is_asked_for_again(till: Till) -> None:
    number = await till.order()
    till.peer.lose_answers = 1
    intent = await till.intent(number)
    assert list(till.peer.intents) == [intent]
    till.peer.pay(intent=intent)
    await till.deliver(*till.peer.events)
    till.peer.lose_answers = 1
    await till.cancel(number)
    await till.worker.run()
    assert [one["amount"] for one in till.peer.refunds] == [PRICE]
    assert await till.is_untouched()


async def test_the_same_key_with_other_parameters_is_refused_by_the_provider(till: Till) -> None:
    await till.provider.make_intent(Wish("R1", 100, "CNY", "x"))
    with pytest.raises(ProviderRefusedError):
        await till.provider.make_intent(Wish("R1", 101, "CNY", "x"))
    till.peer.down = True
    with pytest.raises(ProviderUnreachableError):
        await till.provider.make_intent(Wish("R2", 100, "CNY", "x"))


async def test_cancelling_a_paid_order_gives_points_and_cash_back_once(till: Till) -> None:
    number = await till.order(quantity=2)
    intent = await till.intent(number)
    till.peer.pay(intent=intent)
    await till.deliver(*till.peer.events)
    assert await till.cancel(number) == 200
    assert await till.cancel(number) == 0
    await till.worker.run()
    await till.deliver(*till.peer.events)
    assert till.peer.refunded(intent) == 2 * PRICE
    assert await till.is_untouched()
    assert await till.world.one("SELECT sum(amount) FROM transfer WHERE event = 'payment_refund'") == 2 * PRICE


async def test_a_refund_that_the_provider_cannot_make_now_stays_wanted(till: Till) -> None:
    number = await till.order()
    intent = await till.intent(number)
    till.peer.pay(intent=intent)
    await till.deliver(*till.peer.events)
    await till.cancel(number)
    till.peer.down = True
    await till.worker.run()
    assert await till.world.one("SELECT state FROM payment_refund") == "wanted"
    till.peer.down = False
    await till.pass_deadline()
    assert till.peer.refunded(intent) == PRICE
    assert await till.world.one("SELECT state FROM payment_refund") == "made"


async def _refund_part(till: Till, number: str, amount: int) -> int:
    async with till.world.connection.transaction():
        return await refund_part(
            till.world.connection, number, amount, reason="damaged", actor="test", now=till.world.clock.now(), zone=ZONE
        )


async def test_a_part_of_the_cash_takes_its_share_of_the_points_along(till: Till) -> None:
    number = await till.order()
    intent = await till.intent(number)
    with pytest.raises(NotCancellableError):
        await _refund_part(till, number, 1)
    till.peer.pay(intent=intent)
    await till.deliver(*till.peer.events)
    assert [await _refund_part(till, number, PRICE // 3) for _ in range(2)] == [33, 33]
    with pytest.raises(RefundTooLargeError):
        await _refund_part(till, number, PRICE)
    await till.worker.run()
    assert (await till.world.balances("m"))["points"] == 966
    till.peer.refund_by_hand(intent, 300)
    await till.deliver(*till.peer.events)
    await till.deliver(*reversed(till.peer.events))
    assert (await till.world.balances("m"))["points"] == 969
    assert await till.state(number) == "confirmed"
    assert await till.cancel(number) == 31
    await till.worker.run()
    assert till.peer.refunded(intent) == PRICE
    assert await till.is_untouched()


@pytest.mark.parametrize("change", ["secret", "age", "body", "header"])
async def test_a_webhook_that_is_not_signed_as_it_should_is_refused(till: Till, change: str) -> None:
    till.peer.pay(intent=await till.intent(await till.order()))
    (event,) = till.peer.events
    body, signature = till.peer.signed(
        event, secret="whsec_other" if change == "secret" else SECRET, age=301 if change == "age" else 0
    )
    body = body.replace(b"9900", b"1") if change == "body" else body
    with pytest.raises(BadSignatureError):
        till.provider.read_event(body, "" if change == "header" else signature)


async def _race(till: Till, url: str, number: str, intent: str, times: int = 2) -> None:
    """Capture and release at the same moment, each on its own connection."""

    async def capture() -> None:
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            await take_money(connection, Paid(intent, number, PRICE, "CNY"), NOW, ZONE)

    async def release() -> None:
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection, connection.transaction():
            await release_redemption(connection, number, reason="not_paid_in_time", actor="test", now=NOW, zone=ZONE)

    await asyncio.gather(*(act() for _ in range(times) for act in (capture, release)), return_exceptions=True)


async def test_capture_and_release_at_once_is_one_of_them(till: Till, database_url: str) -> None:
    await till.world.post(till.world.purchase("m", 200_000))
    await till.world.item("many", points=1, cash_minor=PRICE)
    ends = set()
    for turn in range(12):
        number = await till.order("many")
        await _race(till, database_url, number, f"pi_race_{turn}")
        steps = await till.steps(number)
        assert steps in (["held", "confirmed"], ["held", "released"])
        ends.add(steps[-1])
    assert ends <= {"confirmed", "released"}


def _take_the_locks_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both read what there is, and leave each other the time to do so."""

    async def find_unlocked(connection: Any, *, number: str, intent_id: str) -> Any:
        hold = await holds.find_hold(connection, number)
        await asyncio.sleep(0.3)
        return hold

    async def read_unlocked(connection: Any, number: str, member_id: None, zone: Any) -> Any:
        found = await cancel._read(connection, {"number": number, "member": member_id, "zone": str(zone)})
        await asyncio.sleep(0.3)
        return found

    monkeypatch.setattr(settle, "lock_hold", find_unlocked)
    monkeypatch.setattr(cancel, "lock_redemption", read_unlocked)


async def test_without_locks_the_database_still_decides_once(
    till: Till, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _take_the_locks_away(monkeypatch)
    number, before = await till.order(), await till.world.footprint()
    await _race(till, database_url, number, "pi_1", times=1)
    assert len(await till.steps(number)) == 2
    # Where nobody asks whether it is decided already, the trigger refuses the second one.
    monkeypatch.setattr(holds, "_DECIDE", holds._DECIDE.replace("AND outcome IS NULL", ""))
    number = await till.order()
    await _race(till, database_url, number, "pi_2", times=1)
    assert len(await till.steps(number)) == 2
    assert (await till.world.footprint())["redemption"] == before["redemption"] + 1


async def test_without_any_guard_a_hold_is_captured_and_released(
    till: Till, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _take_the_locks_away(monkeypatch)
    monkeypatch.setattr(holds, "_DECIDE", holds._DECIDE.replace("AND outcome IS NULL", ""))
    await till.world.connection.execute("ALTER TABLE payment_hold DISABLE TRIGGER frozen")
    number = await till.order()
    await _race(till, database_url, number, "pi_1", times=1)
    assert sorted(await till.steps(number)) == ["confirmed", "held", "released"]
    assert not (await till.world.proof()).balanced
    await _mend(till)


async def _mend(till: Till) -> None:
    """Put right what the missing guards let happen, so that the books close."""
    await till.world.connection.execute("ALTER TABLE payment DISABLE TRIGGER frozen")
    for statement in (
        "UPDATE redemption SET state = 'released'",
        "UPDATE payment_hold SET outcome = 'released'",
        "UPDATE payment SET captures = false",
    ):
        await till.world.connection.execute(statement)
    async with till.world.connection.transaction():
        await want_back(till.world.connection, "pi_1", PRICE, reason="late", actor="test", now=NOW)


async def test_no_more_goes_back_than_was_paid_whatever_the_code_does(till: Till) -> None:
    till.peer.pay(intent=await till.intent(await till.order()))
    await till.deliver(*till.peer.events)
    with pytest.raises(CheckViolation):
        await till.world.connection.execute("UPDATE payment SET refunded_minor = amount_minor + 1")
    with pytest.raises(RestrictViolation):
        await till.world.connection.execute("UPDATE payment SET amount_minor = 1")
