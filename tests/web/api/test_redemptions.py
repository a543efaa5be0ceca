"""Redemptions over the API: all or nothing, every reason, the first answer again."""

import asyncio
from datetime import datetime
from typing import Any

import pytest

from liyu.core.clock import FixedClock
from tests.web.api.conftest import OpenApi
from tests.web.api.world import Api, World, codes_of, fields_of, problem_of
from tests.web.conftest import NOW


async def test_redeeming_gives_a_voucher_and_takes_points_and_stock(api: Api, world: World) -> None:
    answer = await api.redeem("M1", "LATTE", "k1", quantity=2)
    assert answer.status_code == 201
    redemption = answer.json()
    assert (redemption["status"], redemption["points"], len(redemption["vouchers"])) == ("confirmed", 200, 2)
    first, second = redemption["vouchers"]
    assert first["status"] == "issued"
    assert first["code"] != second["code"]
    assert datetime.fromisoformat(first["expires_at"]) > NOW
    assert await api.balance() == 800
    assert (await api.get(f"/redemptions/{redemption['number']}")).json() == redemption
    await world.assert_books_balance()


async def test_goods_have_no_voucher(api: Api) -> None:
    assert (await api.redeem("M1", "CUP", "k1")).json()["vouchers"] == []


async def test_goods_keep_the_address_that_was_given(api: Api, world: World) -> None:
    home = {
        "recipient": " 林岚 ", "phone": "138 0000 2002", "province": "浙江省", "city": "杭州市", "district": "西湖区",
        "detail": "文三路 1 号",
    }  # fmt: skip
    before = await world.fingerprint()
    faulty = await api.redeem("M1", "CUP", "k0", address=home | {"phone": "1", "detail": "", "district": "朝阳区"})
    assert [one["field"] for one in problem_of(faulty, 422, "invalid_input")["reasons"]] == [
        "address.phone", "address.district", "address.detail"
    ]  # fmt: skip
    assert await world.fingerprint() == before
    first = await api.redeem("M1", "CUP", "k1", address=home)
    assert first.status_code == 201
    assert (await api.redeem("M1", "CUP", "k1", address=home)).content == first.content
    problem_of(await api.redeem("M1", "CUP", "k1", address=home | {"detail": "2 号"}), 409, "idempotency_conflict")
    assert (await api.redeem("M1", "LATTE", "k2", address=home)).status_code == 201
    assert await world.fetch("SELECT recipient, phone, detail FROM redemption_address") == [
        ("林岚", "+8613800002002", "文三路 1 号")
    ]


async def test_the_same_key_gives_the_first_answer_whatever_came_after(api: Api, world: World) -> None:
    first = await api.redeem("M1", "LATTE", "k1")
    await api.verify(first.json()["vouchers"][0]["code"])
    before = await world.fingerprint()
    again = await api.redeem("M1", "LATTE", "k1", quantity=1)
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    problem_of(await api.redeem("M1", "LATTE", "k1", quantity=2), 409, "idempotency_conflict")
    problem_of(await api.redeem("M2", "LATTE", "k1"), 409, "idempotency_conflict")
    assert await world.fingerprint() == before


async def test_one_key_sent_many_times_at_once_is_one_redemption(api: Api, world: World) -> None:
    answers = await asyncio.gather(*(api.redeem("M1", "LATTE", "same") for _ in range(12)))
    assert {answer.status_code for answer in answers} == {201}
    assert {answer.content for answer in answers} == {answers[0].content}
    assert await api.balance() == 900
    await world.assert_books_balance()


async def test_a_refusal_names_every_condition_and_changes_nothing(api: Api, world: World) -> None:
    await api.put("/members/M2", json={"state": "frozen"})
    before = await world.fingerprint()
    refused = await api.redeem("M2", "LOUNGE", "k1")
    document = problem_of(refused, 409, "member_frozen")
    assert codes_of(document) == ["member_frozen", "tier_too_low", "not_enough_points"]
    assert document["reasons"][2]["missing"] == 10
    assert "3,000" in document["reasons"][1]["message"]
    again = await api.redeem("M2", "LOUNGE", "k1")
    assert (again.status_code, again.content) == (409, refused.content)
    assert await world.fingerprint() == before


@pytest.mark.parametrize(
    ("member", "sku", "quantity", "code"),
    [
        ("M1", "CUP", 3, "sold_out"),
        ("M1", "LATTE", 4, "limit_reached"),
        ("M2", "LATTE", 1, "not_enough_points"),
        ("M1", "LOUNGE", 1, "tier_too_low"),
        ("M1", "LATER", 1, "not_on_sale"),
    ],
)
async def test_refusals_by_their_code(api: Api, world: World, member: str, sku: str, quantity: int, code: str) -> None:
    before = await world.fingerprint()
    problem_of(await api.redeem(member, sku, "k1", quantity=quantity), 409, code)
    assert await world.fingerprint() == before


async def test_a_refusal_that_names_a_time_is_the_same_the_second_time_in_both_languages(api: Api) -> None:
    for language, words in (("en", "23 Nov 2026, 10:00"), ("zh-CN", "2026年11月23日 10:00")):
        api.headers["accept-language"] = language
        first, again = [await api.redeem("M1", "LATER", "k1") for _ in range(2)]
        assert words in problem_of(first, 409, "not_on_sale")["detail"]
        assert first.content == again.content


async def test_tiers_are_named_in_the_language_of_the_asker(api: Api) -> None:
    english = await api.redeem("M1", "LOUNGE", "k1", quantity=1)
    assert "Needs Gold; you are Silver" in problem_of(english, 409, "tier_too_low")["detail"]
    chinese = await api.post(
        "/redemptions",
        json={"member": "M1", "sku": "LOUNGE"},
        headers={"idempotency-key": "k1", "accept-language": "zh-CN"},
    )
    assert "金卡会员" in problem_of(chinese, 409, "tier_too_low")["detail"]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"member", "sku"}),
        ({"member": 1, "sku": None, "quantity": 0, "gift": True}, {"member", "sku", "quantity", "gift"}),
        ({"member": "M1", "sku": "x\x00", "quantity": 10**30}, {"sku", "quantity"}),
        ({"member": "", "sku": "x" * 201, "quantity": 101}, {"member", "sku", "quantity"}),
        (7, {""}),
    ],
)
async def test_every_faulty_field_is_named(api: Api, world: World, body: Any, fields: set[str]) -> None:
    before = await world.fingerprint()
    answer = await api.post("/redemptions", json=body, headers={"idempotency-key": "k"})
    assert fields_of(problem_of(answer, 422, "invalid_input")) == fields
    assert await world.fingerprint() == before


async def test_requests_that_say_too_little(api: Api, world: World) -> None:
    before = await world.fingerprint()
    body = {"member": "M1", "sku": "LATTE"}
    problem_of(await api.post("/redemptions", json=body), 400, "idempotency_key_required")
    problem_of(await api.post("/redemptions", content=b"{", headers={"idempotency-key": "k"}), 400, "invalid_json")
    long = await api.post("/redemptions", json=body, headers={"idempotency-key": "k" * 201})
    assert fields_of(problem_of(long, 422, "invalid_input")) == {"Idempotency-Key"}
    problem_of(await api.redeem("nobody", "LATTE", "k"), 404, "unknown_member")
    problem_of(await api.redeem("M1", "NONE", "k"), 404, "unknown_item")
    assert await world.fingerprint() == before


async def test_a_key_used_for_another_call_harms_no_redemption(api: Api) -> None:
    await api.post("/members/M1/adjustments", json={"points": 1, "reason": "x"}, headers={"idempotency-key": "k"})
    assert (await api.redeem("M1", "LATTE", "k")).status_code == 201


async def test_cancelling_gives_everything_back_once(api: Api, world: World) -> None:
    number = (await api.redeem("M1", "LATTE", "k1", quantity=3)).json()["number"]
    cancelled = await api.post(f"/redemptions/{number}/cancel", json={"reason": "changed their mind"})
    assert cancelled.status_code == 200
    assert cancelled.json()["status"] == "cancelled"
    assert {voucher["status"] for voucher in cancelled.json()["vouchers"]} == {"cancelled"}
    assert await api.balance() == 1_000
    assert (await api.get("/items/LATTE")).json()["stock"] == 5
    before = await world.fingerprint()
    assert (await api.post(f"/redemptions/{number}/cancel")).json() == cancelled.json()
    assert await world.fingerprint() == before
    assert (await api.redeem("M1", "LATTE", "k2", quantity=3)).status_code == 201
    await world.assert_books_balance()


async def test_what_was_used_cannot_be_cancelled(api: Api, world: World) -> None:
    redemption = (await api.redeem("M1", "LATTE", "k1", quantity=2)).json()
    await api.verify(redemption["vouchers"][0]["code"])
    before = await world.fingerprint()
    answer = await api.post(f"/redemptions/{redemption['number']}/cancel")
    assert answer.status_code == 409
    problem_of(answer, 409, answer.json()["code"])
    assert answer.json()["code"] in {"voucher_not_cancellable", "not_cancellable"}
    for faulty in ({"reason": "r" * 201}, {"why": "x"}):
        problem_of(await api.post(f"/redemptions/{redemption['number']}/cancel", json=faulty), 422, "invalid_input")
    problem_of(await api.post("/redemptions/R0/cancel"), 404, "not_found")
    problem_of(await api.post("/redemptions/a%00b/cancel"), 404, "not_found")
    problem_of(await api.get("/redemptions/a%00b"), 404, "not_found")
    assert await world.fingerprint() == before


async def test_a_voucher_whose_time_is_over_shows_as_expired(api: Api, clock: FixedClock) -> None:
    redemption = (await api.redeem("M1", "LATTE", "k1")).json()
    clock.instant = datetime.fromisoformat(redemption["vouchers"][0]["expires_at"])
    shown = (await api.get(f"/redemptions/{redemption['number']}")).json()
    assert shown["vouchers"][0]["status"] == "expired"


async def test_partners_see_their_own_with_masked_codes_and_redeem_nothing(
    api: Api, open_api: OpenApi, world: World
) -> None:
    redemption = (await api.redeem("M1", "LATTE", "k1")).json()
    own, foreign = await open_api(partner="ALPHA"), await open_api(partner="BETA")
    shown = (await own.get(f"/redemptions/{redemption['number']}")).json()
    code = redemption["vouchers"][0]["code"]
    assert shown["vouchers"][0]["code"] == f"****-****-{code[-4:]}"
    before = await world.fingerprint()
    problem_of(await foreign.get(f"/redemptions/{redemption['number']}"), 404, "not_found")
    problem_of(await own.redeem("M1", "LATTE", "k2"), 403, "not_allowed")
    problem_of(await own.post(f"/redemptions/{redemption['number']}/cancel"), 403, "not_allowed")
    assert await world.fingerprint() == before


async def test_redemptions_need_their_scopes(api: Api, open_api: OpenApi, world: World) -> None:
    number = (await api.redeem("M1", "LATTE", "k1")).json()["number"]
    before = await world.fingerprint()
    reader, writer = await open_api("redemptions:read"), await open_api("redemptions:write")
    problem_of(await reader.redeem("M1", "LATTE", "k2"), 403, "scope_missing")
    problem_of(await reader.post(f"/redemptions/{number}/cancel"), 403, "scope_missing")
    problem_of(await writer.get(f"/redemptions/{number}"), 403, "scope_missing")
    assert await world.fingerprint() == before
