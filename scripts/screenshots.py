"""The pictures of the README, taken of a running demo: `python -m scripts.screenshots ADDRESS`.

Needs the development packages and the system's Chromium. Signs in as the demo's people, on this machine only; the statement of
the month before last is there as soon as the demo is. Pictures are cut to a palette of 256 colours.
"""

import argparse
import io
import os
import re
import shutil
from collections.abc import Callable

from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, sync_playwright

from scripts.steps import ROOT, say

FOLDER = ROOT / "docs" / "images"
PASSWORD = "liyu-demo"  # noqa: S105 - shown on the demo's sign-in page
MEMBER = "13800001001"
CASHIER = "luckin.cashier@example.com"
PARTNER_FINANCE = "atour.finance@example.com"
OPERATOR = "admin@example.com"
COFFEE, COFFEE_NAME = "LUCKIN-ANYCUP", "瑞幸标准杯"
PHONE = ViewportSize(width=390, height=844)
DESKTOP = ViewportSize(width=1440, height=900)
LARGEST = 150 * 1024
COLOURS = (256, 128, 64)
SHARPNESS = 2


def main() -> None:
    """Take all pictures and say how large each is."""
    parser = argparse.ArgumentParser(prog="scripts.screenshots", description="Take the pictures of the README.")
    parser.add_argument("address", help="where the demo runs, such as http://127.0.0.1:8000")
    parser.add_argument("--only", help="take only pictures whose names begin so")
    arguments = parser.parse_args()
    address: str = arguments.address.rstrip("/")
    FOLDER.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=browser_arguments())
        for name, take in SHOTS.items():
            if name.startswith(arguments.only or ""):
                path = FOLDER / f"{name}.png"
                path.write_bytes(shrink(take(browser, address)))
                say(f"  {path.relative_to(ROOT)}  {path.stat().st_size // 1024} KB")
        browser.close()


def find_chromium() -> str:
    """The system's browser. Raises SystemExit where there is none."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    raise SystemExit("Chromium is missing: `make dev` as root installs it.")


def browser_arguments() -> list[str]:
    """As root the browser has to do without its sandbox."""
    return ["--disable-dev-shm-usage", *(["--no-sandbox"] if os.geteuid() == 0 else [])]


def shrink(picture: bytes) -> bytes:
    """A PNG with a palette, with as many colours as the largest size allows. Raises ValueError when none does."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    for colours in COLOURS:
        small = io.BytesIO()
        reduced = image.quantize(colours, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        reduced.save(small, "PNG", optimize=True)
        if small.tell() <= LARGEST:
            return small.getvalue()
    raise ValueError(f"the picture is larger than {LARGEST // 1024} KB")


def open_phone(browser: Browser) -> BrowserContext:
    """A Chinese phone in daylight."""
    return browser.new_context(viewport=PHONE, device_scale_factor=SHARPNESS, locale="zh-CN", color_scheme="light")


def open_desktop(browser: Browser, language: str = "zh-CN") -> BrowserContext:
    """A desktop in daylight."""
    return browser.new_context(viewport=DESKTOP, locale=language, color_scheme="light")


def sign_member_in(context: BrowserContext, address: str) -> Page:
    """Sign in by phone code, which the development page shows."""
    page = context.new_page()
    page.goto(f"{address}/login")
    page.fill("[name=phone]", MEMBER)
    page.press("[name=phone]", "Enter")
    page.wait_for_selector("[name=code]")
    outbox = context.new_page()
    outbox.goto(f"{address}/dev/outbox")
    found = re.search(r"\b\d{6}\b", outbox.inner_text("main"))
    outbox.close()
    if found is None:
        raise SystemExit("The development page shows no code: is this a demo on this machine?")
    page.fill("[name=code]", found.group())
    page.press("[name=code]", "Enter")
    page.wait_for_url(lambda url: "/login" not in url)
    return page


def sign_staff_in(context: BrowserContext, address: str, area: str, email: str) -> Page:
    """Sign in to the portal or the console."""
    page = context.new_page()
    page.goto(f"{address}/{area}/login")
    page.fill("[name=email]", email)
    page.fill("[name=password]", PASSWORD)
    page.press("[name=password]", "Enter")
    page.wait_for_url(lambda url: "/login" not in url)
    return page


def picture_of(page: Page, address: str) -> bytes:
    """The visible part of a page, when its pictures are there."""
    page.goto(address)
    page.wait_for_load_state("load")
    page.wait_for_timeout(600)
    return page.screenshot()


def first_link(page: Page, address: str, pattern: str) -> str:
    """The address of the first link on a page whose path matches. Raises SystemExit where there is none."""
    page.goto(address)
    links: list[str] = page.eval_on_selector_all("a[href]", "links => links.map(link => link.href)")
    for link in links:
        if re.search(pattern, link):
            return link
    raise SystemExit(f"{address} has no link to {pattern}")


def take_mall_home(browser: Browser, address: str) -> bytes:
    """The mall's home of a member, on a phone."""
    with open_phone(browser) as context:
        return picture_of(sign_member_in(context, address), f"{address}/")


def open_coffee(page: Page, address: str) -> str:
    """The address of a voucher for a cup of coffee: one out of the wallet, or a new one."""
    page.goto(f"{address}/wallet")
    known = page.locator("a[href*='/vouchers/']", has_text=COFFEE_NAME).first
    if not known.count():
        page.goto(f"{address}/items/{COFFEE}/redeem")
        page.locator("form[action='/redemptions'] button[type=submit]").click()
        page.wait_for_url(re.compile(r"/redemptions/R\d+"))
        known = page.locator("a[href*='/vouchers/']").first
    return f"{address}{known.get_attribute('href')}"


def take_voucher(browser: Browser, address: str) -> bytes:
    """A voucher with its QR code, on a phone."""
    with open_phone(browser) as context:
        page = sign_member_in(context, address)
        return picture_of(page, open_coffee(page, address))


def take_till(browser: Browser, address: str) -> bytes:
    """The till of a cashier, on a phone: a voucher that was looked at and not yet verified."""
    with open_phone(browser) as context:
        page = sign_member_in(context, address)
        page.goto(open_coffee(page, address))
        code = re.search(r"\b[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}\b", page.inner_text("main"))
    if code is None:
        raise SystemExit("The voucher's page shows no code.")
    with open_phone(browser) as context:
        page = sign_staff_in(context, address, "partner", CASHIER)
        page.goto(f"{address}/partner/verify")
        page.fill("[name=code]", code.group())
        page.press("[name=code]", "Enter")
        page.wait_for_selector("[name=ticket]", state="attached")
        page.wait_for_timeout(600)
        return page.screenshot()


def take_console_today(browser: Browser, address: str) -> bytes:
    """The console's first page, in English, so that the pictures show both languages."""
    with open_desktop(browser, "en") as context:
        return picture_of(sign_staff_in(context, address, "console", OPERATOR), f"{address}/console")


def take_statement(browser: Browser, address: str) -> bytes:
    """A statement as its partner sees it."""
    with open_desktop(browser) as context:
        page = sign_staff_in(context, address, "partner", PARTNER_FINANCE)
        return picture_of(page, first_link(page, f"{address}/partner/statements", r"/partner/statements/[^/]+$"))


SHOTS: dict[str, Callable[[Browser, str], bytes]] = {
    "mall-home": take_mall_home,
    "voucher": take_voucher,
    "till": take_till,
    "console-today": take_console_today,
    "statement": take_statement,
}


if __name__ == "__main__":
    main()
