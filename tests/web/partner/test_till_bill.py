"""Several coupons on one bill at the till: explained, used all at once or not at all."""

import re
from datetime import timedelta
from html import unescape
from typing import Any

import httpx

from liyu.vouchers.wallet_code import WalletCodes
from liyu.web.formats import format_money
from tests.vouchers.test_bills import coupons, footprint
from tests.vouchers.tills import FEE, TOKENS
from tests.web.partner.conftest import Enter, Portal
from tests.web.partner.test_till import look
from tests.web.personas import field_in, token_in

SECRET = "a-secret-for-tests-" + "0" * 32


def bill_of(answer: httpx.Response, **more: Any) -> dict[str, Any]:
    """The bill as its page sends it again."""
    tickets = re.findall(r'name="ticket" value="([^"]+)"', answer.text)
    sent: dict[str, Any] = {
        "csrf_token": token_in(answer),
        "store": "SH1",
        "ticket": [unescape(one) for one in tickets],
    }
    if 'name="nonce"' in answer.text:
        sent["nonce"] = field_in(answer, "nonce")
    return sent | more


async def add(client: httpx.AsyncClient, answer: httpx.Response, **more: Any) -> httpx.Response:
    return await client.post("/partner/verify/bill", data=bill_of(answer, **more))


async def test_coupons_are_added_explained_and_used_at_once(portal: Portal, enter: Enter) -> None:
    shops, client = portal.shops, await enter("cashier")
    first, second, third = await coupons(shops, 3)
    right = await shops.voucher()
    assert "With other coupons on one bill" not in (await look(client, portal.code(right))).text
    before = await footprint(shops)
    began = await add(client, await look(client, portal.code(first)))
    assert "Type the amount" in began.text
    assert portal.code(first) not in began.text
    paired = await add(client, began, code=portal.code(second), amount="100")
    assert format_money(-600, "CNY") in paired.text
    assert format_money(8_800, "CNY") in paired.text
    assert "Use all 2 coupons now" in paired.text
    for code, words in (
        (portal.code(second), "on the bill already"),
        (portal.code(right), "This voucher is no coupon"),
        (portal.code(999_999), "No voucher has this code"),
        ("7K3M", "A letter is wrong or missing"),
    ):
        refused = await add(client, paired, code=code, amount="100")
        assert refused.status_code == 422
        assert words in refused.text
        assert f'value="{code}"' in refused.text
        assert len(bill_of(refused)["ticket"]) == 2
        assert format_money(8_800, "CNY") in refused.text
    crowded = await add(client, paired, code=portal.code(third), amount="100")
    assert "At most 2 of these on one bill" in crowded.text
    assert "Leave out what is marked" in crowded.text
    assert "verify/bill/confirm" not in crowded.text
    assert await footprint(shops) == before

    left = await add(client, crowded, drop="2", amount="100")
    step = bill_of(left, amount="100")
    # What stands in the field for one more is looked at before anything is used.
    hasty = await client.post("/partner/verify/bill/confirm", data=step | {"code": portal.code(third)})
    assert "At most 2 of these on one bill" in hasty.text
    for wrong in ({"amount": ""}, {"amount": "x"}, {"amount": "-1"}, {"amount": "99999999"}):
        assert (await client.post("/partner/verify/bill/confirm", data=step | wrong)).status_code == 422
    assert await footprint(shops) == before
    answers = [await client.post("/partner/verify/bill/confirm", data=step) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [303, 303]
    assert len({answer.headers["location"] for answer in answers}) == 1
    assert await shops.world.one("SELECT sum(amount_minor) FROM payable_entry") == 2 * FEE
    assert await shops.world.one("SELECT count(*) FROM audit_event WHERE action = 'vouchers.verify'") == 2
    shown = (await client.get(answers[0].headers["location"])).text
    assert f"2 coupons · {format_money(-1_200, 'CNY')}" in shown
    assert f"The customer pays {format_money(8_800, 'CNY')}" in shown
    assert (await (await enter("tea")).get(answers[0].headers["location"])).status_code == 404


async def test_one_that_went_meanwhile_leaves_all_unused_and_the_word_is_asked_for_each(
    portal: Portal, enter: Enter
) -> None:
    shops, client, world = portal.shops, await enter("cashier"), portal.shops.world
    first, second = await coupons(shops, 2)
    await world.connection.execute(
        "INSERT INTO till_rule (item_id, paper_confirmed) SELECT DISTINCT item_id, true FROM voucher"
    )
    paired = await add(client, await look(client, portal.code(first)), code=portal.code(second), amount="100")
    pins = [TOKENS.pins.pin_of(voucher, 0) for voucher in (first, second)]
    before = await footprint(shops)
    for told, words in (([pins[0], ""], "Not confirmed yet"), (pins[::-1], "Tries left: 4")):
        refused = await client.post("/partner/verify/bill/confirm", data=bill_of(paired, amount="100", pin=told))
        assert refused.status_code == 409
        assert words in refused.text
        assert "Nothing was used." in refused.text
        assert "verify/bill/confirm" in refused.text
    assert await footprint(shops) == before
    await shops.verify(second, pin=pins[1], now=portal.clock.now())
    before = await footprint(shops)
    gone = await client.post("/partner/verify/bill/confirm", data=bill_of(paired, amount="100", pin=pins))
    assert gone.status_code == 409
    assert "used up" in gone.text
    assert await footprint(shops) == before
    alone = await add(client, gone, drop="1", amount="100", pin=pins)
    done = await client.post("/partner/verify/bill/confirm", data=bill_of(alone, amount="100", pin=pins[:1]))
    assert done.status_code == 303


async def test_a_wallet_offers_its_coupons_and_foreign_or_old_tickets_make_no_bill(
    portal: Portal, enter: Enter
) -> None:
    shops, cashier = portal.shops, await enter("cashier")
    first, second = await coupons(shops, 2)
    await shops.voucher()
    began = await add(cashier, await look(cashier, portal.code(first)))
    member = await shops.world.one("SELECT id FROM member WHERE external_id = 'm-1'")
    offered = await add(cashier, began, code=WalletCodes(SECRET).write(member, portal.clock.now()), amount="50")
    (choice,) = [unescape(one) for one in re.findall(r'name="code" value="([^"]+)"', offered.text)]
    assert TOKENS.codes.code_of(second) not in offered.text
    paired = await add(cashier, offered, code=choice, amount="50")
    assert "Use all 2 coupons now" in paired.text
    screenshot = await look(cashier, WalletCodes(SECRET).write(member, portal.clock.now() - timedelta(minutes=5)))
    assert "Out-of-date QR code" in screenshot.text
    assert await shops.world.one("SELECT code FROM verification_refusal") == "stale"
    before = await footprint(shops)
    # One whose ticket is none makes no bill of the others.
    sent = bill_of(paired, amount="50")
    halved = sent | {"ticket": [sent["ticket"][0], "x"]}
    assert (await cashier.post("/partner/verify/bill/confirm", data=halved)).headers["location"] == "/partner/verify"
    manager = await enter("manager")
    theirs = bill_of(paired, amount="50") | {"csrf_token": token_in(await manager.get("/partner/verify"))}
    for path in ("/partner/verify/bill", "/partner/verify/bill/confirm"):
        assert (await manager.post(path, data=theirs)).headers["location"] == "/partner/verify"
        assert (await cashier.get(path)).status_code in (404, 405)
    assert await footprint(shops) == before
    unreadable = {"csrf_token": sent["csrf_token"], "nonce": "\0"}
    anew = await cashier.post("/partner/verify/bill/confirm", data=unreadable)
    assert anew.headers["location"] == "/partner/verify"
    done = await cashier.post("/partner/verify/bill/confirm", data=sent)
    portal.clock.instant += timedelta(minutes=11)
    late = await cashier.post("/partner/verify/bill/confirm", data=sent)
    assert late.headers["location"] == done.headers["location"] != "/partner/verify"
