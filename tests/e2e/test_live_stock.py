"""What one member takes, another sees gone: without loading the page again, and the same figure at the end."""

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.people import OTHER_MEMBER, OpenVisitor, People, Visitor

pytestmark = pytest.mark.browser


def test_the_stock_on_a_page_moves_when_somebody_else_redeems(visit: OpenVisitor, people: People) -> None:
    member = visit(locale="zh_CN", state=people.state_of("member", OTHER_MEMBER))
    guest = visit(locale="en")
    guest.open("/drops")
    sku = open_a_drop_to_have(member, guest)
    bar = guest.page.locator(f".drop[data-live='{sku}']")
    before = left_of(guest, sku)
    taken = float(bar.locator("progress").get_attribute("value") or "nan")
    guest.page.evaluate("window.theSamePage = true")

    redeem_one(member)

    expect(bar.locator("[data-live-left]")).to_have_text(f"{before - 1:,}")
    assert bar.locator("progress").evaluate("bar => bar.value") == taken + 1
    assert guest.page.evaluate("window.theSamePage") is True
    guest.page.reload()
    assert left_of(guest, sku) == before - 1


def open_a_drop_to_have(member: Visitor, guest: Visitor) -> str:
    """The member opens the page of the first live drop that they can still have; its stock-keeping number."""
    for drop in guest.page.locator(".drop[data-live]").all():
        sku = drop.get_attribute("data-live") or ""
        member.open(f"/items/{sku}")
        if member.page.get_by_role("link", name=member.say("Redeem"), exact=True).count():
            return sku
    pytest.fail("the demo has no live drop that this member can have")


def left_of(visitor: Visitor, sku: str) -> int:
    return int(visitor.page.locator(f".drop[data-live='{sku}'] [data-live-left]").inner_text().replace(",", ""))


def redeem_one(member: Visitor) -> None:
    member.follow("Redeem")
    member.press("Redeem now", within=member.page.get_by_role("dialog"))
    member.page.wait_for_url(re.compile(r"/redemptions/"))
