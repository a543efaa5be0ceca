"""Payouts: four eyes, once, and what is carried over."""

from typing import Any

import pytest
from psycopg.errors import CheckViolation, RestrictViolation

from liyu.core.errors import InvalidInputError
from liyu.partners.settlement.errors import (
    AlreadyPaidError,
    BankReferenceUsedError,
    NothingToPayError,
    PayoutExistsError,
    SamePersonError,
    SomethingToPayError,
    StatementStateError,
    UnknownPayoutError,
    UnknownStatementError,
)
from liyu.partners.settlement.payout import approve_and_pay, carry_over, prepare_payout
from tests.partners.settling import NOVEMBER, NOW, OCTOBER, Books

DUE: dict[str, Any] = {"now": NOW, "due_on": NOW.date()}


async def test_an_approved_statement_is_paid_by_a_second_person(books: Books) -> None:
    await books.use(times=2)
    statement = await books.approved()
    paper = await prepare_payout(books.connection, statement, actor="anna", **DUE)
    with pytest.raises(SamePersonError):
        await approve_and_pay(books.connection, paper, bank_reference="B-1", actor="anna", now=NOW)
    with pytest.raises(InvalidInputError):
        await approve_and_pay(books.connection, paper, bank_reference="  ", actor="bert", now=NOW)
    assert await books.balance() == 3500
    await approve_and_pay(books.connection, paper, bank_reference=" B-1 ", actor="bert", now=NOW)
    assert await books.balance() == 0
    assert await books.rows("SELECT state, amount_minor, approved_by, bank_reference FROM payout") == [
        ("paid", 3500, "bert", "B-1")
    ]
    assert await books.value("SELECT state FROM statement") == "paid"
    with pytest.raises(AlreadyPaidError):
        await approve_and_pay(books.connection, paper, bank_reference="B-2", actor="bert", now=NOW)
    with pytest.raises(StatementStateError):
        await prepare_payout(books.connection, statement, actor="anna", **DUE)
    for change in (
        "UPDATE payout SET amount_minor = 1",
        "UPDATE payout SET bank_reference = 'x'",
        "DELETE FROM payout",
    ):
        with pytest.raises(RestrictViolation):
            await books.connection.execute(change)
    await books.assert_proved()


async def test_the_database_refuses_one_pair_of_eyes(books: Books) -> None:
    await books.use()
    await prepare_payout(books.connection, await books.approved(), actor="anna", **DUE)
    with pytest.raises(CheckViolation):
        await books.connection.execute("UPDATE payout SET approved_by = 'anna'")
    with pytest.raises(CheckViolation):
        await books.connection.execute("UPDATE payout SET state = 'paid', transfer_id = (SELECT max(id) FROM transfer)")


async def test_only_an_approved_statement_is_paid_and_once(books: Books) -> None:
    await books.use()
    await books.prepare()
    statement = await books.value("SELECT id FROM statement")
    with pytest.raises(StatementStateError):
        await prepare_payout(books.connection, statement, actor="anna", **DUE)
    await books.approved()
    await prepare_payout(books.connection, statement, actor="anna", **DUE)
    with pytest.raises(PayoutExistsError):
        await prepare_payout(books.connection, statement, actor="bert", **DUE)
    with pytest.raises(SomethingToPayError):
        await carry_over(books.connection, statement, actor="bert", now=NOW)
    with pytest.raises(UnknownStatementError):
        await prepare_payout(books.connection, 999, actor="anna", **DUE)
    with pytest.raises(UnknownPayoutError):
        await approve_and_pay(books.connection, 999, bank_reference="B", actor="bert", now=NOW)
    assert await books.value("SELECT count(*) FROM payout") == 1


async def test_what_the_partner_owes_stays_on_the_account_and_is_taken_off_the_next_payout(books: Books) -> None:
    await books.use("P1-DIS", times=10)
    october = await books.approved("2026-10")
    with pytest.raises(NothingToPayError):
        await prepare_payout(books.connection, october, actor="anna", **DUE)
    await carry_over(books.connection, october, actor="anna", now=NOW)
    assert await books.rows("SELECT to_state, reason FROM statement_transition ORDER BY id DESC LIMIT 1") == [
        ("closed", "carried over")
    ]
    assert await books.balance() == -600
    await books.use("P1-CON", NOVEMBER)
    november = await books.approved("2026-11")
    paper = await prepare_payout(books.connection, november, actor="anna", **DUE)
    assert await books.rows("SELECT amount_minor, carried_minor FROM payout") == [(1150, -600)]
    await approve_and_pay(books.connection, paper, bank_reference="B-1", actor="bert", now=NOW)
    assert await books.balance() == 0
    await books.assert_proved()


async def test_a_month_that_does_not_make_up_for_the_debt_is_carried_over_too(books: Books) -> None:
    await books.use("P1-DIS", at=OCTOBER, times=40)
    await carry_over(books.connection, await books.approved("2026-10"), actor="anna", now=NOW)
    await books.use("P1-CON", NOVEMBER)
    november = await books.approved("2026-11")
    with pytest.raises(NothingToPayError):
        await prepare_payout(books.connection, november, actor="anna", **DUE)
    await carry_over(books.connection, november, actor="anna", now=NOW)
    assert await books.balance() == 1750 - 2400


async def test_a_bank_reference_stands_for_one_payment(books: Books) -> None:
    for period, at in (("2026-10", OCTOBER), ("2026-11", NOVEMBER)):
        await books.use(at=at)
        paper = await prepare_payout(books.connection, await books.approved(period), actor="anna", **DUE)
        if period == "2026-10":
            await approve_and_pay(books.connection, paper, bank_reference="B-1", actor="bert", now=NOW)
    with pytest.raises(BankReferenceUsedError):
        await approve_and_pay(books.connection, paper, bank_reference="B-1", actor="bert", now=NOW)
    assert await books.balance() == 1750
    await approve_and_pay(books.connection, paper, bank_reference="B-2", actor="bert", now=NOW)
    await books.assert_proved()
