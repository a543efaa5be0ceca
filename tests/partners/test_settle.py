"""Preparing, sending, confirming and approving statements, against a real database."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.errors import CheckViolation, RestrictViolation

from liyu.core.errors import InvalidInputError
from liyu.core.ledger.prove import prove
from liyu.partners.errors import UnknownPartnerCodeError
from liyu.partners.settlement import checks
from liyu.partners.settlement.compute import verify_statement
from liyu.partners.settlement.errors import (
    BooksDifferError,
    PeriodNotOverError,
    SamePersonError,
    StatementStateError,
    UnknownStatementError,
)
from liyu.partners.settlement.settle import (
    approve_statement,
    confirm_statement,
    prepare_statements,
    send_statement,
    take_back_statement,
)
from liyu.partners.settlement.statement import Bounds, Entry, Period, make_statement
from liyu.partners.settlement.states import TRANSITIONS, may_precede
from liyu.partners.settlement.terms import Terms
from tests.partners.settling import NOVEMBER, NOW, ZONE, Books
from tests.proofs import at_size

FIGURES = "SELECT state, payable_minor, receivable_minor, net_minor, entries FROM statement ORDER BY period, id"


async def test_a_month_of_all_modes(books: Books) -> None:
    await books.use("P1-CON", times=2)
    await books.undo(await books.use("P1-CON"))
    await books.use("P1-BULK", times=3)
    await books.use("P1-DIS", times=4)
    await books.use("P1-FREE", times=5)
    await books.use("P1-CON", NOVEMBER)
    result = await books.prepare()
    assert (len(result.made), result.recalculated, result.unchanged) == (1, [], [])
    assert await books.rows(FIGURES) == [("draft", 2 * 1750 + 2 * 250, 240, 3760, 16)]
    lines = await books.rows(
        "SELECT l.code, s.quantity, s.free_quantity, s.unit_minor, s.amount_minor FROM statement_line s "
        "JOIN agreement_line l ON l.id = s.agreement_line_id ORDER BY s.position"
    )
    assert lines == [
        ("P1-BULK", 3, 0, 0, 0), ("P1-CON", 2, 0, 1750, 3500), ("P1-DIS", 4, 0, -60, -240), ("P1-FREE", 5, 3, 250, 500),
    ]  # fmt: skip
    proof = await verify_statement(books.connection, await books.value("SELECT id FROM statement"))
    assert proof.agrees
    assert proof.net_minor == proof.entries_minor == proof.moved_minor == 3760


async def test_preparing_again_changes_only_what_something_came_to(books: Books) -> None:
    await books.use()
    (number,) = (await books.prepare()).made
    before = await books.rows("SELECT * FROM statement")
    assert (await books.prepare(actor="bert")).unchanged == [number]
    assert await books.rows("SELECT * FROM statement") == before
    await books.use()
    assert (await books.prepare(actor="bert")).recalculated == [number]
    assert await books.rows("SELECT prepared_by, net_minor, entries FROM statement") == [("bert", 3500, 2)]
    assert await books.rows("SELECT from_state, to_state, reason, actor FROM statement_transition ORDER BY id") == [
        (None, "draft", "prepared", "anna"),
        ("draft", "draft", "recalculated", "bert"),
    ]


async def test_what_comes_late_is_taken_up_by_the_next_statement(books: Books) -> None:
    await books.use()
    await books.use(at=NOVEMBER)
    await books.approved()
    await books.use()  # of October, when October is approved
    assert (await books.prepare("2026-10")).made == []
    await books.approved("2026-11")
    assert await books.rows(FIGURES) == [("approved", 1750, 0, 1750, 1), ("approved", 3500, 0, 3500, 2)]
    await books.assert_proved()


async def test_a_draft_that_a_later_one_builds_on_stays(books: Books) -> None:
    await books.use()
    await books.prepare("2026-10")
    await books.use(at=NOVEMBER)
    await books.prepare("2026-11")
    await books.use()
    assert (await books.prepare("2026-10")).recalculated == []
    assert len((await books.prepare("2026-11")).recalculated) == 1
    assert [row[4] for row in await books.rows(FIGURES)] == [1, 2]
    with pytest.raises(RestrictViolation):
        await books.connection.execute("UPDATE statement SET watermark = watermark + 1 WHERE period = '2026-10'")


async def test_only_the_partner_asked_for(database_url: str) -> None:
    async with Books.open(database_url, "P1", "P2") as books:
        await books.use("P1-CON")
        await books.use("P2-CON")
        assert len((await books.prepare(partner="P2")).made) == 1
        assert await books.rows("SELECT p.code FROM statement s JOIN partner p ON p.id = s.partner_id") == [("P2",)]
        assert len((await books.prepare()).made) == 1
        with pytest.raises(UnknownPartnerCodeError):
            await books.prepare(partner="P3")


async def test_a_month_that_is_not_over_or_not_a_month_is_refused(books: Books) -> None:
    await books.use()
    last = datetime(2026, 10, 31, 15, 59, 59, tzinfo=UTC)
    with pytest.raises(PeriodNotOverError):
        await prepare_statements(books.connection, "2026-10", actor="a", now=last, zone=ZONE)
    for period in ("2026-13", "2026-1", "october", "9999-12", ""):
        with pytest.raises(InvalidInputError):
            await books.prepare(period)
    assert await books.rows("SELECT id FROM statement") == []
    async with books.connection.transaction():
        await prepare_statements(books.connection, "2026-10", actor="a", now=last + timedelta(seconds=1), zone=ZONE)
    assert len(await books.rows("SELECT id FROM statement")) == 1


async def test_the_way_of_a_statement(books: Books) -> None:
    await books.use()
    await books.prepare()
    partner, statement = (await books.rows("SELECT partner_id, id FROM statement"))[0]
    act = {"actor": "bert", "now": NOW}
    with pytest.raises(StatementStateError):
        await approve_statement(books.connection, statement, **act)  # type: ignore[arg-type]
    await send_statement(books.connection, statement, actor="anna", now=NOW)
    await take_back_statement(books.connection, statement, actor="anna", now=NOW, reason="a store was missing")
    await send_statement(books.connection, statement, actor="anna", now=NOW)
    with pytest.raises(UnknownStatementError):
        await confirm_statement(books.connection, partner + 1, statement, actor="eve", now=NOW)
    await confirm_statement(books.connection, partner, statement, actor="partner finance", now=NOW)
    with pytest.raises(StatementStateError):
        await take_back_statement(books.connection, statement, actor="anna", now=NOW, reason="too late")
    with pytest.raises(SamePersonError):
        await approve_statement(books.connection, statement, actor="anna", now=NOW)
    await approve_statement(books.connection, statement, actor="bert", now=NOW)
    assert [tuple(row) for row in await books.rows("SELECT to_state, actor FROM statement_transition ORDER BY id")] == [
        ("draft", "anna"), ("sent", "anna"), ("draft", "anna"), ("sent", "anna"), ("confirmed", "partner finance"),
        ("approved", "bert"),
    ]  # fmt: skip


async def test_the_database_refuses_the_same_person_and_a_missing_approver(books: Books) -> None:
    await books.use()
    await books.prepare()
    for change in ("approved_by = 'anna', state = 'approved'", "state = 'approved'", "approved_by = 'bert'"):
        with pytest.raises(CheckViolation):
            await books.connection.execute(f"UPDATE statement SET {change}")
    assert await books.rows("SELECT state, approved_by FROM statement") == [("draft", None)]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE statement SET payable_minor = payable_minor + 1, net_minor = net_minor + 1",
        "UPDATE statement SET digest = 'x'",
        "UPDATE statement SET watermark = watermark + 1",
        "UPDATE statement SET approved_by = 'carl'",
        "UPDATE statement SET state = 'draft', approved_by = NULL, approved_at = NULL",
        "DELETE FROM statement",
        "UPDATE statement_line SET amount_minor = 0",
        "DELETE FROM statement_line",
        (
            "INSERT INTO statement_line (statement_id, position, agreement_line_id, quantity, free_quantity, unit_minor, "
            "amount_minor) SELECT statement_id, 9, agreement_line_id, 1, 0, 0, 0 FROM statement_line"
        ),
        "DELETE FROM statement_transition",
        "UPDATE agreement_line SET unit_price_minor = 1",
    ],
)
async def test_an_approved_statement_is_frozen(books: Books, change: str) -> None:
    await books.use()
    await books.approved()
    before = await books.rows("SELECT * FROM statement"), await books.rows("SELECT * FROM statement_line")
    with pytest.raises(RestrictViolation):
        await books.connection.execute(change)
    assert (await books.rows("SELECT * FROM statement"), await books.rows("SELECT * FROM statement_line")) == before


async def test_what_cannot_be_recomputed_is_not_approved(books: Books) -> None:
    await books.use()
    await books.prepare()
    await books.connection.execute("UPDATE statement SET payable_minor = 1, net_minor = 1")
    statement = await books.value("SELECT id FROM statement")
    assert not (await verify_statement(books.connection, statement)).agrees
    await send_statement(books.connection, statement, actor="anna", now=NOW)
    with pytest.raises(BooksDifferError):
        async with books.connection.transaction():
            await approve_statement(books.connection, statement, actor="bert", now=NOW)
    assert await books.value("SELECT state FROM statement") == "sent"


def test_the_table_of_states_leads_from_draft_to_an_end() -> None:
    reached, following = set(), {"draft"}
    while following:
        reached |= following
        following = {wanted for state in following for wanted in TRANSITIONS[state]} - reached
    assert reached == {state for state in TRANSITIONS if state}
    assert may_precede("approved") == ["sent", "confirmed"]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("use"), st.sampled_from(["P1-CON", "P1-BULK", "P1-DIS", "P1-FREE"]), st.integers(0, 120)),
        st.tuples(st.just("undo"), st.integers(0, 30), st.integers(0, 120)),
        st.tuples(st.just("prepare"), st.integers(0, 3), st.just(0)),
        st.tuples(st.just("approve"), st.just(0), st.just(0)),
    ),
    max_size=30,
)


@settings(
    max_examples=at_size(15, 200), suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(STEPS)
def test_the_database_makes_the_statements_of_the_specification(
    database_url: str, steps: list[tuple[str, object, int]]
) -> None:
    asyncio.run(_replay(database_url, steps))


async def _replay(url: str, steps: list[tuple[str, object, int]]) -> None:
    """Every step in a world that the example leaves behind: a partner of its own each time."""
    async with Books.open(url, "P1") as books:
        code = f"X{await books.value('SELECT count(*) FROM partner')}"
    async with Books.open(url, code) as books:
        partner = await books.value("SELECT id FROM partner WHERE code = %s", code)
        books.numbers = iter(range(partner * 1_000, partner * 1_000 + 999))
        sources: list[str] = []
        start = datetime(2026, 9, 1, tzinfo=UTC)
        for kind, what, days in steps:
            if kind == "use":
                sources.append(await books.use(str(what).replace("P1", code), start + timedelta(days=days)))
            elif kind == "undo" and sources:
                await books.undo(sources.pop(int(str(what)) % len(sources)), start + timedelta(days=days))
            elif kind == "prepare":
                period = ("2026-08", "2026-09", "2026-10", "2026-11")[int(str(what))]
                await books.prepare(period, partner=code)
                await _compare(books, partner, period, code)
            elif kind == "approve":
                for (statement,) in await books.rows(
                    "SELECT id FROM statement WHERE partner_id = %s AND state = 'draft'", partner
                ):
                    await send_statement(books.connection, statement, actor="anna", now=NOW)
                    await approve_statement(books.connection, statement, actor="bert", now=NOW)
        taken = await books.rows("SELECT id FROM statement WHERE partner_id = %s", partner)
        for (statement,) in taken:
            assert (await verify_statement(books.connection, statement)).agrees
        await books.assert_proved()


async def _compare(books: Books, partner: int, period: str, code: str) -> None:
    found = await books.rows(
        "SELECT ends_at, previous_ends_at, previous_watermark, digest, net_minor, watermark, state FROM statement "
        "WHERE partner_id = %s AND period = %s AND NOT EXISTS (SELECT FROM statement y WHERE y.partner_id = %s "
        "AND y.period > %s)",
        partner, period, partner, period,
    )  # fmt: skip
    if not found or found[0][6] != "draft":
        return
    ends_at, previous_ends_at, previous_watermark, digest, net, watermark, _ = found[0]
    terms = [
        Terms(*row)
        for row in await books.rows(
            "SELECT id, partner_id, code, version, mode, currency, unit_price_minor, commission_minor, free_quota "
            "FROM agreement_line WHERE partner_id = %s",
            partner,
        )
    ]
    entries = [
        Entry(*row)
        for row in await books.rows(
            "SELECT id, agreement_line_id, quantity, free, amount_minor, at FROM payable_entry WHERE partner_id = %s",
            partner,
        )
    ]
    bounds = Bounds(ends_at, previous_ends_at, previous_watermark)
    expected = make_statement(terms, entries, Period(code, period, "CNY", bounds))
    assert (digest, net, watermark) == (expected.digest, expected.net_minor, expected.watermark)


async def test_the_proof_finds_a_statement_that_is_not_its_entries(books: Books) -> None:
    await books.use()
    await books.prepare()
    await books.assert_proved()
    await books.connection.execute("UPDATE statement SET payable_minor = 9, net_minor = 9")
    async with books.connection.transaction():
        result = await prove(books.connection, checks.CHECKS, NOW)
    assert {(one["check"], one["found"], one["expected"]) for one in result.offenders} == {
        ("statement_differs_from_its_lines", 9, 1750),
        ("statements_differ_from_entries", 9, 1750),
    }
