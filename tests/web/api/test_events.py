"""Events over the API: points by rule, once for each reference, in one or in a thousand rows."""

import asyncio
from typing import Any

import pytest

from tests.web.api.conftest import OpenApi
from tests.web.api.world import Api, World, fields_of, problem_of


def event(name: str, **values: Any) -> dict[str, Any]:
    return {
        "member": "M1",
        "type": "purchase",
        "amount_minor": 12_850,
        "currency": "CNY",
        "occurred_at": "2026-11-21T10:00:00+08:00",
        "reference": name,
    } | values


async def test_a_purchase_gives_points_once(api: Api, world: World) -> None:
    posted = await api.post("/events", json=event("A1"))
    assert posted.status_code == 201
    answer = posted.json()
    assert (answer["status"], answer["points"], answer["lines"][0]["rule"]) == ("ok", 128, "purchase")
    again = await api.post("/events", json=event("A1", occurred_at="2026-11-21T02:00:00Z"))
    assert (again.status_code, again.json()) == (200, answer | {"status": "duplicate"})
    assert await api.balance() == 1_128
    returned = await api.post("/events", json=event("A1", type="return"))
    assert (returned.status_code, returned.json()["points"]) == (201, -128)
    assert await api.balance() == 1_000
    await world.assert_books_balance()


async def test_what_was_spent_is_owed_after_a_return(api: Api, world: World) -> None:
    await api.post("/events", json=event("A1", member="M2"))
    await api.redeem("M2", "LATTE", "k")
    await api.post("/events", json=event("A1", member="M2", type="return"))
    member = (await api.get("/members/M2")).json()
    assert (member["balance"], member["debt"], member["lots"]) == (0, 100, [])
    await world.assert_books_balance()


async def test_refused_events_change_nothing(api: Api, world: World) -> None:
    await api.post("/events", json=event("A1"))
    before = await world.fingerprint()
    problem_of(await api.post("/events", json=event("A1", amount_minor=1)), 409, "reference_conflict")
    problem_of(await api.post("/events", json=event("A1", type="return", member="M2")), 409, "reference_conflict")
    problem_of(await api.post("/events", json=event("A2", member="nobody")), 404, "unknown_member")
    assert await world.fingerprint() == before
    await api.put("/members/M2", json={"state": "closed"})
    problem_of(await api.post("/events", json=event("A3", member="M2")), 409, "member_closed")


@pytest.mark.parametrize(
    ("values", "fields"),
    [
        ({"amount_minor": "12", "currency": "USD", "occurred_at": "soon"}, {"amount_minor", "currency", "occurred_at"}),
        ({"type": "gift", "member": "", "reference": "x" * 201}, {"type", "member", "reference"}),
        ({"amount_minor": -1, "occurred_at": "2026-12-24T10:00:00+08:00"}, {"amount_minor", "occurred_at"}),
        ({"amount_minor": None, "currency": None, "extra": 1}, {"amount_minor", "currency", "extra"}),
        ({"amount_minor": 10**30, "occurred_at": "2026-11-21T10:00:00"}, {"amount_minor", "occurred_at"}),
        ({"occurred_at": "0001-01-01T00:00:00+08:00", "reference": "a\x00"}, {"occurred_at", "reference"}),
        ({"amount_minor": 1.5, "member": 7}, {"amount_minor", "member"}),
    ],
)
async def test_every_faulty_field_is_named(api: Api, world: World, values: dict[str, Any], fields: set[str]) -> None:
    before = await world.fingerprint()
    document = problem_of(await api.post("/events", json=event("A1", **values)), 422, "invalid_input")
    assert fields_of(document) == fields
    batch = (await api.post("/events/batch", json=[event("A1", **values)])).json()
    assert (batch["failed"], set(batch["results"][0]["fields"])) == (1, fields)
    assert await world.fingerprint() == before


async def test_missing_fields_are_named(api: Api) -> None:
    document = problem_of(await api.post("/events", json={}), 422, "invalid_input")
    assert fields_of(document) == {"member", "type", "reference", "occurred_at"}
    problem_of(await api.post("/events", content=b"{"), 400, "invalid_json")
    assert fields_of(problem_of(await api.post("/events", json=[1]), 422, "invalid_input")) == {""}


async def test_a_batch_answers_each_row_in_its_order(api: Api, world: World) -> None:
    await api.post("/events", json=event("A1"))
    rows = [
        event("B1"),
        event("A1"),
        event("B2", member="nobody"),
        event("B1"),
        event("B1", amount_minor=5),
        "row",
        event("B3", member="M2", type="check_in", amount_minor=None, currency=None),
    ]
    answer = await api.post("/events/batch", json={"events": rows})
    assert answer.status_code == 200
    batch = answer.json()
    assert (batch["ok"], batch["failed"], batch["duplicate"]) == (2, 3, 2)
    assert [(row["status"], row["points"], row["code"]) for row in batch["results"]] == [
        ("ok", 128, None),
        ("duplicate", 128, None),
        ("failed", 0, "unknown_member"),
        ("duplicate", 128, None),
        ("failed", 0, "reference_conflict"),
        ("failed", 0, "invalid_event"),
        ("ok", 1, None),
    ]
    assert batch["results"][2]["message"] == "No member has this id."
    assert (await api.post("/events/batch", json=rows)).json()["duplicate"] == 4
    assert await api.balance() == 1_256
    await world.assert_books_balance()


async def test_a_batch_speaks_chinese_when_asked_to(api: Api) -> None:
    answer = await api.post("/events/batch", json=[event("B1", member="nobody")], headers={"accept-language": "zh-CN"})
    assert answer.json()["results"][0]["message"] == "没有这个会员。"


async def test_a_batch_has_its_limits(api: Api, world: World) -> None:
    before = await world.fingerprint()
    contents: list[Any] = [[], {"events": [1] * 1_001}, {"rows": []}, {"events": 1}, 5, {"events": [], "more": 1}]
    for content in contents:
        problem_of(await api.post("/events/batch", json=content), 422, "invalid_input")
    assert await world.fingerprint() == before
    full = await api.post("/events/batch", json=[event(f"C{number}", amount_minor=100) for number in range(1_000)])
    assert full.json()["ok"] == 1_000
    assert await api.balance() == 2_000


async def test_the_same_reference_on_its_way_many_times_counts_once(api: Api, world: World) -> None:
    bodies = [event("A1", member=member) for member in ("M1", "M2") for _ in range(4)]
    answers = await asyncio.gather(*(api.post("/events", json=body) for body in bodies))
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [200] * 3 + [201] + [409] * 4
    assert await api.balance("M1") + await api.balance("M2") == 1_128
    await world.assert_books_balance()


async def test_an_idempotency_key_is_honoured(api: Api) -> None:
    key = {"idempotency-key": "k"}
    first = await api.post("/events", json=event("A1"), headers=key)
    again = await api.post("/events", json=event("A1"), headers=key)
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotent-replayed"] == "true"
    problem_of(await api.post("/events", json=event("A2"), headers=key), 409, "idempotency_conflict")


async def test_events_need_their_scope_and_partners_stay_outside(open_api: OpenApi, world: World) -> None:
    before = await world.fingerprint()
    reader, partner = await open_api("members:read"), await open_api(partner="ALPHA")
    for path, content in (("/events", event("A1")), ("/events/batch", [event("A1")])):
        problem_of(await reader.post(path, json=content), 403, "scope_missing")
        problem_of(await partner.post(path, json=content), 403, "not_allowed")
    assert await world.fingerprint() == before


async def test_hosts_post_nothing_that_is_for_liyu_alone(api: Api, world: World) -> None:
    before = await world.fingerprint()
    body = {
        "member": "M1",
        "type": "profile",
        "reference": "profile-of-member-1",
        "occurred_at": "2026-11-20T10:00:00Z",
    }
    refused = problem_of(await api.post("/events", json=body), 422, "invalid_input")
    assert [reason["field"] for reason in refused["reasons"]] == ["type"]
    assert "Liyu posts this type by itself; hosts can post purchase, return," in refused["reasons"][0]["message"]
    faults = fields_of(problem_of(await api.post("/events", json=body | {"reference": 7}), 422, "invalid_input"))
    assert faults == {"type", "reference"}
    (row,) = (await api.post("/events/batch", json=[body])).json()["results"]
    assert (row["status"], list(row["fields"])) == ("failed", ["type"])
    assert await world.fingerprint() == before
