"""Expiry in the console: an order is looked at before it is given, given once, and stands there with its reason."""

from typing import Any

from tests.web.console.acts import submit, texts_of
from tests.web.console.conftest import SignIn
from tests.web.personas import field_in
from tests.world import World

PAGE = "/console/points/expiry"
CHANGE = f"{PAGE}/change"


async def orders(world: World) -> Any:
    return await world.one("SELECT count(*) FROM expiry_change")


async def test_an_extension_of_one_member_is_checked_confirmed_and_recorded(sign_in: SignIn, world: World) -> None:
    client = await sign_in("operator")
    page = f"{CHANGE}?kind=extend&member=m-1&from_day=2027-12-31"
    opened = await client.get(page)
    fields = {name: field_in(opened, name) for name in ("kind", "member", "key")}
    fields |= {"from_day": "2027-12-31", "to_day": "2028-06-30", "reason": "Store was closed"}
    checked = await submit(client, page, CHANGE, **fields, step="check")
    assert (
        "Points: 5,000, members: 1, lots: 1. They can be used through 30 Jun 2028 instead of 31 Dec 2027."
        in texts_of(checked)
    )
    assert await orders(world) == 0
    for _ in range(2):
        done = await submit(client, page, CHANGE, **fields, step="do")
        assert (done.status_code, done.headers["location"]) == (303, "/console/members/m-1/expiry")
    assert await orders(world) == 1
    assert await world.one("SELECT count(*) FROM audit_event WHERE action = 'points.extend'") == 1
    words = texts_of(await client.get("/console/members/m-1/expiry"))
    assert "31 Dec 2027 → 30 Jun 2028 Store was closed" in words
    assert "Operator" in words
    assert "Store was closed" in texts_of(await client.get(PAGE))


async def test_a_refused_order_says_why_and_changes_nothing(sign_in: SignIn, world: World) -> None:
    client = await sign_in("operator")
    order = {
        "kind": "extend",
        "member": "",
        "from_day": "2027-12-31",
        "to_day": "2027-12-31",
        "reason": "x",
        "key": "k",
    }
    for changes, status, words in (
        ({}, 422, "Choose a day from 1 Jan 2028"),
        ({"reason": ""}, 422, "This field is needed."),
        ({"from_day": "2027-01-31", "to_day": "2027-02-28"}, 409, "nothing is left with this last day"),
        ({"kind": "reinstate", "from_day": "2026-11-21"}, 409, "lapsed points stay lapsed"),
        ({"member": "nobody"}, 404, ""),
    ):
        answer = await submit(client, CHANGE, CHANGE, **order | changes, step="do")
        assert (answer.status_code, words in texts_of(answer)) == (status, True), texts_of(answer)
    assert await orders(world) == 0
    finance = await sign_in("finance")
    assert (await finance.get(PAGE)).status_code == 200
    assert (await finance.get(CHANGE)).status_code == 403
    assert (await submit(finance, PAGE, CHANGE, **order, step="do")).status_code == 403


async def test_the_policy_is_changed_for_what_comes_and_its_faults_are_named(sign_in: SignIn, world: World) -> None:
    client = await sign_in("operator")
    policy = {"expiry_policy": "rolling", "expiry_months": "12", "lapsed_grace_days": "7", "reminder_days": "45"}
    faulty = await submit(client, PAGE, f"{PAGE}/policy", **policy | {"expiry_months": "0", "reminder_days": "x"})
    assert faulty.status_code == 422
    assert await world.one("SELECT expiry_policy FROM program") == "year_end"
    assert (await submit(client, PAGE, f"{PAGE}/policy", **policy)).status_code == 303
    await world.post(world.purchase("m-2", 10_000))
    assert [day.isoformat() for day in await world.lots("m-2") if day] == ["2027-11-30"]
    assert [day.isoformat() for day in await world.lots("m-1") if day] == ["2027-12-31"]
    assert await world.one("SELECT count(*) FROM audit_event WHERE action = 'points.policy'") == 1
