"""What pages and files show, and to whom."""

import csv
import io
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from python_calamine import CalamineWorkbook

from liyu.core.errors import InvalidInputError
from liyu.partners.errors import UnknownPartnerError
from liyu.partners.queries import count_partners, list_partners, partner_page
from liyu.partners.scope import EVERY_PARTNER, PartnerScope
from liyu.partners.settlement.errors import UnknownStatementError
from liyu.partners.settlement.export import export_csv, export_json, export_xlsx, verify_signature
from liyu.partners.settlement.payout import approve_and_pay, prepare_payout
from liyu.partners.settlement.queries import (
    list_statements,
    partner_figures,
    settlement_overview,
    statement_entries,
    statement_page,
    statements_of,
)
from liyu.partners.settlement.settle import send_statement
from tests.partners.settling import NOVEMBER, NOW, ZONE, Books

KEY = "a-secret-for-tests-" + "0" * 32


@pytest.fixture
async def two(database_url: str) -> AsyncIterator[Books]:
    """Two partners with a sent statement each of October, and something of November."""
    async with Books.open(database_url, "P1", "P2") as books:
        for code in ("P1", "P2"):
            await books.use(f"{code}-CON", times=3)
            await books.use(f"{code}-FREE", times=4)
            await books.use(f"{code}-DIS")
            await books.use(f"{code}-CON", NOVEMBER)
        await books.prepare()
        yield books


async def ids_of(books: Books, code: str) -> tuple[int, int]:
    """Partner and statement."""
    found = await books.rows(
        "SELECT s.partner_id, s.id FROM statement s JOIN partner p ON p.id = s.partner_id WHERE p.code = %s", code
    )
    return found[0][0], found[0][1]


async def send(books: Books) -> None:
    for (statement,) in await books.rows("SELECT id FROM statement"):
        await send_statement(books.connection, statement, actor="anna", now=NOW)


async def test_a_partner_sees_its_own_statements_once_they_are_sent(two: Books) -> None:
    (mine, statement), (_, foreign) = await ids_of(two, "P1"), await ids_of(two, "P2")
    with pytest.raises(UnknownStatementError):
        await statement_page(mine, two.connection, statement)
    assert (await statement_entries(mine, two.connection, statement)).entries == []
    assert (await statement_page(EVERY_PARTNER, two.connection, statement)).head.state == "draft"
    assert await statements_of(mine, two.connection) == []
    assert len(await statements_of(mine, two.connection, drafts=True)) == 1
    await send(two)
    page = await statement_page(mine, two.connection, statement)
    assert (page.head.partner_code, page.head.net_minor) == ("P1", 3 * 1750 + 250 - 60)
    assert [line.amount_minor for line in page.lines] == [5250, -60, 250]
    assert [change.to_state for change in page.transitions] == ["draft", "sent"]
    assert (page.payout, page.carried_minor) == (None, 0)
    with pytest.raises(UnknownStatementError):
        await statement_page(mine, two.connection, foreign)
    assert (await statement_entries(mine, two.connection, foreign)).entries == []
    with pytest.raises(UnknownStatementError):
        await export_json(mine, two.connection, foreign, secret_key=KEY)


async def test_entries_page_by_page_are_the_statement(two: Books) -> None:
    _, statement = await ids_of(two, "P1")
    seen: list[Any] = []
    after: str | None = None
    while True:
        page = await statement_entries(EVERY_PARTNER, two.connection, statement, after=after, limit=3)
        seen += page.entries
        after = page.next
        if after is None:
            break
    head = (await statement_page(EVERY_PARTNER, two.connection, statement)).head
    assert len({entry.id for entry in seen}) == len(seen) == head.entries == 8
    assert sum(entry.amount_minor for entry in seen) == head.net_minor
    one_line = await statement_entries(EVERY_PARTNER, two.connection, statement, line=await two.line("P1-DIS"))
    assert [entry.amount_minor for entry in one_line.entries] == [-60]
    with pytest.raises(InvalidInputError):
        await statement_entries(EVERY_PARTNER, two.connection, statement, after="nonsense")


async def test_figures_of_partners_and_periods(two: Books) -> None:
    mine, _ = await ids_of(two, "P1")
    figures = await partner_figures(mine, two.connection, now=NOVEMBER, zone=ZONE)
    assert (figures.today.uses, figures.today.payable_minor) == (1, 1750)
    assert figures.month.net_minor == 1750
    october = await partner_figures(mine, two.connection, now=datetime(2026, 10, 31, 15, 59, tzinfo=UTC), zone=ZONE)
    assert (october.today.uses, october.month.uses, october.month.free_uses) == (0, 8, 3)
    assert (october.month.payable_minor, october.month.receivable_minor) == (5500, 60)
    overview = await settlement_overview(two.connection, "2026-10")
    assert (overview.partners, overview.entries, overview.net_minor, overview.paid_minor) == (2, 16, 10880, 0)
    assert [(one.state, one.statements) for one in overview.states] == [("draft", 2)]
    assert (await settlement_overview(two.connection, "2026-09")).partners == 0
    assert [one.partner_code for one in await list_statements(two.connection, "2026-10", limit=1)] == ["P1"]
    assert [one.partner_code for one in await list_statements(two.connection, "2026-10", after="P1")] == ["P2"]


async def test_balances_are_those_of_the_ledger_also_after_a_payout(two: Books) -> None:
    mine, statement = await ids_of(two, "P1")
    await two.approved()
    paper = await prepare_payout(two.connection, statement, actor="anna", now=NOW, due_on=NOW.date())
    await approve_and_pay(two.connection, paper, bank_reference="B", actor="bert", now=NOW)
    listed = {one.code: one for one in await list_partners(two.connection)}
    assert {code: one.balance_minor for code, one in listed.items()} == {"P1": 1750, "P2": 5440 + 1750}
    assert sum(one.balance_minor for one in listed.values()) == await two.balance()
    assert [one.code for one in await list_partners(two.connection, search="合作方p2")] == ["P2"]
    assert await count_partners(two.connection) == {"active": 2}
    page = await partner_page(mine, two.connection, now=NOVEMBER, zone=ZONE)
    assert (page.balance_minor, len(page.agreement), len(page.statements)) == (1750, 4, 1)
    assert not any(gate.passed for gate in page.gates)
    with pytest.raises(UnknownPartnerError):
        await partner_page(999, two.connection, now=NOVEMBER, zone=ZONE)


async def exported(books: Books, partner: PartnerScope, statement: int, **options: Any) -> list[list[str]]:
    async with books.connection.transaction():
        pieces = [piece async for piece in export_csv(partner, books.connection, statement, zone=ZONE, **options)]
    text = b"".join(pieces).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text)))


async def test_entries_as_csv(two: Books) -> None:
    _, statement = await ids_of(two, "P1")
    await two.connection.execute("UPDATE agreement_line SET title_zh = '=cmd()' WHERE code = 'P1-DIS'")
    rows = await exported(two, EVERY_PARTNER, statement, language="zh_CN", translate=lambda text: f"<{text}>")
    assert rows[0][:2] == ["<Time>", "<Event>"]
    assert len(rows) == 9
    assert [row[8] for row in rows[1:]] == ["17.50"] * 3 + ["0.00"] * 3 + ["2.50", "-0.60"]
    assert rows[1][0] == "2026-10-15 12:00:00"
    assert rows[-1][5] == "'=cmd()"
    assert rows[4][7] == "<Yes>"


async def test_entries_as_a_workbook(two: Books, tmp_path: Path) -> None:
    _, statement = await ids_of(two, "P1")
    path = tmp_path / "entries.xlsx"
    async with two.connection.transaction():
        await export_xlsx(EVERY_PARTNER, two.connection, statement, path, zone=ZONE, language="en")
    rows = CalamineWorkbook.from_path(str(path)).get_sheet_by_index(0).to_python()
    assert rows[0][0] == "Time"
    assert [row[8] for row in rows[1:]] == [17.5, 17.5, 17.5, 0, 0, 0, 2.5, -0.6]
    assert rows[1][5] == "Terms P1-CON"


async def test_entries_as_signed_json(two: Books) -> None:
    _, statement = await ids_of(two, "P1")
    async with two.connection.transaction():
        document = await export_json(EVERY_PARTNER, two.connection, statement, secret_key=KEY)
    assert verify_signature(document, KEY)
    assert len(json.loads(document)["entries"]) == 8
    reordered = json.dumps(dict(reversed(json.loads(document).items()))).encode()
    assert verify_signature(reordered, KEY)
    assert not verify_signature(document, KEY + "x")
    assert not verify_signature(document.replace(b'"quantity":1', b'"quantity":2', 1), KEY)
    assert not verify_signature(b"[]", KEY)
    assert not verify_signature(b"\xff", KEY)
