"""Settlement under real parallel connections. Each race is shown to fail with its guard removed."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from psycopg import AsyncConnection
from psycopg.errors import UniqueViolation

from liyu.core.errors import DomainError
from liyu.partners.settlement import compute, payout, settle
from liyu.partners.settlement.accrue import accrue_use
from liyu.partners.settlement.compute import verify_statement
from liyu.partners.settlement.payout import approve_and_pay, carry_over, prepare_payout
from liyu.partners.settlement.settle import approve_statement, prepare_statements, send_statement
from tests.partners.settling import NOVEMBER, NOW, OCTOBER, ZONE, Books, connect

GUARDED = pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "guard removed"])


async def at_once(books: Books, *acts: Callable[[AsyncConnection[Any]], Awaitable[Any]]) -> list[Any]:
    """Each act in a transaction of its own that commits only when all had the time to begin; answers or errors."""
    begun = [asyncio.Event() for _ in acts]

    async def run(number: int) -> Any:
        async with connect(books.url) as connection:
            await connection.execute("SELECT 1")
            begun[number].set()
            await asyncio.gather(*(one.wait() for one in begun))
            try:
                answer = await acts[number](connection)
                await asyncio.sleep(0.3)
            except (DomainError, UniqueViolation) as error:
                return error
            await connection.commit()
            return answer

    return list(await asyncio.gather(*(run(number) for number in range(len(acts)))))


@GUARDED
async def test_two_preparers_make_one_statement(books: Books, monkeypatch: pytest.MonkeyPatch, guarded: bool) -> None:
    """Without the partners' lock both insert, and only the unique constraint is left to stop one of them with an error."""
    if not guarded:
        monkeypatch.setattr(settle, "_LOCK_PARTNERS", settle._LOCK_PARTNERS.replace("FOR NO KEY UPDATE", ""))
        await books.connection.execute("ALTER TABLE statement DISABLE TRIGGER chained")
    await books.use(times=3)

    def prepare(actor: str) -> Callable[[AsyncConnection[Any]], Awaitable[Any]]:
        return lambda connection: prepare_statements(connection, "2026-10", actor=actor, now=NOW, zone=ZONE)

    answers = await at_once(books, prepare("anna"), prepare("bert"))
    errors = [one for one in answers if isinstance(one, Exception)]
    assert await books.rows("SELECT net_minor, entries FROM statement") == [(5250, 3)]
    if guarded:
        assert sorted(len(one.made) for one in answers) == [0, 1]
        assert sorted(len(one.unchanged) for one in answers) == [0, 1]
    else:
        assert [type(one) for one in errors] == [UniqueViolation]


@GUARDED
async def test_two_approvers_approve_once(books: Books, monkeypatch: pytest.MonkeyPatch, guarded: bool) -> None:
    """Without the statement's lock both see it as sent: it would be approved twice, were it not for the frozen approval."""
    if not guarded:
        monkeypatch.setattr(settle, "_LOCK_STATEMENT", settle._LOCK_STATEMENT.replace("FOR NO KEY UPDATE", ""))
        await books.connection.execute("ALTER TABLE statement DISABLE TRIGGER frozen")
    await books.use()
    await books.prepare()
    statement = await books.value("SELECT id FROM statement")
    await send_statement(books.connection, statement, actor="anna", now=NOW)
    answers = await at_once(
        books,
        lambda connection: approve_statement(connection, statement, actor="bert", now=NOW),
        lambda connection: approve_statement(connection, statement, actor="carl", now=NOW),
    )
    approvals = await books.value("SELECT count(*) FROM statement_transition WHERE to_state = 'approved'")
    assert approvals == (1 if guarded else 2)
    assert sum(isinstance(one, DomainError) for one in answers) == (1 if guarded else 0)


@GUARDED
async def test_a_payout_is_paid_once(books: Books, monkeypatch: pytest.MonkeyPatch, guarded: bool) -> None:
    """Without the payout's lock both pay: only the ledger's unique key is left to stop the second one with an error."""
    if not guarded:
        monkeypatch.setattr(payout, "_LOCK_PAYOUT", payout._LOCK_PAYOUT.replace("FOR NO KEY UPDATE OF s, o", ""))
    await books.use()
    statement = await books.approved()
    paper = await prepare_payout(books.connection, statement, actor="anna", now=NOW, due_on=NOW.date())

    def pay(actor: str) -> Callable[[AsyncConnection[Any]], Awaitable[Any]]:
        return lambda c: approve_and_pay(c, paper, bank_reference=f"B-{actor}", actor=actor, now=NOW)

    answers = await at_once(books, pay("bert"), pay("carl"))
    errors = [one for one in answers if isinstance(one, Exception)]
    assert [isinstance(one, DomainError) for one in errors] == [guarded]
    assert await books.balance() == 0
    assert await books.value("SELECT count(*) FROM transfer WHERE event = 'partner_payout'") == 1
    await books.assert_proved()


async def test_two_prepare_one_payout(books: Books) -> None:
    """The guard is the unique statement of a payout; with ON CONFLICT there is no error that anybody had to explain."""
    await books.use()
    statement = await books.approved()

    def prepare(actor: str) -> Callable[[AsyncConnection[Any]], Awaitable[Any]]:
        return lambda c: prepare_payout(c, statement, actor=actor, now=NOW, due_on=NOW.date())

    answers = await at_once(books, prepare("anna"), prepare("bert"))
    assert sum(isinstance(one, DomainError) for one in answers) == 1
    assert await books.value("SELECT count(*) FROM payout") == 1


@GUARDED
async def test_a_debt_is_taken_off_once(books: Books, monkeypatch: pytest.MonkeyPatch, guarded: bool) -> None:
    """Two payouts of one partner at once: without the partner's lock both take off the same debt."""
    if not guarded:
        monkeypatch.setattr(payout, "_LOCK_PARTNER", payout._LOCK_PARTNER.replace("FOR NO KEY UPDATE", ""))
    await books.use("P1-DIS", at=OCTOBER.replace(month=9))
    debt = await books.approved("2026-09")
    await carry_over(books.connection, debt, actor="anna", now=NOW)
    await books.use("P1-CON", at=OCTOBER)
    first = await books.approved("2026-10")
    await books.use("P1-CON", at=NOVEMBER)
    second = await books.approved("2026-11")

    def prepare(statement: int) -> Callable[[AsyncConnection[Any]], Awaitable[Any]]:
        return lambda c: prepare_payout(c, statement, actor="anna", now=NOW, due_on=NOW.date())

    await at_once(books, prepare(first), prepare(second))
    assert await books.value("SELECT sum(amount_minor) FROM payout") == (3440 if guarded else 3380)


@GUARDED
async def test_an_entry_under_way_is_not_lost(books: Books, monkeypatch: pytest.MonkeyPatch, guarded: bool) -> None:
    """An entry has its id but is not committed when a statement is prepared, and a later id is committed already.

    Without the barrier the watermark passes over it, and no statement would ever take it up.
    """
    if not guarded:
        monkeypatch.setattr(compute, "_BARRIER", "SELECT 1")
    line = await books.line("P1-CON")
    async with connect(books.url) as slow, connect(books.url) as preparer:
        await accrue_use(slow, agreement_line_id=line, source="slow", at=OCTOBER, actor="t", zone=ZONE)
        await books.use()

        async def commit_later() -> None:
            await asyncio.sleep(0.4)
            await slow.commit()

        committing = asyncio.create_task(commit_later())
        await prepare_statements(preparer, "2026-10", actor="anna", now=NOW, zone=ZONE)
        await preparer.commit()
        await committing
    await books.use(at=NOVEMBER)
    await books.prepare("2026-11")
    # Everything has happened: what all statements took up is what the account holds, or an entry is lost.
    taken = await books.value("SELECT sum(net_minor)::bigint FROM statement")
    assert await books.balance() == 3 * 1750
    assert taken == (3 * 1750 if guarded else 2 * 1750)
    proofs = [await verify_statement(books.connection, i) for (i,) in await books.rows("SELECT id FROM statement")]
    assert all(proof.agrees for proof in proofs) == guarded


async def test_uses_and_preparing_at_the_same_time_lose_and_double_nothing(books: Books) -> None:
    line = await books.line("P1-CON")
    done = asyncio.Event()

    async def till(number: int) -> None:
        async with connect(books.url) as connection:
            for use in range(40):
                await accrue_use(
                    connection, agreement_line_id=line, source=f"till-{number}-{use}", at=OCTOBER, actor="t", zone=ZONE
                )
                await connection.commit()

    async def prepare_over_and_over() -> None:
        async with connect(books.url) as connection:
            while not done.is_set():
                await prepare_statements(connection, "2026-10", actor="anna", now=NOW, zone=ZONE)
                await connection.commit()

    preparing = asyncio.create_task(prepare_over_and_over())
    await asyncio.gather(*(till(number) for number in range(4)))
    done.set()
    await preparing
    await books.prepare()
    assert await books.rows("SELECT net_minor, entries FROM statement") == [(160 * 1750, 160)]
    assert (await verify_statement(books.connection, await books.value("SELECT id FROM statement"))).agrees
    await books.assert_proved()
