"""Devices of the portal: added by managers, bound by a code, in contact, telling what they took; each sees its own only."""

import json
import re
from datetime import timedelta
from html import unescape
from typing import Any

import httpx

from liyu.vouchers.offline.lists import hash_vouchers, list_key
from liyu.vouchers.wallet_code import WalletCodes
from tests.vouchers.tills import FEE, TOKENS
from tests.web.conftest import OpenClient
from tests.web.partner.conftest import Enter, Portal
from tests.web.personas import field_in, sign_in_staff, token_in

SECRET = "a-secret-for-tests-" + "0" * 32
DEVICE = {"store": "SH1", "name": "Till 1", "quota": "2", "cap": "100", "hours": "12"}


async def add(client: httpx.AsyncClient, **values: str) -> httpx.Response:
    page = await client.get("/partner/devices")
    return await client.post("/partner/devices", data={"csrf_token": token_in(page), **DEVICE, **values})


async def bind(manager: httpx.AsyncClient, cashier: httpx.AsyncClient) -> dict[str, Any]:
    """A device that the manager adds and the cashier binds; its first contact, with all parts of the list."""
    code = field_in(await add(manager), "code")
    page = await cashier.get("/partner/till")
    bound = await cashier.post("/partner/till/pair", data={"csrf_token": token_in(page), "code": code.lower()})
    assert bound.status_code == 303, bound.text
    return await contact(cashier)


async def contact(client: httpx.AsyncClient, **query: Any) -> dict[str, Any]:
    answer: dict[str, Any] = (await client.get("/partner/till/contact", params=query)).json()
    while answer.get("more"):
        answer = (await client.get("/partner/till/contact", params=query | {"cursor": answer["cursor"]})).json()
    return answer


async def tell(client: httpx.AsyncClient, contact: dict[str, Any], *papers: str, sent_at: str = "") -> httpx.Response:
    lease = contact["lease"]["id"]
    uses = [
        {"nonce": f"n{number}", "text": text, "used_at": contact["now"], "lease": lease}
        for number, text in enumerate(papers)
    ]
    body = json.dumps({"sent_at": sent_at or contact["now"], "uses": uses})
    headers = {"X-CSRF-Token": contact["csrf"], "Content-Type": "application/json"}
    return await client.post("/partner/till/uses", content=body, headers=headers)


async def leave(client: httpx.AsyncClient) -> None:
    page = await client.get("/partner/orders")
    assert (await client.post("/partner/sign-out", data={"csrf_token": token_in(page)})).status_code == 303


async def paper(portal: Portal, voucher: int) -> str:
    item = await portal.shops.world.one("SELECT item_id FROM voucher WHERE id = %s", voucher)
    return TOKENS.static_token(voucher, (portal.clock.now() + timedelta(days=9)).date(), item)


async def test_a_device_is_added_bound_in_contact_and_tells_what_it_took(portal: Portal, enter: Enter) -> None:
    good, spent = await portal.shops.vouchers(2)
    manager, cashier = await enter("manager"), await enter("cashier")
    assert await contact(cashier) == {**(await contact(cashier)), "device": None}
    first = await bind(manager, cashier)
    assert (first["device"]["name"], first["lease"]["quota"], first["lease"]["cap_minor"]) == ("Till 1", 2, 10_000)
    await portal.shops.verify(spent, store="SH1", now=portal.clock.now())
    later = await contact(cashier, held=first["lease"]["id"], cursor=first["cursor"])
    key = list_key(SECRET, first["device"]["id"])
    assert later["gone"] == hash_vouchers([spent], TOKENS, key)

    told = await tell(cashier, later, await paper(portal, good), await paper(portal, spent))
    results = told.json()["results"]
    assert [(one["state"], one["conflict"], one["bearer"]) for one in results] == [
        ("verified", None, None),
        ("conflict", "already_verified", "partner"),
    ]
    assert (await tell(cashier, later, await paper(portal, good), await paper(portal, spent))).json() == told.json()
    assert await portal.shops.world.one("SELECT sum(amount_minor) FROM payable_entry") == 2 * FEE
    assert await portal.shops.world.one("SELECT count(*) FROM audit_event WHERE action = 'vouchers.offline'") == 2
    uses = (await manager.get("/partner/offline-uses")).text
    assert all(words in uses for words in ("Till 1", "Cashier Wang", "Already used", "Your loss"))
    assert "2 / 2" in (await manager.get("/partner/devices")).text
    assert "Already used" not in (await (await enter("tea")).get("/partner/offline-uses")).text


async def test_bad_input_changes_nothing_and_names_every_fault(portal: Portal, enter: Enter) -> None:
    owner, cashier = await enter("owner"), await enter("cashier")
    refused = await add(owner, store="BJ1", name="")
    assert refused.status_code == 422
    refused = await add(owner, quota="0", cap="x", hours="999")
    assert refused.status_code == 422
    assert refused.text.count("field-error") >= 3 or refused.text.count("aria-invalid") >= 3
    assert (await add(owner, cap="999999")).status_code == 422
    assert await portal.shops.world.one("SELECT count(*) FROM till_device") == 0
    assert (await cashier.get("/partner/devices")).status_code == 403

    contacted = await bind(owner, owner)
    page = await cashier.get("/partner/till")
    wrong = await cashier.post("/partner/till/pair", data={"csrf_token": token_in(page), "code": "0000-0000"})
    assert wrong.status_code == 422
    assert "wrong or too old" in wrong.text
    assert (await tell(cashier, contacted, "x")).status_code == 403
    headers = {"X-CSRF-Token": contacted["csrf"], "Content-Type": "application/json"}
    use = {"nonce": "n", "text": "x", "used_at": contacted["now"], "lease": 1}
    hostile = [{"nonce": "a\0"}, {"nonce": "n" * 101}, {"used_at": "9999-12-31T23:59:59-12:00"}]
    hostile += [{"used_at": "0001-01-01T00:00:00+14:00"}, {"used_at": "2026-11-22T10:00:00"}]
    for body in (
        *(json.dumps({"sent_at": contacted["now"], "uses": [use | one]}) for one in hostile),
        "",
        "{}",
        '{"sent_at": "2026-01-01T00:00:00Z", "uses": [{"nonce": ""}]}',
        '{"sent_at": "x", "uses": []}',
    ):
        answer = await owner.post("/partner/till/uses", content=body, headers=headers)
        assert answer.status_code == 422, body
    assert await portal.shops.world.one("SELECT count(*) FROM offline_use") == 0


async def test_a_revoked_device_gets_no_more_bounds_but_is_still_listened_to(portal: Portal, enter: Enter) -> None:
    owner, tea = await enter("owner"), await enter("tea")
    voucher = await portal.shops.voucher()
    contacted = await bind(owner, owner)
    device = contacted["device"]["id"]
    theirs = {"csrf_token": token_in(await tea.get("/partner/devices"))}
    for act in ("revoke", "code"):
        assert (await tea.post(f"/partner/devices/{device}/{act}", data=theirs)).status_code == 404
    portal.clock.instant += timedelta(minutes=1)
    page = await owner.get("/partner/devices")
    await owner.post(f"/partner/devices/{device}/revoke", data={"csrf_token": token_in(page)})
    assert (await contact(owner))["lease"] is None
    assert "was revoked" in (await owner.get("/partner/till")).text
    told = await tell(owner, contacted, await paper(portal, voucher), sent_at=portal.clock.now().isoformat())
    assert told.json()["results"][0]["state"] == "verified"


async def test_a_browser_that_is_bound_to_another_device_of_its_store_sends_what_it_took_before(
    portal: Portal, enter: Enter
) -> None:
    """Other bounds are another device: what waits counts under the lease that it was taken with."""
    owner, vouchers = await enter("owner"), await portal.shops.vouchers(2)
    first = await bind(owner, owner)
    second = await bind(owner, owner)
    told = await tell(owner, first | {"csrf": second["csrf"]}, await paper(portal, vouchers[0]))
    assert told.json()["results"][0]["state"] == "verified"
    one = portal.shops.world.one
    assert await one("SELECT device_id FROM offline_use") == first["device"]["id"]
    # The browser is the later one from now on, and that only.
    assert await one("SELECT array_agg(id) FROM till_device WHERE token_hash IS NOT NULL") == [second["device"]["id"]]
    assert (await owner.get("/partner/devices")).text.count("Not bound yet") == 1
    kept = (await owner.get("/partner/till/contact")).headers["set-cookie"]
    assert "liyu_till=" in kept
    # Neither does a lease of another store serve.
    await portal.shops.world.connection.execute(
        "UPDATE till_device SET store_id = (SELECT id FROM store WHERE code = 'SH2') WHERE id = %s",
        (first["device"]["id"],),
    )
    told = await tell(owner, first | {"csrf": second["csrf"]}, "x", await paper(portal, vouchers[1]))
    assert [result["conflict"] for result in told.json()["results"]] == ["unknown_voucher", "no_lease"]


async def test_a_device_of_a_closed_store_takes_nothing_that_its_store_may_not_take(
    portal: Portal, enter: Enter
) -> None:
    owner = await enter("owner")
    assert (await bind(owner, owner))["lease"] is not None
    await portal.shops.world.connection.execute("UPDATE store SET active = false WHERE code = 'SH1'")
    assert (await contact(owner))["lease"] is None


async def test_what_waits_goes_up_with_whoever_of_the_partner_signs_in_next(
    portal: Portal, enter: Enter, open_client: OpenClient
) -> None:
    """The browser keeps the device's cookie when somebody signs out; another partner's people send nothing with it."""
    vouchers, shops = await portal.shops.vouchers(2), portal.shops
    owner, browser = await enter("owner"), open_client()
    await sign_in_staff(browser, "cashier@portal.example", "partner")
    first = await bind(owner, browser)
    await leave(browser)
    papers = [await paper(portal, voucher) for voucher in vouchers]
    before = await shops.footprint()
    assert (await browser.get("/partner/till/contact")).status_code in (303, 401)
    assert (await tell(browser, first, *papers)).status_code in (303, 401, 403)
    login = (await browser.get("/partner/login")).text
    assert "data-till-waiting" in login
    assert "js/till/portal" in login

    await sign_in_staff(browser, "tea@portal.example", "partner")
    theirs = (await browser.get("/partner/till/contact")).json()
    assert (theirs["takes_in"], theirs["device"]) == (False, None)
    assert (await tell(browser, first | {"csrf": theirs["csrf"]}, *papers)).status_code == 404
    assert await shops.footprint() == before

    await leave(browser)
    # Finance has no till, and so gets no bounds for one; what waits is taken in.
    await sign_in_staff(browser, "finance@portal.example", "partner")
    back = await contact(browser)
    assert (back["takes_in"], back["device"], "lease" in back) == (True, None, False)
    told = await tell(browser, first | {"csrf": back["csrf"]}, *papers)
    assert [one["state"] for one in told.json()["results"]] == ["verified"] * 2
    uses = (await owner.get("/partner/offline-uses")).text
    assert "Cashier Wang" in uses
    assert "Finance Wang" not in uses
    sent = "SELECT count(*) FROM audit_event e JOIN staff s ON e.actor = 'staff:' || s.id WHERE e.action = 'vouchers.offline'"
    assert await shops.world.one(f"{sent} AND s.role = 'finance'") == 2


async def test_the_portal_is_installable_and_its_page_without_a_network_names_nobody(
    portal: Portal, enter: Enter
) -> None:
    owner = await enter("owner")
    manifest = (await owner.get("/partner/manifest.webmanifest")).json()
    assert (manifest["scope"], manifest["start_url"]) == ("/partner", "/partner/verify")
    worker = await owner.get("/partner/service-worker.js")
    assert worker.headers["service-worker-allowed"] == "/partner"
    installation = json.loads(worker.text.partition(" = ")[2].partition(";\n")[0])
    assert (await bind(owner, owner))["files"] == installation["version"]
    for address in (installation["offline"], *installation["files"]):
        assert (await owner.get(address)).status_code == 200, address
    alone = await owner.get(installation["offline"])
    assert "Owner Wang" not in alone.text
    assert "X-CSRF-Token" not in alone.text
    assert "'wasm-unsafe-eval'" in alone.headers["content-security-policy"]


async def test_a_wallet_shows_what_this_store_may_take_and_one_is_chosen(portal: Portal, enter: Enter) -> None:
    shops, cashier = portal.shops, await enter("cashier")
    here, _ = await shops.voucher(uses=2), await shops.voucher(stores=("SH2",))
    await shops.voucher(partner="TEA")
    used = await shops.voucher()
    await shops.verify(used, now=portal.clock.now())
    member = await shops.world.one("SELECT id FROM member WHERE external_id = 'm-1'")
    code = WalletCodes(SECRET).write(member, portal.clock.now())
    form = {"csrf_token": token_in(await cashier.get("/partner/verify")), "store": "SH1"}
    before = await shops.footprint()
    listed = await cashier.post("/partner/verify", data=form | {"code": code})
    assert listed.status_code == 200
    assert listed.text.count('name="code"') == 1
    assert TOKENS.codes.code_of(here) not in listed.text
    choice = unescape(re.findall(r'name="code" value="([^"]+)"', listed.text)[0])
    looked = await cashier.post("/partner/verify", data=form | {"code": choice})
    assert "Good to use" in looked.text
    assert await shops.footprint() == before
    theirs = {"csrf_token": token_in(await (await enter("manager")).get("/partner/verify")), "store": "SH1"}
    assert (await (await enter("manager")).post("/partner/verify", data=theirs | {"code": choice})).status_code != 200
    portal.clock.instant += timedelta(minutes=2)
    stale = await cashier.post("/partner/verify", data=form | {"code": code})
    assert stale.status_code == 409
    assert await shops.footprint() == before
