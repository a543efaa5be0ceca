"""From the run of a month to the payment, by two people."""

import httpx

from liyu.partners.settlement.accrue import accrue_use
from liyu.web.console import ledger_words
from liyu.web.formats import format_money
from liyu.web.i18n import load_catalogs, use_locale
from tests.partners.settling import OCTOBER, ZONE
from tests.web.console.acts import submit, texts_of
from tests.web.console.conftest import SignIn
from tests.world import World

MONTH = "/console/settlements?period=2026-10"


async def use_rights(world: World, code: str, times: int) -> None:
    line = await world.one("SELECT max(id) FROM agreement_line WHERE code = %s", code)
    async with world.connection.transaction():
        for number in range(times):
            await accrue_use(
                world.connection,
                agreement_line_id=line,
                source=f"test:{code}:{number}",
                at=OCTOBER,
                actor="till",
                zone=ZONE,
            )


async def prepare(client: httpx.AsyncClient, world: World) -> str:
    answer = await submit(client, MONTH, "/console/settlements", period="2026-10")
    assert answer.status_code == 303, texts_of(answer)
    return str(await world.one("SELECT number FROM statement"))


async def state_of(world: World) -> str:
    return str(await world.one("SELECT state FROM statement"))


async def test_a_month_is_settled_by_two_people(sign_in: SignIn, world: World) -> None:
    await use_rights(world, "P1-CON", 3)
    first, second = await sign_in("finance"), await sign_in("finance2")
    page = f"/console/settlements/{await prepare(first, world)}"
    assert (await submit(first, page, f"{page}/send")).status_code == 303
    assert "somebody else has to approve it" in texts_of(await first.get(page))
    refused = await submit(first, page, f"{page}/approve")
    assert (refused.status_code, await state_of(world)) == (409, "sent")
    assert (await submit(second, page, f"{page}/approve")).status_code == 303
    assert (await submit(first, page, f"{page}/payout", due_on="2026-11-30")).status_code == 303
    own = await submit(first, page, f"{page}/pay", bank_reference="B-1")
    assert (own.status_code, await state_of(world)) == (409, "approved")
    assert (await submit(second, page, f"{page}/pay", bank_reference="")).status_code == 422
    assert (await submit(second, page, f"{page}/pay", bank_reference="B-1")).status_code == 303
    again = await submit(second, page, f"{page}/pay", bank_reference="B-2")
    assert (again.status_code, await state_of(world)) == (409, "paid")
    assert await world.one("SELECT count(*) FROM transfer WHERE event = 'partner_payout'") == 1
    assert (
        await world.one("SELECT count(*) FROM audit_event WHERE action LIKE 'statement%%' OR action LIKE 'payout%%'")
        == 5
    )


async def test_a_statement_shows_what_it_is_made_of(sign_in: SignIn, world: World) -> None:
    await use_rights(world, "P1-FREE", 5)
    client = await sign_in("finance")
    page = f"/console/settlements/{await prepare(client, world)}"
    words = texts_of(await client.get(f"{page}?recompute=1"))
    assert "3 free, 2 beyond the quota" in words
    assert "It agrees" in words
    entries = texts_of(await client.get(f"{page}/entries"))
    assert entries.count("test:P1-FREE:") == 5
    net = format_money(await world.one("SELECT net_minor FROM statement"), "CNY").replace("\u2009", " ")
    assert f"{net} together" in entries
    csv, xlsx, signed, printed = [
        await client.get(f"{page}/{name}")
        for name in ("entries.csv", "entries.xlsx", "statement.json", "statement.pdf")
    ]
    assert printed.content.startswith(b"%PDF")
    assert csv.text.count("test:P1-FREE:") == 5
    assert xlsx.content.startswith(b"PK")
    assert signed.json()["signature"]


async def test_a_sent_statement_is_taken_back_with_a_reason(sign_in: SignIn, world: World) -> None:
    await use_rights(world, "P1-CON", 1)
    client = await sign_in("finance")
    page = f"/console/settlements/{await prepare(client, world)}"
    await submit(client, page, f"{page}/send")
    assert (await submit(client, page, f"{page}/take-back", reason="")).status_code == 422
    assert await state_of(world) == "sent"
    assert (await submit(client, page, f"{page}/take-back", reason="Too early")).status_code == 303
    assert await state_of(world) == "draft"


async def test_a_debt_is_carried_over(sign_in: SignIn, world: World) -> None:
    await use_rights(world, "P1-DIS", 2)
    first, second = await sign_in("finance"), await sign_in("finance2")
    page = f"/console/settlements/{await prepare(first, world)}"
    await submit(first, page, f"{page}/send")
    await submit(second, page, f"{page}/approve")
    assert "There is nothing to pay" in (await second.get(page)).text
    assert (await submit(first, page, f"{page}/payout", due_on="2026-11-30")).status_code == 409
    assert (await submit(second, page, f"{page}/carry-over")).status_code == 303
    assert await state_of(world) == "closed"


async def test_a_month_that_is_not_over_is_not_settled(sign_in: SignIn, world: World) -> None:
    client = await sign_in("finance")
    for period in ("2026-11", "2026-13", ""):
        answer = await submit(client, MONTH, "/console/settlements", period=period)
        assert answer.status_code in (409, 422), period
    assert await world.one("SELECT count(*) FROM statement") == 0
    operator = await sign_in("operator")
    assert (await submit(operator, "/console", "/console/settlements", period="2026-10")).status_code == 403


def test_references_are_said_without_the_words_of_machines() -> None:
    load_catalogs()
    use_locale("en")
    said = {
        "lot:7": "Lot #7",
        "verification:8": "#8",
        "statement:S1": "S1",
        "share:share:m-1": "m-1",
        "return:A-1-R": "A-1-R",
    }
    assert {source: ledger_words.reference(source) for source in said} == said
    assert ledger_words.reference("R4073") == "R4073"
    assert ledger_words.reference("other:9") == "other:9"


async def test_a_filter_of_a_list_keeps_the_others(sign_in: SignIn, world: World) -> None:
    client = await sign_in("operator")
    page = (await client.get("/console/redemptions?q=m-1&kind=goods")).text
    assert 'href="/console/redemptions?q=m-1&amp;kind=goods&amp;state=held"' in page


async def test_all_drafts_of_a_month_are_sent_at_once(sign_in: SignIn, world: World) -> None:
    await use_rights(world, "P1-CON", 1)
    client, operator = await sign_in("finance"), await sign_in("operator")
    page = f"/console/settlements/{await prepare(client, world)}"
    assert "Send all drafts (1)" in texts_of(await client.get(MONTH))
    assert (await submit(operator, "/console", "/console/settlements/send", period="2026-10")).status_code == 403
    send = "/console/settlements/send"
    for period, status in (("2026-09", 303), ("nonsense", 422), ("", 422)):
        assert (await submit(client, MONTH, send, period=period)).status_code == status
        assert await state_of(world) == "draft"
    for _ in range(2):
        assert (await submit(client, MONTH, send, period="2026-10")).status_code == 303
        assert await state_of(world) == "sent"
    assert "Sent" in texts_of(await client.get(page))
    assert await world.one("SELECT count(*) FROM statement_transition WHERE to_state = 'sent'") == 1
    assert await world.one("SELECT count(*) FROM audit_event WHERE action = 'statements.send'") == 1
    assert "Send all drafts" not in texts_of(await client.get(MONTH))
