"""Campaigns and gift codes in the console: looked at, approved by a second person, given by the worker; codes fetched once."""

import csv
import io
import re
from datetime import timedelta

from liyu.core.clock import FixedClock
from liyu.core.database import Sessions
from liyu.core.jobs import defer
from liyu.core.settings import Settings
from tests.web.console.acts import submit, texts_of
from tests.web.console.conftest import SignIn
from tests.web.personas import token_in
from tests.worker import Worker
from tests.world import World

NEW = "/console/campaigns/new"
CODES = "/console/gift-codes"
FORM = {
    "name": "Spring", "sku": "coupon-1", "quantity": "1", "reason": "Thank you", "kind": "once", "people": "everybody",
    "starts_on": "2026-11-22",
}  # fmt: skip


async def test_a_campaign_is_looked_at_approved_by_another_and_given(
    sign_in: SignIn, world: World, settings: Settings, clock: FixedClock, sessions: Sessions
) -> None:
    client, worker = await sign_in("operator"), Worker(settings, clock, sessions)
    for wrong in (
        {"name": ""}, {"sku": "nothing"}, {"quantity": "11"}, {"people": "segment"}, {"people": "list", "kind": "birthday"},
        {"people": "tag", "tag": "none"}, {"kind": "birthday", "ends_on": "2026-01-01"},
    ):  # fmt: skip
        assert (await submit(client, NEW, NEW, **FORM | wrong)).status_code in (404, 422), wrong
    assert await world.one("SELECT count(*) FROM campaign") == 0
    await world.connection.execute("UPDATE program SET issue_limit = 1")
    address = (await submit(client, NEW, NEW, **FORM)).headers["location"]
    assert (await submit(client, NEW, NEW, **FORM)).status_code == 422
    assert "of 2 members" in texts_of(await client.get(address))
    assert (await submit(client, address, f"{address}/start")).status_code == 303
    assert "You asked for it" in texts_of(await client.get(address))
    assert (await submit(client, address, f"{address}/approve")).status_code == 409

    finance, service = await sign_in("finance"), await sign_in("service")
    assert (await submit(service, address, f"{address}/approve")).status_code == 403
    assert (await service.get(NEW)).status_code == 403
    assert (await submit(finance, address, f"{address}/refuse", reason="")).status_code == 422
    assert (await submit(finance, address, f"{address}/approve")).status_code == 303
    assert "hx-refresh" not in (await client.get(f"{address}/progress")).headers
    assert (await submit(client, address, f"{address}/stop")).status_code == 303
    assert (await submit(client, address, f"{address}/nonsense")).status_code == 404
    assert (await submit(client, address, f"{address}/resume")).status_code == 303
    await worker.run()
    assert await world.one("SELECT state FROM campaign") == "finished"
    assert (await client.get(f"{address}/progress")).headers["hx-refresh"] == "true"
    rows = list(csv.reader(io.StringIO((await client.get(f"{address}/members.csv")).text.lstrip("\ufeff"))))
    assert [(row[0], row[2]) for row in rows[1:]] == [("m-1", "Given out"), ("m-2", "Given out")]
    assert "m-1" in texts_of(await client.get(f"{address}?state=given"))
    given = f"/console/vouchers/{await world.one('SELECT max(id) FROM voucher')}"
    # Not the member has done it, who may not even know yet.
    assert re.search(r"Issued \d+ \w+ \d{4}, \d\d:\d\d System", texts_of(await client.get(given)))
    acts = "SELECT string_agg(action, ' ' ORDER BY id) FROM audit_event WHERE starts_with(action, 'campaign.')"
    assert await world.one(acts) == (
        "campaign.draft campaign.start campaign.approve campaign.stop campaign.resume campaign.members"
    )


async def test_a_list_is_uploaded_and_its_faulty_rows_come_back(sign_in: SignIn, world: World) -> None:
    client = await sign_in("operator")
    fields = {"csrf_token": token_in(await client.get(NEW)), **FORM, "people": "list"}
    answer = await client.post(NEW, data=fields, files={"file": ("list.csv", b"a,b\n1,2\n", "text/csv")})
    assert answer.status_code == 422
    answer = await client.post(NEW, data=fields, files={"file": ("list.csv", b"id\nnobody\n", "text/csv")})
    assert answer.status_code == 422
    assert "Row 2: No member has this number." in texts_of(answer)
    assert await world.one("SELECT count(*) FROM campaign") == 0
    listed = "会员号\nm-1\nnobody\n".encode("gb18030")
    answer = await client.post(NEW, data=fields, files={"file": ("list.csv", listed, "text/csv")})
    page = await client.get(answer.headers["location"])
    assert "1 row of the list could not be taken." in texts_of(page)
    faults = await client.get(answer.headers["location"] + "/faults.xlsx")
    assert faults.content[:2] == b"PK"
    assert (
        await submit(client, answer.headers["location"], answer.headers["location"] + "/discard")
    ).status_code == 303
    assert await world.one("SELECT count(*) FROM campaign_gift") == 0
    of_a_tier = await submit(client, NEW, NEW, **FORM | {"name": "All", "people": "tier", "tier": "standard"})
    for locale, words in (("zh_CN", "等级 · 普通会员"), ("en", "Tier · Member")):
        client.cookies.set("liyu_locale", locale)
        assert words in texts_of(await client.get(of_a_tier.headers["location"]))


async def test_birthdays_show_what_is_to_come_and_the_worker_keeps_them(
    sign_in: SignIn, world: World, settings: Settings, clock: FixedClock, sessions: Sessions
) -> None:
    await world.connection.execute("UPDATE member SET birthday = '1990-11-30' WHERE external_id = 'm-1'")
    client = await sign_in("operator")
    address = (await submit(client, NEW, NEW, **FORM | {"kind": "birthday"})).headers["location"]
    assert "30 Nov 2026" in texts_of(await client.get(address))
    assert (await submit(client, address, f"{address}/start")).status_code == 303
    assert "Runs" in texts_of(await client.get("/console/campaigns?kind=yearly"))
    clock.instant += timedelta(days=8)
    for _ in range(2):
        for task in ("keep_the_days", "issue_campaigns"):
            await defer(world.connection, task, timestamp=0)
        await Worker(settings, clock, sessions).run()
    assert await world.one("SELECT array_agg(state || period) FROM campaign_gift") == ["given2026"]
    client = await sign_in("operator")
    assert (await submit(client, address, f"{address}/end")).status_code == 303


async def test_codes_are_made_fetched_once_activated_and_found(sign_in: SignIn, world: World) -> None:
    client, form = await sign_in("operator"), {
        "name": "Cards", "codes": "3", "gives": "points", "points": "50", "quantity": "1", "first_day": "2026-11-22",
        "last_day": "2026-12-31", "per_member_limit": "1",
    }  # fmt: skip
    new = f"{CODES}/new"
    for wrong in ({"points": ""}, {"gives": "item"}, {"codes": "0"}, {"last_day": "2026-11-01"}):
        assert (await submit(client, new, new, **form | wrong)).status_code == 422, wrong
    address = (await submit(client, new, new, **form)).headers["location"]
    fetched = await submit(client, address, f"{address}/list")
    codes = [row["code"] for row in csv.DictReader(io.StringIO(fetched.text))]
    assert len(codes) == 3
    assert (await submit(client, address, f"{address}/list")).status_code == 409
    change = f"{address}/range"
    assert (
        await submit(client, address, change, act="cancelled", first_serial="3", last_serial="3")
    ).status_code == 422
    assert (
        await submit(client, address, change, act="activated", first_serial="1", last_serial="2")
    ).status_code == 303
    gone = await submit(client, address, change, act="cancelled", first_serial="3", last_serial="3", reason="lost")
    assert gone.status_code == 303
    again = await submit(client, address, change, act="activated", first_serial="3", last_serial="3")
    assert again.status_code == 409
    found = await submit(client, CODES, f"{CODES}/find", code=codes[1].lower())
    assert found.headers["location"] == f"{address}?after=1"
    assert (await submit(client, CODES, f"{CODES}/find", code="nothing")).status_code == 422
    service = await sign_in("service")
    assert (await service.get(new)).status_code == 403
    assert (await submit(service, CODES, f"{address}/list")).status_code == 403
    page = texts_of(await service.get(address))
    assert "Fetched by Operator" in page
    assert not any(code in page for code in codes)
    acts = "SELECT string_agg(action, ' ' ORDER BY id) FROM audit_event WHERE starts_with(action, 'giftcodes.')"
    assert (await world.one(acts)).startswith(
        "giftcodes.make giftcodes.fetch giftcodes.fetch giftcodes.activate giftcodes.cancel giftcodes.find"
    )


async def test_what_a_coupon_goes_together_with_is_said_and_kept(sign_in: SignIn, world: World) -> None:
    client, page = await sign_in("operator"), "/console/items/coupon-1/stacking"
    assert (await client.get(page)).status_code == 404
    await world.connection.execute(
        "UPDATE item SET coupon_form = 'cash', coupon_purpose = 'care', coupon_benefit = 500 WHERE sku = 'coupon-1'"
    )
    form: dict[str, str | list[str]] = {
        "combines": "listed", "combines_with": ["care", "gift"], "most_per_bill": "2", "exclusive_group": "春节", "turn": "3",
        "threshold_of": "bill",
    }  # fmt: skip
    faulty: list[dict[str, str | list[str]]] = [
        {"combines_with": []}, {"turn": "10"}, {"most_per_bill": "0"}, {"combines": "perhaps"},
    ]  # fmt: skip
    for wrong in faulty:
        assert (await submit(client, page, page, **form | wrong)).status_code == 422, wrong
    assert await world.one("SELECT count(*) FROM coupon_rule") == 0
    assert (await submit(client, page, page, **form)).status_code == 303
    row = "SELECT concat_ws(' ', combines, combines_with, most_per_bill, exclusive_group, turn, threshold_of) FROM coupon_rule"
    assert await world.one(row) == 'listed ["care", "gift"] 2 春节 3 bill'
    assert "春节" in (await client.get(page)).text
    assert (await submit(await sign_in("service"), page, page, **form)).status_code == 403
    assert await world.one("SELECT count(*) FROM audit_event WHERE action = 'item.stacking'") == 1
