"""Draws in the console: planned, announced for good, called off, and why for one member."""

from datetime import timedelta

from liyu.core.settings import Settings
from liyu.redemption.draws.run import run_draws
from tests.web.conftest import NOW
from tests.web.console.acts import texts_of
from tests.web.console.conftest import SignIn
from tests.web.personas import token_in
from tests.world import ZONE, World


async def test_a_draw_is_planned_announced_and_watched(world: World, sign_in: SignIn, settings: Settings) -> None:
    await world.item(
        "entry",
        kind="draw",
        state="draft",
        points=10,
        on_sale_from=NOW + timedelta(hours=1),
        on_sale_to=NOW + timedelta(hours=2),
    )
    await world.item("donation-1", kind="donation")
    operator, finance = await sign_in("operator"), await sign_in("finance")
    new = await operator.get("/console/draws/new")
    form = {
        "csrf_token": token_in(new), "sku": "entry", "prize_1": "coupon-1", "units_1": "1", "prize_2": "tea", "units_2": "2",
        "draws_at": "2026-11-23T20:00", "losing_points": "kept", "claim_hours": "24", "tickets_gold": "3",
    }  # fmt: skip
    assert (await finance.get("/console/draws/new")).status_code == 403
    faulty = await operator.post(
        "/console/draws/new", data=form | {"units_2": "", "tickets_gold": "0", "prize_1": "donation-1"}
    )
    assert faulty.status_code == 422
    assert "Enter a number from 1 to 100." in texts_of(faulty)
    wrong = await operator.post("/console/draws/new", data=form | {"prize_1": "donation-1"})
    assert wrong.status_code == 422
    assert "donation-1 cannot be won" in texts_of(wrong)
    assert await world.one("SELECT count(*) FROM draw") == 0
    saved = await operator.post("/console/draws/new", data=form)
    assert saved.status_code == 303, texts_of(saved)
    here = saved.headers["location"]
    assert (await operator.post(f"{here}/edit", data=form | {"units_1": "11", "prize_1": "tea"})).status_code == 303
    refused = await operator.post(f"{here}/announce", data=form)
    assert refused.status_code == 409
    assert "tea has not enough units left." in texts_of(refused)
    assert (await operator.post(f"{here}/edit", data=form)).status_code == 303
    assert (
        await finance.post(f"{here}/announce", data={"csrf_token": token_in(await finance.get(here))})
    ).status_code == 403
    assert (await operator.post(f"{here}/announce", data=form)).status_code == 303
    assert (await operator.get(f"{here}/edit")).status_code == 303
    assert (await operator.post(f"{here}/edit", data=form)).status_code == 409
    assert (await operator.post(f"{here}/discard", data=form)).status_code == 409
    assert await world.one("SELECT taken FROM item_stock s JOIN item i ON i.id = s.item_id WHERE i.sku = 'tea'") == 2

    world.clock.instant = NOW + timedelta(hours=1)
    await world.redeem("m-1", "entry", 2)
    for hours in (2, 40):
        world.clock.instant = NOW + timedelta(hours=hours)
        await run_draws(world.connection, secret_key=settings.secret_key, now=world.clock.now(), zone=ZONE)
    page = texts_of(await operator.get(f"{here}?member=m-1"))
    assert "m-1: 1 orders, 2 tickets" in page
    assert "The drawn order reached this place" in page
    assert "m-2 did not enter." in texts_of(await operator.get(f"{here}?member=m-2"))
    assert "No member has this number." in texts_of(await operator.get(f"{here}?member=nobody"))
    assert "Draw announced" in texts_of(await (await sign_in("admin")).get("/console/audit"))
    assert (await operator.post(f"{here}/call-off", data=form | {"reason": "late"})).status_code == 409


async def test_a_draft_is_deleted_and_an_open_draw_called_off(world: World, sign_in: SignIn) -> None:
    operator = await sign_in("operator")
    form = {"csrf_token": token_in(await operator.get("/console/draws/new")), "prize_1": "tea", "units_1": "1",
            "draws_at": "2026-11-23T20:00", "losing_points": "given_back", "claim_hours": "24"}  # fmt: skip
    window = {"on_sale_from": NOW + timedelta(hours=1), "on_sale_to": NOW + timedelta(hours=2)}
    for sku, end in (("entry-1", "discard"), ("entry-2", "call-off")):
        await world.item(sku, kind="draw", state="draft", **window)
        here = (await operator.post("/console/draws/new", data=form | {"sku": sku})).headers["location"]
        if end == "call-off":
            await operator.post(f"{here}/announce", data=form)
            assert (await operator.post(f"{here}/{end}", data=form)).status_code == 422
        assert (await operator.post(f"{here}/{end}", data=form | {"reason": "flood"})).status_code == 303
    assert await world.one("SELECT string_agg(state, ',') FROM draw") == "called_off"
    assert await world.one("SELECT state FROM item WHERE sku = 'entry-2'") == "ended"
