"""Paid membership in the console: offers written and changed, sales entered once, given back with a reason."""

from tests.web.console.acts import submit, texts_of
from tests.web.console.conftest import SignIn
from tests.world import World

HOME = "/console/memberships"
MEMBER = "/console/members/m-2/membership"
PLAN = {
    "code": "gold-month", "tier": "gold", "name_zh": "金卡月卡", "name_en": "Gold for a month", "months": "1",
    "points": "", "price_minor": "30.00", "return_days": "7", "offered": "yes",
}  # fmt: skip


async def test_an_operator_offers_sells_and_takes_back(sign_in: SignIn, world: World) -> None:
    client = await sign_in("operator")
    assert "Nothing on offer yet" in texts_of(await client.get(HOME))
    faulty = await submit(client, f"{HOME}/new", f"{HOME}/new", **PLAN | {"price_minor": "", "code": "Gold Month"})
    assert faulty.status_code == 422
    assert "Say what it costs" in texts_of(faulty)
    assert await world.one("SELECT count(*) FROM paid_plan") == 0
    assert (await submit(client, f"{HOME}/new", f"{HOME}/new", **PLAN)).status_code == 303
    change = {**PLAN, "price_minor": "28.00"}
    assert (await submit(client, f"{HOME}/gold-month", f"{HOME}/gold-month", **change)).status_code == 303
    assert await world.one("SELECT price_minor FROM paid_plan") == 2_800
    sale = {"plan": "gold-month", "reference": "VIP-1", "paid_minor": "28"}
    for _ in range(2):
        assert (await submit(client, MEMBER, MEMBER, **sale)).status_code == 303
    assert await world.one("SELECT count(*) FROM paid_period") == 1
    page = texts_of(await client.get(MEMBER))
    assert "¥ 28.00 would have to be paid back" in page
    assert "Gold, paid for through" in texts_of(await client.get("/console/members/m-2/tier"))
    back = {"reference": "VIP-1", "reason": ""}
    assert (await submit(client, MEMBER, f"{MEMBER}/return", **back)).status_code == 422
    assert (await submit(client, MEMBER, f"{MEMBER}/return", **back | {"reason": "wrong one"})).status_code == 303
    assert await world.one("SELECT returned_minor FROM paid_period") == 2_800
    actions = await world.connection.execute(
        "SELECT action FROM audit_event WHERE action ~ 'paid|membership' ORDER BY id"
    )
    assert [row[0] for row in await actions.fetchall()] == [
        "paid_plan.add", "paid_plan.edit", "member.membership", "member.membership", "member.membership_return",
    ]  # fmt: skip
    service = await sign_in("service")
    assert (await service.get(HOME)).status_code == 200
    assert (await service.get(f"{HOME}/new")).status_code == 403
    assert (await submit(service, MEMBER, MEMBER, **sale)).status_code == 403
