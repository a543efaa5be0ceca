"""What partner staff see: their own, by role, with a word on what to do next where there is nothing yet."""

import re

import pytest

from liyu.core.settings import Settings
from liyu.partners.settlement.export import verify_signature
from tests.web.partner.conftest import Enter, Portal
from tests.web.personas import token_in

PAGES = {
    "/partner": {"owner", "manager", "cashier", "finance"},
    "/partner/verify": {"owner", "manager", "cashier"},
    "/partner/orders": {"owner", "manager", "cashier", "finance"},
    "/partner/statements": {"owner", "finance"},
    "/partner/offers": {"owner", "manager", "cashier", "finance"},
    "/partner/codes": {"owner", "manager"},
    "/partner/stores": {"owner", "manager", "finance"},
    "/partner/team": {"owner", "manager"},
}


@pytest.mark.parametrize("role", ["owner", "manager", "cashier", "finance"])
async def test_every_page_opens_for_its_roles_only_in_both_languages(portal: Portal, enter: Enter, role: str) -> None:
    client = await enter(role)
    for path, roles in PAGES.items():
        for locale in ("en", "zh_CN"):
            client.cookies.set("liyu_locale", locale)
            answer = await client.get(path)
            assert answer.status_code == (200 if role in roles else 403), path
            assert "style=" not in answer.text
            assert not re.search(r"<script(?![^>]*src=)", answer.text)


async def test_empty_pages_say_what_to_do_next(portal: Portal, enter: Enter) -> None:
    client = await enter("owner")
    for path, words in {
        "/partner": "Nothing verified yet",
        "/partner/orders": "Nothing verified yet",
        "/partner/orders?day=2026-01-01": "Choose another day or all stores.",
        "/partner/statements": "No statement yet",
        "/partner/offers": "No offers yet",
        "/partner/codes": "No offer of yours hands out codes",
    }.items():
        assert words in (await client.get(path)).text, path


async def test_the_first_page_shows_ones_own_day_and_account(portal: Portal, enter: Enter) -> None:
    now = portal.clock.now()
    for store in ("SH1", "SH1", "SH2"):
        await portal.shops.verify(await portal.shops.voucher(), store=store, now=now)
    await portal.shops.verify(await portal.shops.voucher(partner="TEA"), partner="TEA", store="BJ1", now=now)
    owner = (await (await enter("owner")).get("/partner")).text
    assert re.search(r"Verified today</span>\s*<span class=\"num\">3<", owner)
    assert "¥\N{THIN SPACE}48.00" in owner
    assert "BJ1" not in owner
    cashier = (await (await enter("cashier")).get("/partner")).text
    assert re.search(r"Verified today</span>\s*<span class=\"num\">2<", cashier)
    assert "Ready for the next guest" in cashier
    assert "Payable" not in cashier


async def test_verifications_are_filtered_and_paged(portal: Portal, enter: Enter) -> None:
    now = portal.clock.now()
    vouchers = await portal.shops.vouchers(33)
    for place, voucher in enumerate(vouchers):
        await portal.shops.verify(voucher, store="SH1" if place % 2 else "SH2", now=now)
    client = await enter("owner")
    first = (await client.get("/partner/orders")).text
    assert first.count("/partner/verifications/") == 60  # the voucher and, within the window, its undo
    following = re.search(r'href="(/partner/orders\?before=\d+)" rel="next"', first)
    assert following
    assert (await client.get(following[1])).text.count("<tr>") == 1 + 3
    only = (await client.get("/partner/orders?store=SH1&day=2026-11-22")).text
    assert only.count("<tr>") == 1 + 16
    assert "<td" not in (await client.get("/partner/orders?day=2026-11-21")).text
    assert (await (await enter("cashier")).get("/partner/orders?store=SH2")).text.count("<tr>") == 1 + 16
    assert "<td" not in (await (await enter("tea")).get("/partner/orders")).text
    assert (await client.get("/partner/orders?day=nonsense&before=x")).status_code == 200


async def test_a_statement_shows_where_its_figures_come_from(portal: Portal, enter: Enter) -> None:
    number = await portal.statement()
    client = await enter("finance")
    listed = (await client.get("/partner/statements")).text
    assert number in listed
    assert "October 2026" in listed
    shown = (await client.get(f"/partner/statements/{number}")).text
    assert "¥\N{THIN SPACE}32.00" in shown
    assert "Concierge service · Fee" in shown
    assert "Waiting for your confirmation" in shown
    entries = (await client.get(f"/partner/statements/{number}/entries")).text
    assert entries.count("/partner/verifications/") == 2
    assert (await client.get(f"/partner/statements/{number}/entries?line=0")).text.count("<td") == 0
    assert (await client.get(f"/partner/statements/{number}/entries?after=nonsense")).status_code == 422


async def test_anyone_of_the_partner_recomputes_a_statement(portal: Portal, enter: Enter) -> None:
    number = await portal.statement()
    client = await enter("finance")
    token = token_in(await client.get(f"/partner/statements/{number}"))
    address = f"/partner/statements/{number}/recompute"
    whole = await client.post(address, data={"csrf_token": token})
    assert "every line, every total and the check value agree" in whole.text
    part = await client.post(address, data={"csrf_token": token}, headers={"hx-request": "true"})
    assert "<html" not in part.text
    assert "check value agree" in part.text


async def test_finance_confirms_a_statement_once(portal: Portal, enter: Enter) -> None:
    number = await portal.statement()
    client, address = await enter("finance"), f"/partner/statements/{number}"
    token = token_in(await client.get(address))
    assert (await client.post(f"{address}/confirm", data={"csrf_token": token})).status_code == 303
    shown = (await client.get(address)).text
    assert "Confirmed by you" in shown
    assert f'action="{address}/confirm"' not in shown
    assert (await client.post(f"{address}/confirm", data={"csrf_token": token})).status_code == 409
    world = portal.shops.world
    assert await world.one("SELECT count(*) FROM audit_event WHERE action = 'statement.confirm'") == 1
    assert await world.one("SELECT state FROM statement WHERE number = %s", number) == "confirmed"


async def test_a_foreign_statement_does_not_exist(portal: Portal, enter: Enter) -> None:
    number = await portal.statement("TEA")
    client = await enter("owner")
    token, address = token_in(await client.get("/partner")), f"/partner/statements/{number}"
    for path in ("", "/entries", "/entries.csv", "/entries.xlsx", "/statement.json", "/statement.pdf"):
        assert (await client.get(f"{address}{path}")).status_code == 404, path
    for act in ("recompute", "confirm"):
        assert (await client.post(f"{address}/{act}", data={"csrf_token": token})).status_code == 404, act
    assert await portal.shops.world.one("SELECT state FROM statement WHERE number = %s", number) == "sent"
    cashier = await enter("cashier")
    token = token_in(await cashier.get("/partner"))
    assert (await cashier.get(f"{address}/entries.csv")).status_code == 403
    assert (await cashier.get(f"{address}/statement.pdf")).status_code == 403
    assert await portal.shops.world.one("SELECT count(*) FROM audit_event WHERE action = 'statement.download'") == 0
    assert (await cashier.post(f"{address}/confirm", data={"csrf_token": token})).status_code == 403


async def test_the_files_of_a_statement_are_attachments(portal: Portal, enter: Enter, settings: Settings) -> None:
    number = await portal.statement()
    client, address = await enter("finance"), f"/partner/statements/{number}"
    csv = await client.get(f"{address}/entries.csv")
    assert csv.headers["content-disposition"] == f'attachment; filename="{number}.csv"'
    assert csv.headers["content-type"] == "text/csv; charset=utf-8"
    assert csv.text.startswith("\ufeffTime,Event")
    assert len(csv.text.strip().splitlines()) == 3
    xlsx = await client.get(f"{address}/entries.xlsx")
    assert xlsx.content.startswith(b"PK")
    assert xlsx.headers["content-disposition"].startswith("attachment")
    signed = await client.get(f"{address}/statement.json")
    assert verify_signature(signed.content, settings.secret_key)
    printed, again = [await client.get(f"{address}/statement.pdf") for _ in range(2)]
    assert printed.headers["content-disposition"] == f'attachment; filename="{number}.pdf"'
    assert printed.headers["content-type"] == "application/pdf"
    assert printed.content.startswith(b"%PDF")
    assert printed.content == again.content
    taken = await portal.shops.world.one(
        "SELECT string_agg(object || ' ' || (after ->> 'form'), ',' ORDER BY after ->> 'form') "
        "FROM audit_event WHERE action = 'statement.download'"
    )
    assert taken == ",".join(f"statement:{number} {form}" for form in ("csv", "json", "pdf", "pdf", "xlsx"))


async def test_offers_stores_and_team_are_ones_own(portal: Portal, enter: Enter) -> None:
    await portal.shops.voucher()
    await portal.shops.voucher(partner="TEA")
    own, foreign = "right-1", "right-2"
    owner = await enter("owner")
    offers = (await owner.get("/partner/offers")).text
    assert own in offers
    assert foreign not in offers
    assert "No offer in this state" in (await owner.get("/partner/offers?state=ended")).text
    stores = (await owner.get("/partner/stores")).text
    assert "SH1 store" in stores
    assert "BJ1" not in stores
    team = (await owner.get("/partner/team")).text
    assert "cashier@portal.example" in team
    assert "tea@portal.example" not in team
    of_store = (await (await enter("manager")).get("/partner/team")).text
    assert "cashier@portal.example" in of_store
    assert "finance@portal.example" not in of_store
