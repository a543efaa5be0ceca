"""Tills in the console: what was refused at them, rules of items, and who may take a verification back."""

from datetime import UTC, datetime

from liyu.core.clock import local_date
from liyu.vouchers.refusals import count_refusals
from tests.vouchers.tills import open_shops
from tests.web.console.acts import submit
from tests.web.console.conftest import SignIn
from tests.world import ZONE, World

PAGE = "/console/tills"
_REFUSED = (
    "INSERT INTO verification_refusal (verifier, store_id, code, at, partner_id) "
    "SELECT 'key:1', %s, %s, %s, %s FROM generate_series(1, %s)"
)


async def test_rules_of_items_are_set_changed_and_dropped(sign_in: SignIn, world: World) -> None:
    client = await sign_in("operator")
    for wrong in (
        {"sku": "nothing"}, {"sku": "coupon-1", "uses_a_day": "0"}, {"sku": "coupon-1", "usable_from": "soon"},
    ):  # fmt: skip
        assert (await submit(client, PAGE, f"{PAGE}/rules", **wrong)).status_code == 422
    assert await world.one("SELECT count(*) FROM till_rule") == 0
    rule = {
        "sku": "coupon-1",
        "usable_from": "2026-12-01T10:00",
        "uses_a_day": "2",
        "member_uses_a_day": "3",
        "store_uses_a_day": "4",
    }
    rule["paper_confirmed"] = "yes"
    assert (await submit(client, PAGE, f"{PAGE}/rules", **rule)).status_code == 303
    assert await world.one("SELECT usable_from FROM till_rule") == datetime(2026, 12, 1, 2, tzinfo=UTC)
    assert await world.one("SELECT (store_uses_a_day, paper_confirmed)::text FROM till_rule") == "(4,t)"
    shown = (await client.get(f"{PAGE}?sku=coupon-1")).text
    assert 'value="2026-12-01T10:00"' in shown
    assert (await submit(client, PAGE, f"{PAGE}/rules", sku="coupon-1")).status_code == 303
    assert await world.one("SELECT count(*) FROM till_rule") == 0
    assert await world.one("SELECT count(*) FROM audit_event WHERE action = 'tills.rule'") == 2


async def test_the_value_that_needs_a_second_person_is_set(sign_in: SignIn, world: World) -> None:
    client = await sign_in("operator")
    assert (await submit(client, PAGE, f"{PAGE}/policy", undo_alone="much")).status_code == 422
    assert (await submit(client, PAGE, f"{PAGE}/policy", undo_alone="50")).status_code == 303
    assert await world.one("SELECT undo_alone_minor FROM till_policy") == 5_000
    assert 'value="50.00"' in (await client.get(PAGE)).text
    assert (await submit(client, PAGE, f"{PAGE}/policy", undo_alone="")).status_code == 303
    assert await world.one("SELECT undo_alone_minor FROM till_policy") is None
    service = await sign_in("service")
    assert (await service.get(PAGE)).status_code == 200
    assert (await submit(service, PAGE, f"{PAGE}/policy", undo_alone="9")).status_code == 403


async def test_refusals_are_counted_by_reason_store_and_day_of_the_program(world: World) -> None:
    shops = await open_shops(world)
    today = local_date(world.clock.now(), ZONE)
    late, early = datetime(2026, 11, 21, 16, 30, tzinfo=UTC), datetime(2026, 11, 21, 15, 30, tzinfo=UTC)
    for store, code, at, partner, count in (
        ("SH1", "unknown_voucher", late, "LUCK", 3),
        ("SH1", "expired", early, None, 2),
        (None, "unknown_voucher", late, "TEA", 1),
    ):
        partner_id = shops.partners[partner] if partner else None
        values = (shops.stores[store] if store else None, code, at, partner_id, count)
        await world.connection.execute(_REFUSED, values)
    everybody = await count_refusals(world.connection, None, today=today, zone=ZONE)
    assert (everybody.total, everybody.reasons) == (6, [("unknown_voucher", 4), ("expired", 2)])
    assert [(one.zh, one.count) for one in everybody.stores] == [("SH1店", 5), (None, 1)]
    assert [(one.day.day, one.count, one.guesses) for one in everybody.days] == [(22, 4, 4), (21, 2, 0)]
    luck = await count_refusals(world.connection, shops.partners["LUCK"], today=today, zone=ZONE)
    tea = await count_refusals(world.connection, shops.partners["TEA"], today=today, zone=ZONE)
    assert (luck.total, tea.total) == (5, 1)
