"""The same path with JavaScript switched off: every step is a link or a form, and every answer a whole page."""

import re
import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.e2e.installation import Installation
from tests.e2e.people import DESKTOP, FINANCE, OTHER_MEMBER, SECOND_FINANCE, OpenVisitor, Visitor

pytestmark = pytest.mark.browser

RIGHT = "Haidilao 100 CNY voucher"
RIGHT_SKU = "HAIDILAO-CASH-100"
CASHIER = "haidilao.cashier@example.com"
PARTNER_FINANCE = "haidilao.finance@example.com"
PARTNER = "Haidilao"


@pytest.fixture
def plain(visit: OpenVisitor) -> OpenVisitor:
    """Opens browsers that run no script."""
    return lambda **wishes: visit(javascript=False, locale="en", **wishes)


def test_the_path_works_without_javascript(installation: Installation, plain: OpenVisitor, tmp_path: Path) -> None:
    member = plain()
    member.sign_in_by_phone(OTHER_MEMBER)
    member.page.get_by_role("link", name="English", exact=True).click()
    redeem(member)
    code = keep_the_voucher(member, tmp_path)
    verify(plain(), code)
    member.open("/wallet?group=used")
    member.page.get_by_role("link", name=RIGHT).first.click()
    member.sees("This voucher has been used.")
    settle(plain)
    assert installation.call("db", "prove").returncode == 0


def redeem(member: Visitor) -> None:
    """Through the list and the item; two units are worked out by the server."""
    member.open("/items")
    member.page.get_by_role("searchbox").fill("haidilao")
    member.page.get_by_role("searchbox").press("Enter")
    member.page.locator(f"a[href='/items/{RIGHT_SKU}']").click()
    member.follow("Redeem")
    expect(member.page).to_have_url(re.compile(rf"/items/{RIGHT_SKU}/redeem$"))
    member.fill("Quantity", "2")
    member.press("Work out anew")
    member.reads("1,960")
    member.press("Redeem now")
    expect(member.page).to_have_url(re.compile(r"/redemptions/"))
    member.sees("It is yours")


def keep_the_voucher(member: Visitor, folder: Path) -> str:
    member.follow("To the wallet")
    member.page.get_by_role("link", name=RIGHT).first.click()
    code = member.page.locator(".ticket .code").inner_text()
    with member.page.expect_download() as waiting:
        member.follow("Download PDF")
    printed = folder / "voucher.pdf"
    waiting.value.save_as(printed)
    text = subprocess.run(["pdftotext", str(printed), "-"], capture_output=True, text=True, check=True).stdout
    assert code in text
    assert RIGHT in " ".join(text.split())
    member.follow("Renew the code")
    expect(member.page.get_by_role("img", name="Voucher QR code").locator("svg")).to_be_visible()
    return code


def verify(cashier: Visitor, code: str) -> None:
    cashier.sign_in_by_password("partner", CASHIER)
    cashier.open("/partner/verify")
    cashier.fill("Voucher code", code)
    cashier.press("Check the code")
    cashier.sees("Good to use")
    cashier.press("Verify now")
    accepted = cashier.page.locator(".till-result:not(.refused, .warned)")
    expect(accepted).to_contain_text(RIGHT)
    cashier.page.reload()
    expect(accepted).to_contain_text(RIGHT)


def settle(plain: OpenVisitor) -> None:
    """This partner owes commissions: two people of finance and the partner close its statement, and nothing is paid."""
    first, second, partner = plain(size=DESKTOP), plain(size=DESKTOP), plain(size=DESKTOP)
    first.sign_in_by_password("console", FINANCE)
    first.open("/console/settlements")
    first.page.get_by_role("button", name=re.compile("Prepare (the statements|again)")).click()
    statement = first.page.get_by_role("row").filter(has_text=PARTNER).get_by_role("link").first
    number = statement.inner_text()
    statement.click()
    first.press("Send to the partner")
    first.sees("You prepared this statement, so somebody else has to approve it.")

    partner.sign_in_by_password("partner", PARTNER_FINANCE)
    partner.open(f"/partner/statements/{number}")
    partner.press("Recompute")
    partner.sees("Recomputed from the entries and the ledger: every line, every total and the check value agree.")
    partner.press("Confirm")
    partner.sees("Confirmed. The program’s finance team approves it next; there is nothing to pay.")

    second.sign_in_by_password("console", SECOND_FINANCE)
    second.open(f"/console/settlements/{number}")
    second.press("Approve")
    second.press("Close and carry over")
    second.stands("Closed")
