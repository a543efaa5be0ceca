"""Vouchers at a till that calls the API."""

import asyncio
from datetime import datetime, timedelta

import pytest
from litestar import Litestar

from liyu.core.clock import FixedClock
from liyu.core.limits import LIMITS, Limit
from tests.web.api.conftest import OpenApi
from tests.web.api.world import Api, World, fields_of, problem_of
from tests.web.conftest import NOW


async def test_a_voucher_is_looked_at_then_verified_once(api: Api, world: World) -> None:
    code = await api.voucher()
    looked = (await api.post("/vouchers/check", json={"code": code.lower(), "store": "A1"})).json()
    assert (looked["result"], looked["sku"], looked["partner"], looked["uses_left"]) == ("valid", "LATTE", "ALPHA", 1)
    verified = await api.verify(code)
    assert verified.status_code == 200
    answer = verified.json()
    assert {name: answer[name] for name in ("result", "voucher", "partner", "store")} == {
        "result": "verified",
        "voucher": code,
        "partner": "ALPHA",
        "store": "A1",
    }
    assert datetime.fromisoformat(answer["verified_at"]) == NOW
    before = await world.fingerprint()
    assert (await api.verify(code)).json() == answer
    problem_of(await api.verify(code, nonce="n2"), 409, "already_verified")
    problem_of(await api.post("/vouchers/check", json={"code": code, "store": "A1"}), 409, "already_verified")
    assert await world.fingerprint() == before
    assert await world.fetch("SELECT state FROM redemption") == [("completed",)]
    await world.assert_books_balance()


async def test_one_voucher_at_many_tills_at_once_is_used_once(api: Api, world: World) -> None:
    code = await api.voucher()
    answers = await asyncio.gather(*(api.verify(code, nonce=f"n{number}") for number in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 7
    await world.assert_books_balance()


async def test_refusals_by_their_code_change_nothing(
    api: Api, open_api: OpenApi, world: World, clock: FixedClock
) -> None:
    code, other = await api.voucher("k1"), await api.voucher("k2", sku="NOODLES")
    cancelled = (await api.redeem("M1", "LATTE", "k3")).json()
    await api.post(f"/redemptions/{cancelled['number']}/cancel")
    partner = await open_api("vouchers:verify", partner="ALPHA")
    before = await world.fingerprint()
    problem_of(await partner.verify(other), 409, "wrong_partner")
    problem_of(await api.verify(code, store="B1"), 409, "wrong_store")
    problem_of(await api.verify(cancelled["vouchers"][0]["code"]), 409, "cancelled")
    problem_of(await api.verify("7K3M-P9QX-4TRD"), 404, "unknown_voucher")
    problem_of(await api.verify("nonsense"), 404, "unknown_voucher")
    problem_of(await partner.verify(code, store="B1"), 409, "wrong_store")
    problem_of(await api.verify(code, store=None), 422, "unknown_store")
    clock.instant = NOW + timedelta(days=400)
    problem_of(await partner.verify(code), 409, "expired")
    assert await world.fingerprint() == before


async def test_a_nonce_belongs_to_one_voucher(api: Api, world: World) -> None:
    first, second = await api.voucher("k1"), await api.voucher("k2")
    await api.verify(first, nonce="n")
    before = await world.fingerprint()
    problem_of(await api.verify(second, nonce="n"), 409, "idempotency_conflict")
    assert await world.fingerprint() == before


async def test_a_code_from_the_wallet_is_not_given_away(api: Api, app: Litestar, world: World) -> None:
    code = await api.voucher()
    tokens = app.state.services.tokens
    shown = tokens.dynamic_token(tokens.codes.voucher_id_of(code), NOW)
    assert (await api.verify(shown)).json()["voucher"] == f"****-****-{code[-4:]}"


async def test_guessing_locks_the_key_out(api: Api, open_api: OpenApi) -> None:
    code, guesser = await api.voucher(), await open_api("vouchers:verify")
    for number in range(60):
        problem_of(await guesser.verify(f"guess {number}"), 404, "unknown_voucher")
    locked = await guesser.verify(code)
    problem_of(locked, 429, "too_many_requests")
    assert int(locked.headers["retry-after"]) > 0
    assert [reason["code"] for reason in locked.json()["reasons"]] == ["verify_failure_key"]
    problem_of(await guesser.post("/vouchers/check", json={"code": code}), 429, "too_many_requests")
    assert (await api.verify(code)).status_code == 200


async def test_taking_back_is_no_second_place_to_guess(
    api: Api, open_api: OpenApi, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LIMITS, "verify_failure_key", Limit(2, 600))
    guesser = await open_api("vouchers:verify")
    for code, status, said in (
        ("g 1", 404, "unknown_verification"),
        ("g 2", 404, "unknown_verification"),
        ("g 3", 429, "too_many_requests"),
    ):
        problem_of(await guesser.post("/vouchers/undo", json={"reason": "guess", "code": code}), status, said)
    problem_of(await guesser.verify(await api.voucher()), 429, "too_many_requests")
    assert await world.fetch("SELECT code, voucher_id FROM verification_refusal") == [("unknown_voucher", None)] * 2
    counted = "SELECT hits FROM rate_limit WHERE action = 'verify_failure_all'"
    assert await world.fetch(counted) == [(2,)]
    by_number = await guesser.post("/vouchers/undo", json={"reason": "guess", "verification": 9})
    problem_of(by_number, 404, "unknown_verification")


async def test_a_verification_is_taken_back_with_a_reason_and_in_time(
    api: Api, open_api: OpenApi, world: World, clock: FixedClock
) -> None:
    code = await api.voucher()
    verification = (await api.verify(code)).json()["verification"]
    foreign = await open_api("vouchers:verify", partner="BETA")
    before = await world.fingerprint()
    problem_of(await foreign.post("/vouchers/undo", json={"code": code, "reason": "x"}), 404, "unknown_verification")
    nothing = await api.post("/vouchers/undo", json={"reason": " "})
    assert fields_of(problem_of(nothing, 422, "invalid_input")) == {"code", "verification"}
    assert fields_of(problem_of(await api.post("/vouchers/undo", json={"code": code}), 422, "invalid_input")) == {
        "reason"
    }
    unknown = await api.post("/vouchers/undo", json={"verification": 10**9, "reason": "x"})
    problem_of(unknown, 404, "unknown_verification")
    assert await world.fingerprint() == before
    undone = await api.post("/vouchers/undo", json={"verification": verification, "reason": "wrong coffee"})
    assert undone.json() == {"result": "undone", "verification": verification, "status": "issued", "uses_left": 1}
    problem_of(await api.post("/vouchers/undo", json={"code": code, "reason": "x"}), 409, "already_undone")
    assert (await api.verify(code, nonce="n2")).status_code == 200
    clock.instant += timedelta(hours=1)
    problem_of(await api.post("/vouchers/undo", json={"code": code, "reason": "x"}), 409, "undo_too_late")
    await world.assert_books_balance()


async def test_a_host_gives_its_members_word_once_for_what_is_on_paper(
    api: Api, open_api: OpenApi, app: Litestar, world: World, clock: FixedClock
) -> None:
    code = await api.voucher()
    await world.execute("INSERT INTO till_rule (item_id, paper_confirmed) SELECT item_id, true FROM voucher")
    await world.execute("UPDATE voucher SET uses_allowed = 3")
    before = await world.fingerprint()
    problem_of(await api.verify(code), 409, "confirmation_needed")
    word = {"member": "M1", "voucher": code}
    partner = await open_api("vouchers:verify", "redemptions:write", partner="ALPHA")
    problem_of(await partner.post("/vouchers/confirm", json=word), 403, "not_allowed")
    till = await open_api("vouchers:verify")
    problem_of(await till.post("/vouchers/confirm", json=word), 403, "scope_missing")
    problem_of(await api.post("/vouchers/confirm", json=word | {"member": "M2"}), 404, "unknown_voucher")
    problem_of(await api.post("/vouchers/confirm", json=word | {"member": "nobody"}), 404, "unknown_member")
    assert fields_of(problem_of(await api.post("/vouchers/confirm", json={}), 422, "invalid_input")) == {*word}
    problem_of(await api.verify(code), 409, "confirmation_needed")
    assert await world.fingerprint() == before

    once = {"Idempotency-Key": "w1"}
    said = await api.post("/vouchers/confirm", json=word, headers=once)
    assert said.json() == {"result": "confirmed", "voucher": code, "confirmed_until": "2026-11-22T02:10:00Z"}
    assert (await api.verify(code)).status_code == 200
    # Sent again, as a network does, it is no second word.
    assert (await api.post("/vouchers/confirm", json=word, headers=once)).json() == said.json()
    problem_of(await api.verify(code, nonce="n2"), 409, "confirmation_needed")
    pin = app.state.services.tokens.pins.pin_of(app.state.services.codes.voucher_id_of(code), 1)
    wish = {"code": code, "store": "A1", "nonce": "n3"}
    wrong = problem_of(await api.post("/vouchers/verify", json=wish | {"pin": "1"}), 409, "wrong_pin")
    assert wrong["reasons"][0]["left"] == 4
    assert (await api.post("/vouchers/verify", json=wish | {"pin": pin})).json()["use_number"] == 2
    clock.instant += timedelta(days=400)
    problem_of(await api.post("/vouchers/confirm", json=word), 409, "not_usable")
    await world.assert_books_balance()


async def test_coupons_of_one_bill_are_used_together_or_not_at_all(api: Api, open_api: OpenApi, world: World) -> None:
    first, second = await api.voucher("k1"), await api.voucher("k2")
    await world.execute(
        "UPDATE item SET kind = 'coupon', coupon_purpose = 'ordinary', coupon_form = 'cash', coupon_benefit = 500 "
        "WHERE sku = 'LATTE'"
    )
    wish = {"amount_minor": 2_000, "nonce": "b1", "store": "A1", "coupons": [{"code": first}, {"code": second}]}
    before = await world.fingerprint()
    refused = problem_of(await api.post("/vouchers/bills", json=wish), 409, "coupons_refused")
    assert [(one["code"], one["place"]) for one in refused["reasons"]] == [("too_many_of_item", 1)]
    mixed = wish | {"coupons": [{"code": first, "pin": "1"}, {"code": "7K3M-P9QX-4TRD"}, {"code": first}]}
    refused = problem_of(await api.post("/vouchers/bills", json=mixed), 409, "coupons_refused")
    assert [(one["code"], one["place"]) for one in refused["reasons"]] == [("unknown_voucher", 1), ("shown_twice", 2)]
    faulty = problem_of(
        await api.post("/vouchers/bills", json={"coupons": [], "amount_minor": 0}), 422, "invalid_input"
    )
    assert fields_of(faulty) >= {"coupons", "amount_minor"}
    foreign = await open_api("vouchers:verify", partner="BETA")
    refused = problem_of(await foreign.post("/vouchers/bills", json=wish), 409, "coupons_refused")
    assert {one["code"] for one in refused["reasons"]} == {"wrong_partner"}
    assert await world.fingerprint() == before

    await world.execute(
        "INSERT INTO coupon_rule (item_id, combines, combines_with, most_per_bill, turn, threshold_of, changed_by, changed_at) "
        "SELECT id, 'nothing', '[]', 2, 5, 'rest', 'staff:1', now() FROM item WHERE sku = 'LATTE'"
    )
    used = (await api.post("/vouchers/bills", json=wish)).json()
    assert (used["result"], used["saved_minor"]) == ("verified", 1_000)
    assert sorted(one["place"] for one in used["coupons"]) == [0, 1]
    assert (await api.post("/vouchers/bills", json=wish)).json() == used
    problem_of(await api.post("/vouchers/bills", json=wish | {"amount_minor": 1}), 409, "idempotency_conflict")
    undone = await api.post("/vouchers/undo", json={"verification": used["coupons"][0]["verification"], "reason": "x"})
    assert undone.json()["result"] == "undone"
    await world.assert_books_balance()


async def test_every_faulty_field_is_named(api: Api, world: World) -> None:
    before = await world.fingerprint()
    for path, body, fields in (
        ("/vouchers/verify", {"code": "", "store": 1}, {"code", "store", "nonce"}),
        ("/vouchers/verify", {"code": "x", "nonce": "a\x00", "partner": "ALPHA"}, {"nonce", "partner"}),
        ("/vouchers/check", {}, {"code"}),
        ("/vouchers/undo", {"reason": "", "verification": 0}, {"reason", "verification"}),
    ):
        assert fields_of(problem_of(await api.post(path, json=body), 422, "invalid_input")) == fields
    assert await world.fingerprint() == before


async def test_vouchers_need_their_scope(api: Api, open_api: OpenApi, world: World) -> None:
    code, stranger = await api.voucher(), await open_api("redemptions:write", partner="ALPHA")
    before = await world.fingerprint()
    problem_of(await stranger.verify(code), 403, "scope_missing")
    for path in ("/vouchers/check", "/vouchers/undo"):
        problem_of(await stranger.post(path, json={"code": code, "reason": "x"}), 403, "scope_missing")
    assert await world.fingerprint() == before
