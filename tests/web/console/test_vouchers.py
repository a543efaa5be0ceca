"""Vouchers in the console: found by what people have in their hands, and changed by whom they may be."""

from liyu.core.settings import Settings
from liyu.vouchers.tokens import Tokens
from tests.web.console.acts import submit
from tests.web.console.conftest import SignIn
from tests.world import World

LIST, RULES, EXTENSIONS = "/console/vouchers", "/console/voucher-rules", "/console/voucher-extensions"


async def test_a_voucher_is_found_and_acted_upon_with_a_reason(
    sign_in: SignIn, world: World, settings: Settings
) -> None:
    voucher = (await world.redeem("m-1", "coupon-1")).voucher_ids[0]
    client, page = await sign_in("service"), f"{LIST}/{voucher}"
    code = Tokens(settings.secret_key).codes.code_of(voucher)
    number = await world.one("SELECT number FROM redemption ORDER BY id DESC")
    phone = await world.one("UPDATE member SET phone = '+8613800001234' WHERE external_id = 'm-1' RETURNING phone")
    numbers = (phone.replace("+", "%2B"), "138 0000 1234", "0086-13800001234", number, number.lower())
    for typed in (code, f"%23{voucher}", "m-1", *numbers):
        assert page in (await client.get(f"{LIST}?q={typed}&item=coupon-1&group=usable&ends=")).text
    assert "No voucher fits" in (await client.get(f"{LIST}?q=nobody&ends=7")).text
    # Who holds it is looked for, not who redeemed it.
    await world.connection.execute("UPDATE voucher SET holder_id = (SELECT id FROM member WHERE external_id = 'm-2')")
    assert page not in (await client.get(f"{LIST}?q=m-1")).text
    assert page in (await client.get(f"{LIST}?q=m-2")).text
    await world.connection.execute("UPDATE voucher SET holder_id = NULL")
    shown = (await client.get(page)).text
    assert code not in shown
    assert code[-4:] in shown
    assert 'href="/console/members/m-1"' in shown
    assert (await client.get(f"{LIST}/999")).status_code == 404

    act = f"{page}/act"
    for wrong in ({"wanted": "freeze"}, {"wanted": "burn", "reason": "r"}, {"wanted": "extend", "reason": "r"}):
        assert (await submit(client, page, act, **wrong)).status_code == 422
    late = {"wanted": "extend", "reason": "r", "last_day": "2020-01-01"}
    assert (await submit(client, page, act, **late)).status_code == 422
    assert await world.one("SELECT count(*) FROM voucher_change") == 0
    for wanted, says in (
        ({"wanted": "freeze"}, "Unfreeze"),
        ({"wanted": "unfreeze"}, "Unfrozen"),
        ({"wanted": "extend", "last_day": "2027-12-31"}, "Last day moved"),
        ({"wanted": "cancel_with_points"}, "Cancelled"),
    ):
        assert (await submit(client, page, act, reason="Asked for", **wanted)).status_code == 303
        shown = (await client.get(page)).text
        assert says in shown
        assert "Asked for" in shown
    assert (await submit(client, page, act, reason="again", wanted="cancel")).status_code == 409
    acts = "SELECT string_agg(action, ' ' ORDER BY id) FROM audit_event WHERE starts_with(action, 'voucher.')"
    assert await world.one(acts) == "voucher.freeze voucher.unfreeze voucher.extend voucher.cancel"
    # What cost no points is not said to keep or give back any.
    given = (await world.redeem("m-1", "coupon-1")).voucher_ids[0]
    points = await world.one("SELECT points FROM redemption ORDER BY id DESC")
    await world.connection.execute("UPDATE redemption SET points = 0")
    shown = (await client.get(f"{LIST}/{given}")).text
    assert "It cost no points" in shown
    assert "points back" not in shown
    assert "without points" not in shown
    for day in ("2026-02-01", "2020-01-01"):
        wish = {"wanted": "extend", "reason": "r", "last_day": day}
        assert (await submit(client, f"{LIST}/{given}", f"{LIST}/{given}/act", **wish)).status_code == 422
    await submit(client, f"{LIST}/{given}", f"{LIST}/{given}/act", wanted="cancel", reason="r")
    shown = (await client.get(f"{LIST}/{given}")).text
    assert "The voucher was cancelled." in shown
    assert "stay spent" not in shown
    await world.connection.execute("UPDATE redemption SET points = %s", (points,))
    finance = await sign_in("finance")
    assert (await finance.get(page)).status_code == 200
    assert (await submit(finance, LIST, act, reason="r", wanted="freeze")).status_code == 403


async def test_what_is_done_with_vouchers_of_an_item_begins_at_its_page(sign_in: SignIn, world: World) -> None:
    operator = await sign_in("operator")
    page = (await operator.get("/console/items/coupon-1")).text
    for begins in ("/console/campaigns/new?item=coupon-1", "/console/voucher-runs/new?item=coupon-1"):
        assert f'href="{begins}"' in page
        assert '<option value="coupon-1" selected>' in (await operator.get(begins)).text
    assert 'href="/console/tills?sku=coupon-1#rule"' in page
    assert f'href="{LIST}?item=coupon-1"' in page
    assert "/new?item=" not in (await (await sign_in("finance")).get("/console/items/coupon-1")).text


async def test_many_are_counted_then_extended_and_above_a_number_by_two(sign_in: SignIn, world: World) -> None:
    for _ in range(2):
        await world.redeem("m-1", "coupon-1")
    client = await sign_in("operator")
    wish = {
        "sku": "coupon-1", "runs_out_from": "2026-01-01", "runs_out_to": "2027-12-31", "last_day": "2028-01-31", "reason": "Outage",
    }  # fmt: skip
    for wrong in ({"sku": "nothing"}, {"last_day": ""}, {"runs_out_to": "2025-01-01"}, {"last_day": "2020-01-01"}):
        assert (await submit(client, EXTENSIONS, EXTENSIONS, **wish | wrong)).status_code == 422
    assert "2 vouchers fit" in (await submit(client, EXTENSIONS, EXTENSIONS, **wish)).text
    assert await world.one("SELECT count(*) FROM voucher_change") == 0
    rules = {"reminder_days": "5", "gift_days": "3", "gifts_a_day": "2", "extensions_alone": "1"}
    assert (await submit(client, RULES, RULES, **rules | {"gift_days": "1000"})).status_code == 422
    assert (await submit(client, RULES, RULES, **rules)).status_code == 303
    assert (await submit(client, EXTENSIONS, EXTENSIONS, **wish, wanted="extend")).status_code == 303
    assert "somebody else decides" in (await client.get(EXTENSIONS)).text
    decide = f"{EXTENSIONS}/{await world.one('SELECT id FROM voucher_extension')}/decide"
    assert (await submit(client, EXTENSIONS, decide, wanted="approved")).status_code == 409
    finance = await sign_in("finance")
    assert (await submit(finance, EXTENSIONS, decide, wanted="approved")).status_code == 303
    assert await world.one("SELECT count(*) FROM voucher_change WHERE change = 'extended'") == 2
    assert (await submit(finance, EXTENSIONS, decide, wanted="refused")).status_code == 409
    assert (await (await sign_in("service")).get(EXTENSIONS)).status_code == 403
    assert (await submit(client, EXTENSIONS, EXTENSIONS, **wish, wanted="extend")).status_code == 409
