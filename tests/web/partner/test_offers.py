"""Partners make and change their own offers; operators approve them; nobody reaches another's."""

import re

from liyu.core.database import Sessions, unit_of_work
from tests.web.conftest import OpenClient
from tests.web.console.acts import submit, texts_of
from tests.web.partner.conftest import Enter, Portal
from tests.web.personas import add_staff, sign_in_staff

OFFER = {"kind": "coupon", "name_zh": "新券", "name_en": "New coupon", "points": "120", "scene": "dining", "stock": "50",
         "coupon_form": "cash", "coupon_benefit": "20", "coupon_threshold_minor": "99"}  # fmt: skip


async def test_an_offer_goes_from_draft_over_the_review_to_the_members(
    portal: Portal, enter: Enter, open_client: OpenClient, sessions: Sessions
) -> None:
    world, partner = portal.shops.world, await enter("owner")
    made = await submit(partner, "/partner/offers/new", "/partner/offers/new", **OFFER)
    assert made.status_code == 303, texts_of(made)
    page = made.headers["location"]
    sku = page.rpartition("/")[2]
    assert (await submit(partner, page, page, **(OFFER | {"points": "130"}))).status_code == 303
    assert await world.one("SELECT points FROM item WHERE sku = %s AND state = 'draft'", sku) == 130
    assert (await submit(partner, page, f"{page}/submit")).status_code == 303
    assert (await submit(partner, page, page, **OFFER)).status_code == 409
    async with unit_of_work(sessions) as session:
        await add_staff(session, "operator@liyu.example", "operator", "operator")
    operator, queue = open_client(), "/console/approvals"
    await sign_in_staff(operator, "operator@liyu.example", "operator")
    assert "New coupon" in texts_of(await operator.get(queue))
    verdict = f"{queue}/items/{sku}"
    assert (await submit(operator, queue, verdict, verdict="returned")).status_code == 303
    assert await world.one("SELECT state FROM item WHERE sku = %s", sku) == "submitted"
    await submit(operator, queue, verdict, verdict="returned", reason="Say where it counts")
    assert "Say where it counts" in texts_of(await partner.get(page))
    assert (await submit(partner, page, f"{page}/submit")).status_code == 303
    assert (await submit(operator, queue, verdict, verdict="live")).status_code == 303
    assert await world.one("SELECT state FROM item WHERE sku = %s", sku) == "live"
    # What members see already waits for a review; stock that rises does not.
    assert (await submit(partner, page, page, **(OFFER | {"points": "130", "stock": "80"}))).status_code == 303
    assert await world.one("SELECT total FROM item_stock s JOIN item i ON i.id = s.item_id WHERE sku = %s", sku) == 80
    change = OFFER | {"points": "99", "stock": "80", "note": "Autumn price"}
    assert (await submit(partner, page, page, **change)).status_code == 303
    assert await world.one("SELECT points FROM item WHERE sku = %s", sku) == 130
    seen = await operator.get(queue)
    assert "130 → 99" in texts_of(seen)
    assert "Autumn price" in texts_of(seen)
    number = re.findall(rf"{queue}/(\d+)", seen.text)[0]
    assert (await submit(operator, queue, f"{queue}/{number}", verdict="approved")).status_code == 303
    assert await world.one("SELECT points FROM item WHERE sku = %s", sku) == 99
    assert (await submit(operator, queue, f"{queue}/rule", price_percent="101")).status_code == 422
    assert (await submit(operator, queue, f"{queue}/rule", price_percent="10", stock_may_rise="yes")).status_code == 303
    assert (await submit(partner, page, page, **(change | {"points": "95"}))).status_code == 303
    assert await world.one("SELECT points FROM item WHERE sku = %s", sku) == 95


async def test_faulty_offers_make_nothing_and_others_offers_are_not_there(portal: Portal, enter: Enter) -> None:
    world, partner = portal.shops.world, await enter("owner")
    before = await world.one("SELECT count(*) FROM item")
    for faulty in (
        {"name_zh": ""},
        {"coupon_benefit": ""},
        {"coupon_form": ""},
        {"kind": "donation"},
        {"kind": "goods"},
    ):
        answer = await submit(partner, "/partner/offers/new", "/partner/offers/new", **(OFFER | faulty))
        assert answer.status_code == 422, faulty
    assert await world.one("SELECT count(*) FROM item") == before
    foreign = await world.one(
        "SELECT i.sku FROM item i JOIN partner p ON p.id = i.partner_id WHERE p.code = 'TEA' LIMIT 1"
    )
    page = f"/partner/offers/{foreign}"
    assert (await partner.get(page)).status_code == 404
    assert (await submit(partner, "/partner/offers/new", page, **OFFER)).status_code == 404
    assert (await submit(partner, "/partner/offers/new", f"{page}/submit")).status_code == 404
    cashier = await enter("cashier")
    assert (await cashier.get("/partner/offers/new")).status_code == 403
