"""The drop planner and the dashboard of a drop."""

from datetime import timedelta

import pytest

from liyu.core.clock import FixedClock
from liyu.redemption.drops.hand_on import lapse_offers
from tests.redemption.drops.shop import Shop
from tests.web.console.conftest import SignIn
from tests.web.personas import token_in
from tests.world import World

HOUR = timedelta(hours=1)


def at(clock: FixedClock, hours: int) -> str:
    return (clock.now() + timedelta(hours=hours + 8)).strftime("%Y-%m-%dT%H:%M")


@pytest.fixture
def plan(world: World, clock: FixedClock) -> dict[str, str]:
    return {
        "sku": "LOUNGE", "ends_at": at(clock, 9), "offer_minutes": "30", "opens_1": at(clock, 1), "units_1": "2",
        "opens_2": at(clock, 4), "units_2": "1",
    }  # fmt: skip


async def test_a_drop_is_planned_announced_watched_and_called_off(
    world: World, clock: FixedClock, sign_in: SignIn, plan: dict[str, str]
) -> None:
    admin = await sign_in("operator")
    world.clock = clock
    await world.item("LOUNGE", stock=5, points=10, per_member_limit=1)
    await world.item("CUP", stock=5, points=10)
    english = {"accept-language": "en"}
    page = await admin.get("/console/drops/new?sku=LOUNGE", headers=english)
    token = {"csrf_token": token_in(page)}
    faulty = await admin.post(
        "/console/drops/new", data=token | plan | {"units_2": "", "ends_at": "", "offer_minutes": "0"}, headers=english
    )
    assert faulty.status_code == 422
    assert faulty.text.count('aria-invalid="true"') == 2
    early = await admin.post("/console/drops/new", data=token | plan | {"ends_at": at(clock, 2)}, headers=english)
    assert "ends before its last wave" in early.text
    assert await world.one("SELECT count(*) FROM drop") == 0

    made = await admin.post("/console/drops/new", data=token | plan)
    here = made.headers["location"]
    near = plan | {"sku": "CUP", "opens_1": at(clock, 4), "opens_2": "", "units_2": ""}
    await admin.post("/console/drops/new", data=token | near)
    month = await admin.get(f"/console/drops?month={clock.now():%Y-%m}", headers=english)
    assert "Opens within ten minutes of another drop" in month.text
    assert "is not announced" in month.text

    changed = await admin.post(f"{here}/edit", data=token | plan | {"units_1": "1"})
    assert changed.headers["location"] == here
    await admin.post(f"{here}/announce", data=token)
    assert await world.one("SELECT total FROM item_stock s JOIN item i ON i.id = s.item_id WHERE sku = 'LOUNGE'") == 1
    assert (await admin.get(f"{here}/edit")).headers["location"] == here
    late = await admin.post(f"{here}/edit", data=token | plan, headers=english)
    assert "past this step" in late.text

    clock.instant += HOUR
    await _rush(world, here.rpartition("/")[2])
    watched = await admin.get(f"{here}?member=m-1", headers=english)
    for words in ("Place 1 of", "Sold out", "hx-trigger", "Joined the waiting list at place 1", "1 given back", "Kept"):
        assert (words in watched.text) == (words not in ("Place 1 of", "Sold out")), words
    figures = await admin.get(f"{here}/figures", headers=english)
    assert "Everything was taken" in figures.text

    empty = await admin.post(f"{here}/call-off", data=token, headers=english)
    assert empty.status_code == 422
    assert await world.one("SELECT state FROM drop ORDER BY id LIMIT 1") == "announced"
    await admin.post(f"{here}/call-off", data=token | {"reason": "The partner cannot deliver"})
    assert "The partner cannot deliver" in (await admin.get(here)).text
    assert "The partner cannot deliver" in (await admin.get(f"{here}?member=m-1")).text


async def _rush(world: World, number: str) -> None:
    shop = Shop(world, number, "LOUNGE")
    await world.members("m-0", points=1_000)
    redeemed = await shop.redeem("m-0")
    await shop.join("m-1")
    await shop.cancel(redeemed)
    await lapse_offers(world.connection, now=shop.now)
    await world.connection.execute(
        "INSERT INTO drop_tally (drop_id, minute, what, subject, count) "
        "SELECT id, %(now)s, what, '', 3 FROM drop, unnest(ARRAY['sold_out', 'granted']) AS what WHERE number = %(number)s",
        {"now": shop.now, "number": number},
    )
