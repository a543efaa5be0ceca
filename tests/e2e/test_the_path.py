"""The whole path in a browser: points of a purchase, a limited right, its voucher at the till, the month settled."""

import re
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect

from tests.e2e.installation import Installation
from tests.e2e.people import (
    CASHIER,
    DESKTOP,
    FINANCE,
    MEMBER,
    OTHER_CASHIER,
    SECOND_FINANCE,
    OpenVisitor,
    Visitor,
)

pytestmark = pytest.mark.browser

RIGHT = "瑞幸标准杯饮品一杯"
RIGHT_SKU = "LUCKIN-ANYCUP"
RIGHT_POINTS = 180
DROP = "瑞幸周末双杯"
DROP_SKU = "LUCKIN-PAIR"
DROP_POINTS = 188
PAID_PARTNER = "亚朵酒店"
PAID_PARTNER_FINANCE = "atour.finance@example.com"
CODE = re.compile(r"^[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}$")


def test_a_member_redeems_a_right_a_cashier_verifies_it_and_the_month_is_settled(
    installation: Installation, visit: OpenVisitor, tmp_path: Path
) -> None:
    member = visit(locale="zh_CN")
    member.sign_in_by_phone(MEMBER)
    points = read_balance(member)
    member.reads("金卡会员")
    points = earn_by_purchase(installation, member, points)
    points = redeem_what_search_finds(member, points)
    code = keep_the_voucher(member, tmp_path)
    points = redeem_a_drop(member, points)

    cashier = visit(locale="zh_CN")
    cashier.sign_in_by_password("partner", CASHIER)
    foreigner = visit(locale="en")
    foreigner.sign_in_by_password("partner", OTHER_CASHIER)
    is_refused(foreigner, code, "Not one of yours", "This voucher is for another partner.")
    verify(cashier, code)
    is_refused(cashier, code, "Already used", None)
    member_sees_it_used(member)

    settle_last_month(visit)
    proof = installation.call("db", "prove")
    assert proof.returncode == 0, proof.stdout + proof.stderr


def read_balance(member: Visitor) -> int:
    member.open("/")
    return figure(member.page.locator(".wallet .balance").inner_text())


def figure(text: str) -> int:
    return int(re.sub(r"\D", "", text))


def earn_by_purchase(installation: Installation, member: Visitor, points: int) -> int:
    """The host pushes a purchase that can no longer be returned; 88 yuan give a gold member 105 points."""
    key = installation.call("apikey", "create", "--name", "e2e", "--scopes", "all")
    assert key.returncode == 0, key.stderr
    event = {
        "member": "17611",
        "type": "purchase",
        "reference": "E2E-1",
        "amount_minor": 88_00,
        "currency": "CNY",
        "occurred_at": (datetime.now(UTC) - timedelta(days=10)).isoformat(),
    }
    headers = {"authorization": f"Bearer {key.stdout.strip()}"}
    answers = [
        httpx.post(f"{installation.address}/api/v1/events", json=event, headers=headers, trust_env=False)
        for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [201, 200], answers[0].text
    earned: int = answers[0].json()["points"]
    assert earned == answers[1].json()["points"] == 105
    assert read_balance(member) == points + earned
    return points + earned


def redeem_what_search_finds(member: Visitor, points: int) -> int:
    for words in ("瑞幸", "latte"):
        member.open("/")
        member.page.get_by_role("combobox").fill(words)
        member.page.get_by_role("combobox").press("Enter")
        member.page.wait_for_url(re.compile(r"/items\?q="))
        expect(member.page.locator(f"a[href='/items/{RIGHT_SKU}']").first).to_be_visible()
    member.page.locator(f"a[href='/items/{RIGHT_SKU}']").first.click()
    return redeem_in_the_sheet(member, RIGHT, RIGHT_POINTS, points)


def redeem_in_the_sheet(member: Visitor, name: str, price: int, points: int) -> int:
    expect(member.page.get_by_role("heading", name=name)).to_be_visible()
    member.follow("Redeem")
    sheet = member.page.get_by_role("dialog")
    expect(sheet.get_by_text(f"{points:,}")).to_be_visible()
    expect(sheet.get_by_text(f"{points - price:,}")).to_be_visible()
    member.press("Redeem now", within=sheet)
    member.page.wait_for_url(re.compile(r"/redemptions/"))
    member.sees("It is yours")
    member.reads(name)
    return points - price


def keep_the_voucher(member: Visitor, folder: Path) -> str:
    """The voucher has a QR code, a code to type and a PDF with both names; the code is returned."""
    member.follow("Open the voucher")
    expect(member.page.get_by_role("img", name=member.say("Voucher QR code")).locator("svg")).to_be_visible()
    code = member.page.locator(".ticket .code").inner_text()
    assert CODE.match(code)
    with member.page.expect_download() as waiting:
        member.follow("Download PDF")
    printed = folder / "voucher.pdf"
    waiting.value.save_as(printed)
    assert printed.read_bytes().startswith(b"%PDF-")
    text = subprocess.run(["pdftotext", str(printed), "-"], capture_output=True, text=True, check=True).stdout
    assert code in text
    assert RIGHT in re.sub(r"\s", "", text)
    member.open("/wallet")
    expect(member.page.get_by_role("link", name=RIGHT).first).to_be_visible()
    return code


def redeem_a_drop(member: Visitor, points: int) -> int:
    """A limited drop that is open now: it counts down, and one unit less is left."""
    member.open("/drops")
    card = member.page.locator(f".drop[data-live='{DROP_SKU}']")
    before = figure(card.locator("[data-live-left]").inner_text())
    expect(card.locator("time")).to_have_text(re.compile(r"\d\d:\d\d:\d\d"))
    card.click()
    points = redeem_in_the_sheet(member, DROP, DROP_POINTS, points)
    member.open("/drops")
    expect(card.locator("[data-live-left]")).to_have_text(str(before - 1))
    member.open(f"/items/{DROP_SKU}")
    expect(member.page.get_by_role("link", name=member.say("Redeem"), exact=True)).to_be_hidden()
    return points


def verify(cashier: Visitor, code: str) -> None:
    """Typed without hyphens and capitals; the first step uses nothing."""
    cashier.open("/partner/verify")
    cashier.fill("Voucher code", code.replace("-", "").lower())
    cashier.press("Check the code")
    cashier.sees("Good to use")
    cashier.reads(RIGHT)
    cashier.press("Verify now")
    expect(cashier.page.locator(".till-result:not(.refused, .warned)")).to_contain_text(RIGHT)


def is_refused(cashier: Visitor, code: str, title: str, reason: str | None) -> None:
    cashier.open("/partner/verify")
    cashier.fill("Voucher code", code)
    cashier.press("Check the code")
    refusal = cashier.page.locator(".till-result.refused")
    expect(refusal).to_contain_text(cashier.say(title))
    if reason:
        expect(refusal).to_contain_text(cashier.say(reason))
    cashier.sees("Nothing was used.")


def member_sees_it_used(member: Visitor) -> None:
    member.open("/wallet?group=used")
    member.page.get_by_role("link", name=RIGHT).first.click()
    member.sees("This voucher has been used.")
    expect(member.page.get_by_role("img", name=member.say("Voucher QR code"))).to_be_hidden()


def settle_last_month(visit: OpenVisitor) -> None:
    """Four eyes twice: one prepares statement and payout, another approves and pays; the partner agrees in between."""
    first, second = visit(locale="zh_CN", size=DESKTOP), visit(locale="en", size=DESKTOP)
    first.sign_in_by_password("console", FINANCE)
    second.sign_in_by_password("console", SECOND_FINANCE)
    partner = visit(locale="zh_CN", size=DESKTOP)
    partner.sign_in_by_password("partner", PAID_PARTNER_FINANCE)

    first.open("/console/settlements")
    first.press("Prepare the statements")
    statement = first.page.get_by_role("row").filter(has_text=PAID_PARTNER).get_by_role("link").first
    number = statement.inner_text()
    statement.click()
    first.press("Send to the partner")
    first.sees("You prepared this statement, so somebody else has to approve it.")
    expect(first.page.get_by_role("button", name=first.say("Approve"), exact=True)).to_be_hidden()

    partner.open("/partner/statements")
    partner.page.get_by_role("row").filter(has_text=number).get_by_role("link").click()
    partner.press("Recompute")
    partner.sees("Recomputed from the entries and the ledger: every line, every total and the check value agree.")
    agree(partner, "Confirm")
    partner.sees("Confirmed. The program’s finance team approves and pays it next.")

    second.open(f"/console/settlements/{number}")
    agree(second, "Approve")
    second.stands("Approved")
    first.open(f"/console/settlements/{number}")
    first.page.get_by_role("button", name=re.compile(first.say("Propose to pay %(amount)s", amount=".*"))).click()
    first.sees("You prepared this payout, so somebody else has to approve it.")
    second.open(f"/console/settlements/{number}")
    second.fill("Bank reference", f"BANK-{number}")
    agree(second, "Approve and book as paid")
    second.stands("Paid")
    second.reads(f"Paid, bank reference BANK-{number}")

    partner.open(f"/partner/statements/{number}")
    partner.sees("Paid on")
    first.open("/console/books")
    first.press("Prove now")
    first.sees("The books balance.")
    first.sees("Balanced")


def agree(visitor: Visitor, label: str) -> None:
    """Press a button that asks first, and say yes."""
    visitor.press(label)
    visitor.press("Confirm", within=visitor.page.get_by_role("dialog"))
