"""What one member takes, another sees gone: without loading the page again, and the same figure at the end."""

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.people import OTHER_MEMBER, OpenVisitor, People, Visitor

pytestmark = pytest.mark.browser

SKU = "WANDA-IMAX-PAIR"


def test_the_stock_on_a_page_moves_when_somebody_else_redeems(visit: OpenVisitor, people: People) -> None:
    guest = visit(locale="en")
    guest.open("/drops")
    bar = guest.page.locator(f".drop[data-live='{SKU}']")
    before = left_of(guest)
    taken = float(bar.locator("progress").get_attribute("value") or "nan")
    guest.page.evaluate("window.theSamePage = true")

    redeem_one(visit(locale="zh_CN", state=people.state_of("member", OTHER_MEMBER)))

    expect(bar.locator("[data-live-left]")).to_have_text(str(before - 1))
    assert bar.locator("progress").evaluate("bar => bar.value") == taken + 1
    assert guest.page.evaluate("window.theSamePage") is True
    guest.page.reload()
    assert left_of(guest) == before - 1


def left_of(visitor: Visitor) -> int:
    return int(visitor.page.locator(f".drop[data-live='{SKU}'] [data-live-left]").inner_text())


def redeem_one(member: Visitor) -> None:
    member.open(f"/items/{SKU}")
    member.follow("Redeem")
    member.press("Redeem now", within=member.page.get_by_role("dialog"))
    member.page.wait_for_url(re.compile(r"/redemptions/"))
