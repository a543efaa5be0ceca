"""The till: two steps, one use, every refusal in words, and never a use by a GET."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from liyu.core import limits
from liyu.vouchers.confirm import confirm_use
from tests.vouchers.tills import TOKENS
from tests.web.partner.conftest import Enter, Portal
from tests.web.personas import field_in, token_in


async def look(client: httpx.AsyncClient, code: str, store: str = "SH1") -> httpx.Response:
    entry = await client.get("/partner/verify")
    return await client.post("/partner/verify", data={"csrf_token": token_in(entry), "code": code, "store": store})


def second_step(answer: httpx.Response) -> dict[str, str]:
    return {
        "csrf_token": token_in(answer),
        **{name: field_in(answer, name) for name in ("ticket", "nonce", "store")},
    }


async def verify(client: httpx.AsyncClient, code: str, store: str = "SH1") -> httpx.Response:
    looked = await look(client, code, store)
    assert looked.status_code == 200, looked.text
    return await client.post("/partner/verify/confirm", data=second_step(looked))


async def audited(portal: Portal, action: str) -> Any:
    return await portal.shops.world.one("SELECT count(*) FROM audit_event WHERE action = %s", action)


async def test_a_voucher_is_looked_at_then_verified_then_shown(portal: Portal, enter: Enter) -> None:
    voucher, client = await portal.shops.voucher(uses=2), await enter("cashier")
    before = await portal.shops.footprint()
    looked = await look(client, portal.code(voucher).lower().replace("-", " "))
    assert looked.status_code == 200
    assert "Good to use" in looked.text
    assert portal.code(voucher) not in looked.text
    assert await portal.shops.footprint() == before

    verified = await client.post("/partner/verify/confirm", data=second_step(looked))
    assert verified.status_code == 303
    shown = await client.get(verified.headers["location"])
    assert "Accepted" in shown.text
    assert "Use 1 of 2" in shown.text
    assert "Take this one back (within 10 min)" in shown.text
    assert await portal.shops.state(voucher) == ("partly_used", 1)
    assert await audited(portal, "vouchers.verify") == 1
    # A shopping centre's tills share an address: theirs is another limit than a person's.
    hits = "SELECT sum(hits) FROM rate_limit WHERE action = %s"
    assert [await portal.shops.world.one(hits, name) for name in ("verify", "verify_address")] == [2, 2]
    assert limits.LIMITS["verify_address"].hits == 10 * limits.LIMITS["verify"].hits


async def test_paper_waits_for_its_holders_word_and_is_then_verified(portal: Portal, enter: Enter) -> None:
    voucher, client, world = await portal.shops.voucher(uses=2), await enter("cashier"), portal.shops.world
    await world.connection.execute("INSERT INTO till_rule (item_id, paper_confirmed) SELECT item_id, true FROM voucher")
    asked = await look(client, portal.code(voucher))
    assert "Ask the member to confirm in the wallet, or to tell the PIN" in asked.text
    early = await client.post("/partner/verify/confirm", data=second_step(asked))
    assert early.status_code == 409
    assert "Not confirmed yet" in early.text
    assert await portal.shops.state(voucher) == ("issued", 0)
    assert await world.one("SELECT count(*) FROM verification_refusal WHERE code = 'confirmation_needed'") == 2
    holder = await world.one("SELECT member_id FROM voucher")
    await confirm_use(world.connection, member_id=holder, voucher_id=voucher, now=portal.clock.now())
    looked = second_step(early)
    assert (await client.post("/partner/verify/confirm", data=looked)).status_code == 303
    # One word is one use, though the same look is sent again as another one.
    again = await client.post("/partner/verify/confirm", data=looked | {"nonce": "another"})
    assert "Not confirmed yet" in again.text
    assert await portal.shops.state(voucher) == ("partly_used", 1)
    assert await world.one("SELECT paper_until FROM voucher") is None


async def test_the_member_tells_the_pin_and_a_wrong_one_says_how_many_tries_are_left(
    portal: Portal, enter: Enter
) -> None:
    voucher, client, world = await portal.shops.voucher(uses=2), await enter("cashier"), portal.shops.world
    await world.connection.execute("INSERT INTO till_rule (item_id, paper_confirmed) SELECT item_id, true FROM voucher")
    pin = TOKENS.pins.pin_of(voucher, 0)
    step = second_step(await look(client, portal.code(voucher)))
    wrong = await client.post("/partner/verify/confirm", data=step | {"pin": pin[::-1] + "1"})
    assert wrong.status_code == 409
    assert "Tries left: 4" in wrong.text
    assert pin not in wrong.text
    assert await portal.shops.state(voucher) == ("issued", 0)
    assert await world.one("SELECT count(*) FROM verification_refusal WHERE code = 'wrong_pin'") == 1
    step = second_step(wrong) | {"pin": f"{pin[:3]} {pin[3:]}"}
    answers = [await client.post("/partner/verify/confirm", data=step) for _ in range(2)]
    assert answers[0].headers["location"] == answers[1].headers["location"]
    assert await portal.shops.state(voucher) == ("partly_used", 1)
    step = second_step(await look(client, portal.code(voucher))) | {"pin": "1"}
    tries = [await client.post("/partner/verify/confirm", data=step) for _ in range(5)]
    assert "Tries left: 0" in tries[3].text
    assert "Too many wrong PINs" in tries[4].text
    assert await portal.shops.state(voucher) == ("partly_used", 1)


async def test_the_same_nonce_leads_to_the_same_verification(portal: Portal, enter: Enter) -> None:
    voucher, client = await portal.shops.voucher(uses=3), await enter("cashier")
    looked = await look(client, portal.code(voucher))
    answers = [await client.post("/partner/verify/confirm", data=second_step(looked)) for _ in range(3)]
    assert len({answer.headers["location"] for answer in answers}) == 1
    assert await portal.shops.state(voucher) == ("partly_used", 1)
    assert await audited(portal, "vouchers.verify") == 1
    # Also when it is sent again after the ticket's time: what was verified is not denied.
    portal.clock.instant += timedelta(minutes=11)
    late = await client.post("/partner/verify/confirm", data=second_step(looked))
    assert late.headers["location"] == answers[0].headers["location"]


async def test_nothing_is_used_by_opening_addresses(portal: Portal, enter: Enter) -> None:
    voucher, client = await portal.shops.voucher(), await enter("cashier")
    code, before = portal.code(voucher), await portal.shops.footprint()
    for path in (f"/partner/verify?code={code}&store=SH1", f"/partner/verify/confirm?code={code}"):
        await client.get(path)
    assert (await client.post("/partner/verify", data={"code": code, "store": "SH1"})).status_code == 403
    assert await portal.shops.footprint() == before


async def test_the_wallets_code_may_go_stale_between_the_two_steps(portal: Portal, enter: Enter) -> None:
    voucher, client = await portal.shops.voucher(), await enter("cashier")
    looked = await look(client, TOKENS.dynamic_token(voucher, portal.clock.now()))
    portal.clock.instant += timedelta(minutes=3)
    assert (await client.post("/partner/verify/confirm", data=second_step(looked))).status_code == 303
    assert await portal.shops.state(voucher) == ("used_up", 1)
    stale = await look(client, TOKENS.dynamic_token(voucher, portal.clock.now() - timedelta(minutes=5)))
    assert stale.status_code == 409


async def test_a_ticket_is_good_for_ten_minutes_and_for_one_person(portal: Portal, enter: Enter) -> None:
    voucher, cashier, manager = await portal.shops.voucher(), await enter("cashier"), await enter("manager")
    looked = await look(cashier, portal.code(voucher))
    step = second_step(looked) | {"csrf_token": token_in(await manager.get("/partner/verify"))}
    before = await portal.shops.footprint()
    assert (await manager.post("/partner/verify/confirm", data=step)).headers["location"] == "/partner/verify"
    portal.clock.instant += timedelta(minutes=11)
    late = await cashier.post("/partner/verify/confirm", data=second_step(looked))
    assert late.headers["location"] == "/partner/verify"
    assert "That took too long" in (await cashier.get("/partner/verify")).text
    # Nor does choosing it anew, as from a wallet, prolong it.
    assert (await look(cashier, second_step(looked)["ticket"])).headers["location"] == "/partner/verify"
    assert await portal.shops.footprint() == before


async def test_a_used_voucher_is_refused_with_who_when_and_where(portal: Portal, enter: Enter) -> None:
    voucher, client = await portal.shops.voucher(), await enter("cashier")
    await verify(client, portal.code(voucher))
    before = await portal.shops.footprint()
    refused = await look(client, portal.code(voucher))
    assert refused.status_code == 409
    assert "Already used" in refused.text
    assert "22 Nov 2026, 10:00 · SH1 store · Cashier Wang" in refused.text
    assert await portal.shops.footprint() == before
    refusal = await portal.shops.world.one("SELECT code FROM verification_refusal WHERE voucher_id = %s", voucher)
    assert refusal == "already_verified"


async def test_a_foreign_voucher_tells_nothing(portal: Portal, enter: Enter) -> None:
    voucher, client = await portal.shops.voucher(partner="TEA"), await enter("cashier")
    refused = await look(client, portal.code(voucher))
    assert refused.status_code == 409
    assert "Not one of yours" in refused.text
    assert "right-" not in refused.text


async def test_a_voucher_for_another_store_is_refused(portal: Portal, enter: Enter) -> None:
    voucher, client = await portal.shops.voucher(stores=("SH2",)), await enter("owner")
    assert "Wrong store" in (await look(client, portal.code(voucher), "SH1")).text
    assert (await verify(client, portal.code(voucher), "SH2")).status_code == 303


async def test_what_was_lost_between_the_steps_is_refused_and_kept(portal: Portal, enter: Enter) -> None:
    voucher, client = await portal.shops.voucher(), await enter("cashier")
    looked = await look(client, portal.code(voucher))
    await portal.shops.verify(voucher, store="SH2")
    before = await portal.shops.footprint()
    refused = await client.post("/partner/verify/confirm", data=second_step(looked))
    assert refused.status_code == 409
    assert "SH2 store" in refused.text
    assert await portal.shops.footprint() == before
    assert await portal.shops.world.one("SELECT count(*) FROM verification_refusal") == 1
    assert await audited(portal, "vouchers.verify") == 0


async def test_typing_errors_are_told_at_once_and_count_as_no_guess(portal: Portal, enter: Enter) -> None:
    voucher, client = await portal.shops.voucher(), await enter("cashier")
    code = portal.code(voucher)
    wrong = code[:-1] + ("2" if code[-1] != "2" else "3")
    answer = await look(client, wrong)
    assert answer.status_code == 422
    assert "A letter is wrong or missing" in answer.text
    assert wrong in answer.text
    assert await portal.shops.world.one("SELECT count(*) FROM rate_limit WHERE action LIKE 'verify%%'") == 0


async def test_guessing_is_throttled(portal: Portal, enter: Enter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(limits.LIMITS, "verify_failure", replace(limits.LIMITS["verify_failure"], hits=3))
    client = await enter("cashier")
    guesses = [portal.code(900_000 + number) for number in range(4)]
    answers = [(await look(client, guess)).status_code for guess in guesses]
    assert answers == [404, 404, 404, 429]
    voucher = await portal.shops.voucher()
    typed = await look(client, portal.code(voucher))
    assert typed.status_code == 429
    assert "You tried many codes that no voucher has" in typed.text
    assert 'action="/partner/verify"' in typed.text
    # Nobody guesses a QR code: it is looked at, chosen from a wallet and verified as ever.
    scanned = await look(client, TOKENS.dynamic_token(voucher, portal.clock.now()))
    assert scanned.status_code == 200
    chosen = await look(client, second_step(scanned)["ticket"])
    assert second_step(chosen)["ticket"] == second_step(scanned)["ticket"]
    assert (await client.post("/partner/verify/confirm", data=second_step(chosen))).status_code == 303
    assert await portal.shops.state(voucher) == ("used_up", 1)


async def test_what_is_no_code_of_any_program_is_no_guess(portal: Portal, enter: Enter) -> None:
    client = await enter("cashier")
    for scanned in ("https://pay.example.com/q/281394029318847362", "134562093847561029", "M1" + "0" * 33):
        answer = await look(client, scanned)
        assert answer.status_code == 422
        assert "This is no voucher." in answer.text
    assert await portal.shops.world.one("SELECT count(*) FROM rate_limit WHERE action LIKE 'verify%%'") == 0


async def test_somebody_of_one_store_has_no_choice_of_stores(portal: Portal, enter: Enter) -> None:
    voucher, cashier, owner = await portal.shops.voucher(), await enter("cashier"), await enter("owner")
    assert "<select" not in (await cashier.get("/partner/verify")).text
    verified = await verify(cashier, portal.code(voucher), "SH2")
    assert "SH1 store" in (await cashier.get(verified.headers["location"])).text
    chosen = await owner.get("/partner/verify")
    assert "SH1 store" in chosen.text
    assert "BJ1 store" not in chosen.text
    voucher = await portal.shops.voucher()
    for store in ("", "BJ1"):
        answer = await look(owner, portal.code(voucher), store)
        assert answer.status_code == 422
        assert "Choose the store you are in." in answer.text


async def test_only_the_page_with_the_camera_may_compile_web_assembly(portal: Portal, enter: Enter) -> None:
    client = await enter("cashier")
    policies = [
        (await client.get(path)).headers["content-security-policy"]
        for path in ("/partner/verify", "/partner", "/partner/orders")
    ]
    assert ["wasm-unsafe-eval" in policy for policy in policies] == [True, False, False]
    assert all("'unsafe-eval'" not in policy and "unsafe-inline" not in policy for policy in policies)


async def test_finance_has_no_till(portal: Portal, enter: Enter) -> None:
    client = await enter("finance")
    for path in ("/partner/verify", "/partner/team"):
        assert (await client.get(path)).status_code == 403
    token = token_in(await client.get("/partner"))
    answer = await client.post("/partner/verify", data={"csrf_token": token, "code": "x", "store": "SH1"})
    assert answer.status_code == 403


async def test_a_verification_is_taken_back_with_a_reason_in_time(portal: Portal, enter: Enter) -> None:
    voucher, client = await portal.shops.voucher(), await enter("cashier")
    address = (await verify(client, portal.code(voucher))).headers["location"]
    asked = await client.get(f"{address}/undo")
    token = token_in(asked)
    for fields in ({}, {"reason": "made up"}, {"reason": "other"}):
        refused = await client.post(f"{address}/undo", data={"csrf_token": token, **fields})
        assert refused.status_code == 422
        assert await portal.shops.state(voucher) == ("used_up", 1)
    answer = await client.post(f"{address}/undo", data={"csrf_token": token, "reason": "twice", "note": "<b>sorry</b>"})
    assert answer.status_code == 303
    shown = (await client.get(address)).text
    assert "Verified twice by mistake · &lt;b&gt;sorry&lt;/b&gt;" in shown
    assert await portal.shops.state(voucher) == ("issued", 0)
    assert await audited(portal, "vouchers.undo") == 1
    again = await client.post(f"{address}/undo", data={"csrf_token": token, "reason": "twice"})
    assert again.status_code == 409


async def test_after_the_window_nothing_is_taken_back(portal: Portal, enter: Enter) -> None:
    voucher, client = await portal.shops.voucher(), await enter("cashier")
    address = (await verify(client, portal.code(voucher))).headers["location"]
    token = token_in(await client.get(f"{address}/undo"))
    portal.clock.instant += timedelta(minutes=10)
    assert (await client.get(f"{address}/undo")).status_code == 303
    before = await portal.shops.footprint()
    late = await client.post(f"{address}/undo", data={"csrf_token": token, "reason": "twice"})
    assert late.status_code == 409
    assert await portal.shops.footprint() == before


async def test_nobody_sees_or_undoes_anothers_verification(portal: Portal, enter: Enter) -> None:
    voucher, owner = await portal.shops.voucher(), await enter("owner")
    address = (await verify(owner, portal.code(voucher), "SH2")).headers["location"]
    before = await portal.shops.footprint()
    for name in ("tea", "cashier"):
        other = await enter(name)
        assert (await other.get(address)).status_code == 404
        token = token_in(await other.get("/partner/verify"))
        answer = await other.post(f"{address}/undo", data={"csrf_token": token, "reason": "twice"})
        assert answer.status_code == 404
    finance = await enter("finance")
    assert (await finance.get(address)).status_code == 200
    assert (await finance.get(f"{address}/undo")).status_code == 403
    assert await portal.shops.footprint() == before


async def test_above_a_value_a_second_person_takes_it_back(portal: Portal, enter: Enter) -> None:
    voucher, cashier, manager = await portal.shops.voucher(), await enter("cashier"), await enter("manager")
    await portal.shops.world.connection.execute("INSERT INTO till_policy (id, undo_alone_minor) VALUES (1, 0)")
    await portal.shops.world.connection.execute("UPDATE item SET value_minor = 1")
    address = (await verify(cashier, portal.code(voucher))).headers["location"]
    for client, status, state in ((cashier, 409, ("used_up", 1)), (manager, 303, ("issued", 0))):
        token = token_in(await client.get(f"{address}/undo"))
        answer = await client.post(f"{address}/undo", data={"csrf_token": token, "reason": "twice"})
        assert answer.status_code == status
        assert ("somebody else than who verified it" in answer.text) == (status == 409)
        assert await portal.shops.state(voucher) == state


async def test_those_who_keep_an_eye_on_tills_see_what_was_refused(portal: Portal, enter: Enter) -> None:
    cashier = await enter("cashier")
    assert (await look(cashier, portal.code(999_999))).status_code == 404
    assert (await cashier.get("/partner/refusals")).status_code == 403
    assert "No such voucher" in (await (await enter("owner")).get("/partner/refusals")).text
    assert "Nothing was refused" in (await (await enter("tea")).get("/partner/refusals")).text
