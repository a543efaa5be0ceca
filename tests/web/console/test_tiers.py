"""Tiers in the console: changed only as previewed, set by hand with a reason; cards blocked and issued."""

import re
from html import unescape
from typing import Any

import httpx

from tests.web.console.acts import submit, texts_of
from tests.web.console.conftest import SignIn
from tests.world import World

EDIT = "/console/tiers/edit"
MEMBER = "/console/members/m-1/tier"


def values_in(answer: httpx.Response) -> dict[str, str]:
    """What the form of a page would send as it stands."""
    form = answer.text[answer.text.index('action="/console/tiers/edit"') :]
    fields = dict(re.findall(r'<input[^>]*?name="([^"]+)"[^>]*?value="([^"]*)"', form))
    chosen = re.findall(r'<select[^>]*?name="([^"]+)"(.*?)</select>', form, re.DOTALL)
    fields |= {
        name: found[0] for name, options in chosen if (found := re.findall(r'value="([^"]*)"\s+selected', options))
    }
    return {name: unescape(value) for name, value in fields.items()}


async def audit(world: World, action: str) -> Any:
    return await world.one("SELECT count(*) FROM audit_event WHERE action = %s", action)


async def test_tiers_change_only_as_they_were_previewed(sign_in: SignIn, world: World) -> None:
    await world.post(world.purchase("m-2", 85_000))
    client = await sign_in("operator")
    fields = values_in(await client.get(EDIT)) | {
        "silver-threshold": "800",
        "grace_days": "10",
        "gold-right-0-zh": "贵宾室",
    }
    preview = await client.post(EDIT, data=fields)
    assert preview.status_code == 200
    assert "Put in force" in preview.text
    assert "Member 1 1 0 0" in texts_of(preview)
    assert await world.one("SELECT threshold FROM tier WHERE code = 'silver'") == 1_000
    confirmed = values_in(preview)
    other = await client.post(EDIT, data=confirmed | {"silver-threshold": "700"})
    assert other.status_code == 200  # another change is another preview
    assert await world.one("SELECT threshold FROM tier WHERE code = 'silver'") == 1_000
    assert (await client.post(EDIT, data=confirmed)).status_code == 303
    assert await world.one("SELECT threshold FROM tier WHERE code = 'silver'") == 800
    assert await world.one("SELECT rights -> 0 ->> 'title_zh' FROM tier WHERE code = 'gold'") == "贵宾室"
    assert await world.one("SELECT tier_grace_days FROM program") == 10
    assert (
        await world.one("SELECT t.code FROM member m JOIN tier t ON t.id = m.tier_id WHERE external_id = 'm-2'")
        == "silver"
    )
    assert await audit(world, "tiers.edit") == 1
    again = await client.post(EDIT, data=confirmed)
    assert again.status_code in (200, 409)  # what was confirmed is there already
    assert await audit(world, "tiers.edit") == 1


async def test_faulty_tiers_name_every_fault_and_change_nothing(sign_in: SignIn, world: World) -> None:
    client = await sign_in("operator")
    fields = values_in(await client.get(EDIT))
    wrong = {"silver-threshold": "9000", "gold-validity_months": "99", "gold-multiplier": "0.5", "new-name_zh": "钻石"}
    missing_code = await client.post(EDIT, data=fields | wrong)
    assert missing_code.status_code == 422
    assert 'href="#field-new-code"' in missing_code.text
    new = {"new-code": "gold", "new-name_en": "Diamond", "new-threshold": "50000"}
    refused = await client.post(EDIT, data=fields | wrong | new)
    assert refused.status_code == 422
    for field in ("gold-threshold", "gold-validity_months", "gold-multiplier", "new-code"):
        assert f'href="#field-{field}"' in refused.text, field
    assert await world.one("SELECT count(*) FROM tier") == 4
    assert await audit(world, "tiers.edit") == 0
    service = await sign_in("service")
    assert (await service.post(EDIT, data=fields)).status_code == 403


async def test_a_tier_is_set_by_hand_with_a_reason_that_the_history_keeps(sign_in: SignIn, world: World) -> None:
    client = await sign_in("operator")
    for until, why in (("2020-01-01", "Sorry"), ("2027-03-31", "")):
        answer = await submit(client, MEMBER, MEMBER, tier="gold", until=until, why=why)
        assert answer.status_code == 422, (until, why)
    assert await world.one("SELECT count(*) FROM tier_change WHERE reason = 'set_by_hand'") == 0
    answer = await submit(client, MEMBER, MEMBER, tier="gold", until="2027-03-31", why="Complaint 17")
    assert answer.status_code == 303
    page = texts_of(await client.get(MEMBER))
    assert "Platinum → Gold" in page
    assert "Complaint 17" in page
    assert "Valid through 31 Mar 2027." in page
    assert await audit(world, "member.tier") == 1
    service = await sign_in("service")
    assert (await submit(service, MEMBER, MEMBER, tier="gold", until="2027-03-31", why="x")).status_code == 403


async def test_a_lost_card_is_blocked_and_another_one_issued(sign_in: SignIn, world: World) -> None:
    client, base = await sign_in("service"), "/console/members/m-1/card"
    old = await world.one("SELECT card_number FROM member WHERE external_id = 'm-1'")
    assert (await submit(client, MEMBER, f"{base}/new")).status_code == 409
    assert (await submit(client, MEMBER, f"{base}/loss", reason="")).status_code == 422
    assert (await submit(client, MEMBER, f"{base}/loss", reason="Phoned in")).status_code == 303
    assert await world.one("SELECT card_number FROM member WHERE external_id = 'm-1'") is None
    assert (await submit(client, MEMBER, f"{base}/loss", reason="Again")).status_code == 409
    assert "Card blocked" in (await client.get("/console/members/m-1")).text
    assert (await submit(client, MEMBER, f"{base}/new")).status_code == 303
    new = await world.one("SELECT card_number FROM member WHERE external_id = 'm-1'")
    page = texts_of(await client.get(MEMBER))
    assert f"Card {old} blocked" in page
    assert f"Card {new} issued" in page
    assert [await audit(world, "member.card_loss"), await audit(world, "member.card_issue")] == [1, 1]


async def test_the_pre_registered_are_activated_and_those_about_to_move_are_listed(
    sign_in: SignIn, world: World
) -> None:
    await world.connection.execute(
        "UPDATE member SET state = 'pre_registered', activated_at = NULL WHERE external_id = 'm-2'"
    )
    await world.post(world.purchase("m-2", 250_000))
    assert await world.one("SELECT tier_until FROM member WHERE external_id = 'm-2'") is None
    client, page = await sign_in("operator"), "/console/members/m-2"
    assert "Activate" in (await client.get(page)).text
    assert (await submit(client, page, f"{page}/state", wanted="active", reason="Came to the store")).status_code == 303
    assert str(await world.one("SELECT tier_until FROM member WHERE external_id = 'm-2'")) == "2028-11-30"
    assert "m-2" in (await client.get("/console/tiers/rising")).text
    await world.connection.execute("UPDATE member SET tier_until = '2026-12-31' WHERE external_id = 'm-2'")
    assert "m-2" in (await client.get("/console/tiers/falling?tier=silver")).text
    assert "m-2" not in (await client.get("/console/tiers/falling?tier=gold")).text
