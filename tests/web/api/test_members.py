"""Members over the API: created and changed, read, adjusted; refusals change nothing."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from liyu.core.database import driver_connection, unit_of_work
from liyu.members.service.adjustments import approve
from tests.web.api.conftest import OpenApi
from tests.web.api.world import ZONE, Api, World, fields_of, problem_of
from tests.web.conftest import NOW

LAST_YEAR = datetime(2025, 12, 15, tzinfo=UTC)
SHAPE = ("external_id", "state", "tier", "balance", "pending", "debt", "lots")


async def test_a_member_is_created_then_changed(api: Api) -> None:
    body = {"name": "林岚", "phone": "138 0013 8000", "birthday": "1992-05-20", "locale": "zh-CN"}
    created = await api.put("/members/N1", json=body)
    assert created.status_code == 201
    member = created.json()
    assert [member[name] for name in SHAPE] == ["N1", "active", "standard", 0, 0, 0, []]
    assert (member["phone"], member["birthday"], member["locale"]) == ("+8613800138000", "1992-05-20", "zh_CN")
    changed = await api.put("/members/N1", json={"phone": None, "city": "上海"})
    assert changed.status_code == 200
    assert changed.json() == member | {"phone": None, "city": "上海"}
    assert (await api.get("/members/N1")).json() == changed.json()


async def test_an_empty_body_creates_a_member(api: Api) -> None:
    assert (await api.put("/members/N1")).status_code == 201
    assert (await api.put("/members/N1", json={})).status_code == 200


async def test_the_same_member_created_twice_at_once_is_one(api: Api, world: World) -> None:
    answers = await asyncio.gather(*(api.put("/members/N1", json={"name": "A"}) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [201]
    assert await world.fetch("SELECT count(*) FROM account WHERE member_id = (SELECT max(id) FROM member)") == [(3,)]


async def test_lots_are_merged_by_expiry_and_sum_to_the_balance(api: Api, world: World) -> None:
    await world.earn("M1", 30, "a", at=LAST_YEAR)
    await world.earn("M1", 20, "b", at=LAST_YEAR)
    await world.execute(
        "INSERT INTO lot (account_id, funder, expires_on, remaining) "
        "SELECT account_id, 'bank', expires_on, 0 FROM lot ORDER BY id LIMIT 1"
    )
    member = (await api.get("/members/M1")).json()
    assert member["balance"] == 1_050
    assert member["lots"] == [
        {"expires_on": "2026-12-31", "remaining": 50},
        {"expires_on": "2027-12-31", "remaining": 1_000},
    ]


async def test_freezing_and_closing_are_recorded_and_closing_is_final(api: Api, world: World) -> None:
    frozen = await api.put("/members/M1", json={"state": "frozen", "reason": "card lost"})
    assert frozen.json()["state"] == "frozen"
    assert (await api.put("/members/M1", json={"state": "active"})).json()["state"] == "active"
    assert (await api.put("/members/M1", json={"state": "active"})).status_code == 200
    assert (await api.put("/members/M1", json={"state": "closed"})).json()["state"] == "closed"
    changes = await world.fetch(
        "SELECT from_state, to_state, reason FROM member_state_change c JOIN member m ON m.id = c.member_id "
        "WHERE m.external_id = 'M1' ORDER BY c.id"
    )
    assert changes[1:] == [("active", "frozen", "card lost"), ("frozen", "active", ""), ("active", "closed", "")]
    before = await world.fingerprint()
    problem_of(await api.put("/members/M1", json={"state": "active", "name": "B"}), 409, "member_closed")
    assert await world.fingerprint() == before


async def test_a_phone_belongs_to_one_member(api: Api, world: World) -> None:
    await api.put("/members/M1", json={"phone": "13800138000"})
    before = await world.fingerprint()
    for member in ("M2", "N1"):
        answer = await api.put(f"/members/{member}", json={"phone": "+86 138-0013-8000", "name": "B"})
        problem_of(answer, 409, "phone_taken")
    assert await world.fingerprint() == before


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (
            {"phone": "12", "email": "x", "birthday": "2030-01-01", "name": " ", "locale": "fr", "state": "lost"},
            {"phone", "email", "birthday", "name", "locale", "state"},
        ),
        ({"phone": 1, "birthday": "yesterday", "nickname": "x"}, {"phone", "birthday", "nickname"}),
        ({"name": "a\x00b", "city": "c" * 101, "reason": "r" * 201}, {"name", "reason"}),
        ([], {""}),
    ],
)
async def test_every_faulty_field_is_named_and_nothing_changes(
    api: Api, world: World, body: Any, fields: set[str]
) -> None:
    before = await world.fingerprint()
    assert fields_of(problem_of(await api.put("/members/M1", json=body), 422, "invalid_input")) == fields
    assert await world.fingerprint() == before


async def test_what_is_no_json_is_a_bad_request(api: Api, world: World) -> None:
    before = await world.fingerprint()
    for content in (b"{", b"\xff\xfe", b"nope", b'{"name":"\\ud800"}', b"[" * 100_000):
        problem_of(await api.put("/members/M1", content=content), 400, "invalid_json")
    assert await world.fingerprint() == before


async def test_ids_that_no_member_can_have(api: Api) -> None:
    for path in ("/members/nobody", "/members/a%00b", "/members/nobody/ledger"):
        problem_of(await api.get(path), 404, "unknown_member")
    assert fields_of(problem_of(await api.put("/members/a%00b", json={}), 422, "invalid_input")) == {"external_id"}
    assert fields_of(problem_of(await api.put(f"/members/{'x' * 201}"), 422, "invalid_input")) == {"external_id"}


async def test_the_ledger_pages_from_the_newest_to_the_oldest(api: Api, world: World) -> None:
    for number in range(64):
        await world.earn("M1", 1, f"small {number}")
    await api.redeem("M1", "LATTE", "k1")
    entries: list[dict[str, Any]] = []
    cursor: str | None = None
    sizes = []
    while True:
        page = (await api.get("/members/M1/ledger", params={"cursor": cursor} if cursor else None)).json()
        entries += page["entries"]
        sizes.append(len(page["entries"]))
        cursor = page["next"]
        if cursor is None:
            break
    assert sizes == [30, 30, 6]
    assert [entry["id"] for entry in entries] == sorted({entry["id"] for entry in entries}, reverse=True)
    assert (entries[0]["event"], entries[0]["points"], entries[0]["balance"]) == ("redeem", -100, 964)
    assert entries[1]["lines"] == [
        {
            "rule": "purchase",
            "version": 1,
            "points": 1,
            "growth": 1,
            "multiplier_basis_points": 10_000,
            "capped_from": None,
        }
    ]
    assert sum(entry["points"] for entry in entries) == await api.balance()
    for broken in ("x", "", "MA", "-1", "%00"):
        answer = await api.get("/members/M1/ledger", params={"cursor": broken})
        assert fields_of(problem_of(answer, 422, "invalid_input")) == {"cursor"}


async def test_points_are_given_and_taken_by_hand(api: Api, world: World) -> None:
    async def adjust(points: Any, key: str | None, reason: Any = "because") -> Any:
        headers = {"idempotency-key": key} if key else {}
        return await api.post("/members/M1/adjustments", json={"points": points, "reason": reason}, headers=headers)

    given = await adjust(200, "a")
    assert given.status_code == 201
    same = {"external_id": "M1", "points": 200, "reason": "because"}
    assert given.json() == same | {"state": "done", "request": None, "balance": 1_200}
    assert (await adjust(-50, "b")).json()["balance"] == 1_150
    before = await world.fingerprint()
    again = await adjust(200, "a")
    assert (again.status_code, again.json()) == (201, given.json())
    assert again.headers["idempotent-replayed"] == "true"
    problem_of(await adjust(201, "a"), 409, "idempotency_conflict")
    problem_of(await adjust(200, None), 400, "idempotency_key_required")
    problem_of(await adjust(-5_000, "c"), 409, "not_enough_points")
    assert fields_of(problem_of(await adjust(0, "d", " "), 422, "invalid_input")) == {"points", "reason"}
    assert fields_of(problem_of(await adjust(2_000_000, "d", 7), 422, "invalid_input")) == {"points", "reason"}
    answer = await api.post(
        "/members/nobody/adjustments", json={"points": 1, "reason": "x"}, headers={"idempotency-key": "e"}
    )
    problem_of(answer, 404, "unknown_member")
    other_path = await api.post(
        "/members/M2/adjustments", json={"points": 200, "reason": "because"}, headers={"idempotency-key": "a"}
    )
    problem_of(other_path, 409, "idempotency_conflict")
    assert await world.fingerprint() == before
    await world.assert_books_balance()


async def test_what_is_above_the_limit_of_a_day_waits_for_a_second_person(api: Api, world: World) -> None:
    async def adjust(points: int, key: str, member: str = "M1") -> Any:
        body = {"points": points, "reason": "because"}
        return await api.post(f"/members/{member}/adjustments", json=body, headers={"idempotency-key": key})

    await world.execute("UPDATE program SET adjustment_limit = 300")
    assert (await adjust(200, "a")).status_code == 201
    before = await world.fingerprint()
    answers = await asyncio.gather(*(adjust(101, "b") for _ in range(4)))
    assert {answer.status_code for answer in answers} == {202}
    ((request_id, asked_by),) = await world.fetch("SELECT id, requested_by FROM adjustment_request")
    waiting = {"external_id": "M1", "points": 101, "reason": "because", "state": "pending", "request": request_id}
    assert [answer.json() for answer in answers] == [waiting | {"balance": 1_200}] * 4
    problem_of(await adjust(102, "b"), 409, "idempotency_conflict")
    assert await world.fingerprint() == before
    # What is up to the limit goes on; another member has a day of their own.
    assert (await adjust(-100, "c")).json()["balance"] == 1_100
    assert (await adjust(300, "d", "M2")).json()["state"] == "done"
    async with unit_of_work(world.sessions) as session:
        await approve(await driver_connection(session), request_id, actor="staff:1", decision="", now=NOW, zone=ZONE)
    (entry, *_) = (await api.get("/members/M1/ledger")).json()["entries"]
    assert (entry["points"], entry["source"], entry["balance"]) == (101, f"adjust:request:{request_id}", 1_201)
    # Should the kept answers be gone, the request itself still knows its key.
    await world.execute("DELETE FROM idempotent_answer")
    late = await adjust(101, "b")
    assert (late.status_code, late.json()["state"], late.json()["balance"]) == (201, "done", 1_201)
    assert asked_by.startswith("key:")
    await world.assert_books_balance()


async def test_nothing_is_given_to_who_has_left(api: Api, world: World) -> None:
    await api.put("/members/M1", json={"state": "closed"})
    before = await world.fingerprint()
    for points in (5, 50_000):
        body, headers = {"points": points, "reason": "x"}, {"idempotency-key": str(points)}
        answer = await api.post("/members/M1/adjustments", json=body, headers=headers)
        problem_of(answer, 409, "member_closed")
    assert await world.fetch("SELECT count(*) FROM adjustment_request") == [(0,)]
    assert await world.fingerprint() == before


async def test_one_adjustment_sent_many_times_at_once_is_one(api: Api, world: World) -> None:
    async def adjust() -> Any:
        return await api.post(
            "/members/M1/adjustments", json={"points": 5, "reason": "x"}, headers={"idempotency-key": "same"}
        )

    answers = await asyncio.gather(*(adjust() for _ in range(8)))
    assert {answer.status_code for answer in answers} == {201}
    assert {answer.content for answer in answers} == {answers[0].content}
    assert await api.balance() == 1_005


async def test_members_need_their_scopes_and_partners_stay_outside(open_api: OpenApi, world: World) -> None:
    reader, partner = await open_api("members:read"), await open_api(partner="ALPHA")
    assert (await reader.get("/members/M1")).status_code == 200
    before = await world.fingerprint()
    problem_of(await reader.put("/members/M1", json={"name": "B"}), 403, "scope_missing")
    problem_of(await partner.get("/members/M1"), 403, "not_allowed")
    problem_of(await partner.get("/members/M1/ledger"), 403, "not_allowed")
    problem_of(await partner.put("/members/M1", json={"name": "B"}), 403, "not_allowed")
    answer = await partner.post(
        "/members/M1/adjustments", json={"points": 1, "reason": "x"}, headers={"idempotency-key": "k"}
    )
    problem_of(answer, 403, "not_allowed")
    assert await world.fingerprint() == before


async def test_somebody_new_can_be_pre_registered_and_is_active_later_but_never_the_other_way(
    api: Api, world: World
) -> None:
    created = await api.put("/members/N1", json={"state": "pre_registered"})
    assert (created.status_code, created.json()["state"]) == (201, "pre_registered")
    assert await world.fetch("SELECT activated_at FROM member WHERE external_id = 'N1'") == [(None,)]
    assert (await api.put("/members/N1", json={"state": "active"})).json()["state"] == "active"
    refused = await api.put("/members/N1", json={"state": "pre_registered", "city": "上海"})
    problem_of(refused, 409, "state_not_possible")
    after = (await api.get("/members/N1")).json()
    assert (after["state"], after["city"]) == ("active", None)


async def test_a_blocked_card_is_no_card(api: Api, world: World) -> None:
    await world.execute("UPDATE member SET card_number = NULL WHERE external_id = 'M1'")
    assert (await api.get("/members/M1")).json()["card_number"] is None


async def test_the_host_sells_a_membership_once_and_is_told_what_to_pay_back(api: Api, world: World) -> None:
    await world.execute(
        "INSERT INTO paid_plan (code, tier_id, name_zh, name_en, months, price_minor, return_days, offered) "
        "SELECT 'gold-month', id, '月卡', 'Month', 1, 3000, 7, true FROM tier WHERE code = 'gold'"
    )
    await api.put("/members/N1")
    sale = {"plan": "gold-month", "reference": "VIP-1", "paid_minor": 3000}
    sold = await api.post("/members/N1/memberships", json=sale, headers={"idempotency-key": "1"})
    assert sold.status_code == 201
    again = await api.post("/members/N1/memberships", json=sale, headers={"idempotency-key": "2"})
    assert again.json() == sold.json()
    member = (await api.get("/members/N1")).json()
    assert (member["tier"], member["tier_until"]) == ("gold", sold.json()["ends_on"])
    other = await api.post("/members/N1/memberships", json=sale | {"paid_minor": 1}, headers={"idempotency-key": "3"})
    problem_of(other, 409, "idempotency_conflict")
    back = await api.post("/memberships/VIP-1/return", json={"reason": "unwanted"}, headers={"idempotency-key": "4"})
    assert (back.status_code, back.json()["returned_minor"]) == (200, 3000)
    assert (await api.get("/members/N1/memberships")).json() == {"memberships": [back.json()]}
    assert (await api.get("/members/N1")).json()["tier"] == "standard"
    unknown = await api.post("/memberships/VIP-2/return", json={"reason": "x"}, headers={"idempotency-key": "5"})
    problem_of(unknown, 404, "unknown_membership")
