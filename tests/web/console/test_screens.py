"""Every screen for every role: what a role may not see is refused, what does not exist is not found."""

import re
from html import unescape

import pytest

from tests.web.console.conftest import SignIn
from tests.world import World

OPEN_TO_ALL = [
    "/console", "/console/items", "/console/items?kind=goods&scene=dining&only=sold_out&q=t%25", "/console/items/tea",
    "/console/pools", "/console/pools/codes-1", "/console/evaluation", "/console/evaluation?only=candidates",
    "/console/evaluation/items/tea", "/console/evaluation/mix", "/console/candidates",
    "/console/redemptions", "/console/redemptions?state=confirmed&day=2026-11-22&q=nobody", "/console/members",
    "/console/members?q=138&state=active", "/console/members/m-1", "/console/partners", "/console/partners/P1",
    "/console/members/m-1/expiry", "/console/members/m-1/tier", "/console/tiers", "/console/tiers/rising?tier=silver",
    "/console/tiers/falling?after=50",
]  # fmt: skip
NARROW = {
    "/console/candidates/new": {"admin", "operator"},
    "/console/items/new": {"admin", "operator"},
    "/console/items/import": {"admin", "operator"},
    "/console/items/tea/edit": {"admin", "operator"},
    "/console/tiers/edit": {"admin", "operator"},
    "/console/settlements": {"admin", "finance"},
    "/console/settlements?period=2026-10&state=sent": {"admin", "finance"},
    "/console/books": {"admin", "operator", "finance"},
    "/console/books/points_issued?month=2026-11": {"admin", "operator", "finance"},
    "/console/audit": {"admin", "finance"},
    "/console/points": {"admin", "operator", "finance"},
    "/console/points/expiry": {"admin", "operator", "finance"},
    "/console/points/expiry/change?kind=extend&from_day=2027-12-31&member=m-1": {"admin", "operator"},
    "/console/points/expiry/change?kind=reinstate&from_day=never": {"admin", "operator"},
}
MISSING = [
    "/console/items/none", "/console/pools/none", "/console/evaluation/items/none",
    "/console/candidates/9", "/console/pools/tea", "/console/pools/codes-1?import=99",
    "/console/redemptions/R1", "/console/members/none", "/console/partners/NONE",
    "/console/members/none/expiry", "/console/members/none/tier",
    "/console/settlements/S1", "/console/settlements/S1/entries", "/console/settlements/S1/entries.csv",
    "/console/books/member_points",
]  # fmt: skip


@pytest.mark.parametrize("role", ["admin", "operator", "finance", "service"])
async def test_each_role_sees_its_screens_and_no_others(sign_in: SignIn, world: World, role: str) -> None:
    client = await sign_in(role)
    number = (await world.redeem("m-1", "coupon-1")).number
    for path in [*OPEN_TO_ALL, f"/console/redemptions/{number}"]:
        assert (await client.get(path)).status_code == 200, path
    for path, roles in NARROW.items():
        assert (await client.get(path)).status_code == (200 if role in roles else 403), path


async def test_no_page_links_to_one_that_its_reader_may_not_see_or_that_is_not_there(sign_in: SignIn) -> None:
    await (await sign_in("admin")).get("/console/shipping/to-send.xlsx")
    for role, pages in {"service": ["/console"], "finance": ["/console", "/console/audit"]}.items():
        client = await sign_in(role)
        for page in pages:
            links = {unescape(one) for one in re.findall(r'href="(/console[^"#]*)', (await client.get(page)).text)}
            assert len(links) > 10
            for link in sorted(links):
                assert (await client.get(link)).status_code == 200, (role, page, link)


async def test_what_does_not_exist_is_not_found(sign_in: SignIn) -> None:
    client = await sign_in("admin")
    for path in MISSING:
        assert (await client.get(path)).status_code == 404, path


async def test_cursors_and_filters_that_make_no_sense_show_the_beginning(sign_in: SignIn) -> None:
    client = await sign_in("admin")
    for path in ("/console/items?after=x&kind=y", "/console/members?after=-1", "/console/settlements?period=2026-13",
                 "/console/audit?day=never&after=1e9", "/console/redemptions?q=%00"):  # fmt: skip
        assert (await client.get(path)).status_code == 200, path
