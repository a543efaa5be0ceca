"""A till whose network is cut: the camera reads a paper, the device judges by itself, keeps to its bounds, and tells all later."""

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
import pytest
import segno
from playwright.sync_api import Browser, BrowserType, Page, expect

from liyu.vouchers.serials import serial_of
from liyu.vouchers.tokens import Tokens
from tests.e2e.conftest import QUIET
from tests.e2e.installation import Installation
from tests.e2e.people import PARTNER_OWNER, PHONE, OpenVisitor, People, Visitor

pytestmark = pytest.mark.browser
WIDTH, HEIGHT, SCALE = 640, 480, 8

_VOUCHERS = """
    SELECT v.id, v.generation, v.item_id, v.expires_at FROM voucher v JOIN partner p ON p.id = v.partner_id
    WHERE p.code = 'LUCKIN' AND v.state = %s AND v.frozen_at IS NULL AND v.expires_at > now() + interval '2 days'
        AND NOT EXISTS (SELECT FROM item_store t WHERE t.item_id = v.item_id)
    ORDER BY v.id LIMIT %s"""


class Papers:
    """Vouchers of the demo as they stand on paper."""

    def __init__(self, installation: Installation) -> None:
        self.url = installation.environment["LIYU_DATABASE_URL"]
        secret = Path(installation.environment["LIYU_DATA_DIR"]) / "secret.key"
        self.tokens = Tokens(secret.read_text().strip())

    def find(self, state: str, number: int) -> list[Any]:
        """So many of LUCKIN's vouchers in a state."""
        with psycopg.connect(self.url) as connection:
            return connection.execute(_VOUCHERS, (state, number)).fetchall()

    def write(self, voucher: Any, last_day: date | None = None) -> str:
        """What the QR code on a voucher's paper says."""
        number, generation, item, expires_at = voucher
        return self.tokens.static_token(serial_of(number, generation), last_day or expires_at.date(), item)

    def code(self, voucher: Any) -> str:
        """The code to type."""
        return self.tokens.codes.code_of(serial_of(voucher[0], voucher[1]))


@pytest.fixture
def papers(installation: Installation) -> Papers:
    return Papers(installation)


@pytest.fixture
def camera(
    browser: Browser, browser_type_launch_args: dict[str, Any], papers: Papers, tmp_path: Path
) -> Iterator[Browser]:
    """A browser whose camera looks at the paper of LUCKIN's first usable voucher."""
    film = tmp_path / "camera.y4m"
    film.write_bytes(film_of(papers.write(papers.find("issued", 1)[0])))
    arguments = [
        *browser_type_launch_args["args"],
        *QUIET,
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={film}",
    ]
    launcher: BrowserType = browser.browser_type
    launched = launcher.launch(**{**browser_type_launch_args, "args": arguments})
    yield launched
    launched.close()


def film_of(text: str) -> bytes:
    """One frame of a QR code on white paper, as a camera that stands still sees it."""
    rows = segno.make_qr(text, error="m").matrix
    light = [bytearray(b"\xeb" * WIDTH) for _ in range(HEIGHT)]
    top, left = (HEIGHT - len(rows) * SCALE) // 2, (WIDTH - len(rows) * SCALE) // 2
    for y in range(len(rows) * SCALE):
        for x, dark in enumerate(rows[y // SCALE]):
            if dark:
                light[top + y][left + x * SCALE : left + (x + 1) * SCALE] = b"\x10" * SCALE
    colour = b"\x80" * (WIDTH * HEIGHT // 2)
    return b"YUV4MPEG2 W%d H%d F5:1 Ip A1:1 C420\nFRAME\n%b%b" % (WIDTH, HEIGHT, b"".join(light), colour)


def test_a_till_goes_on_without_a_network(
    camera: Browser, visit: OpenVisitor, people: People, papers: Papers, installation: Installation
) -> None:
    filmed, elsewhere, beyond = papers.find("issued", 3)
    (used,) = papers.find("used_up", 1)
    owner = people.state_of("partner", PARTNER_OWNER)
    context = camera.new_context(viewport=PHONE, locale="zh-CN", storage_state=owner, reduced_motion="reduce")
    till = Visitor(context.new_page(), installation.address, "zh_CN")
    bind(till)

    context.set_offline(True)
    # The camera reads the paper as soon as the page is there.
    till.page.goto(f"{installation.address}/partner/verify")
    till.press("Take it now")
    till.sees("Voucher taken")
    till.page.goto(f"{installation.address}/partner/verify")
    till.sees("Taken on this device")
    context.add_init_script("Object.defineProperty(navigator, 'mediaDevices', { value: undefined })")
    for paper, reason in (
        (papers.write(used), "No longer good"),
        (papers.write(elsewhere, date(2026, 1, 1)), "Past its last day"),
        (swap_last(papers.write(elsewhere)), "Not known to be genuine"),
    ):
        scan(till, paper)
        till.sees(reason)
    scan(till, papers.write(elsewhere))
    till.page.evaluate(FULL_DISK)
    till.press("Take it now")
    till.sees("Cannot be kept here")
    scan(till, papers.write(elsewhere))
    till.press("Take it now")
    till.sees("Voucher taken")
    scan(till, papers.write(beyond))
    till.sees("Enough taken offline")

    verify_elsewhere(visit(state=owner), papers.code(elsewhere))
    scan(till, "")
    context.set_offline(False)
    expect(till.page.locator("[data-till-uses] .pill:visible")).to_have_text(
        [till.say("Conflict"), till.say("Verified")]
    )
    till.open("/partner/offline-uses")
    till.sees("Already used")
    assert till.page.evaluate(LIBRARY, papers.write(beyond)) is True
    assert till.page.evaluate(ANOTHER_DEVICE) == {"before": 1, "after": 0, "list": "anew"}
    assert [trouble for trouble in till.trouble if "ERR_INTERNET_DISCONNECTED" not in trouble] == []
    context.close()
    with psycopg.connect(papers.url) as connection:
        states = "SELECT state FROM voucher WHERE id = ANY(%s) ORDER BY id"
        found = connection.execute(states, ([filmed[0], elsewhere[0], beyond[0]],)).fetchall()
    assert [state for (state,) in found] == ["used_up", "used_up", "issued"]


LIBRARY = """async (text) => {
    const folder = new URL(".", document.querySelector('script[src*="js/till/"]').src);
    const { readPaper, bytesOf } = await import(new URL("paper.js", folder));
    const { verifyAsync } = await import(new URL("../../vendor/noble-ed25519.js", folder));
    const { keys } = await (await fetch("/partner/till/contact")).json();
    const paper = readPaper(text);
    return verifyAsync(paper.signature, new TextEncoder().encode(paper.text.slice(0, 23)), bytesOf(keys[0]));
}"""
"""Browsers without Ed25519 of their own use a library, which agrees."""

FULL_DISK = """() => {
    const add = IDBObjectStore.prototype.add;
    IDBObjectStore.prototype.add = function (value) {
        const request = add.call(this, value);
        request.addEventListener("success", () => this.transaction.abort());
        return request;
    };
}"""
"""Where there is no room the request succeeds, and its transaction does not."""

ANOTHER_DEVICE = """async () => {
    const folder = new URL(".", document.querySelector('script[src*="js/till/"]').src);
    const { keepContact, look, take } = await import(new URL("shelf.js", folder));
    const { tryContact } = await import(new URL("contact.js", folder));
    const { contact } = await look();
    await keepContact({ ...contact, device: { ...contact.device, id: 0 }, gone: [1] });
    const use = { nonce: "n", state: "verified", at: Date.now(), lease: 0, value: 0, hash: 0 };
    await take(() => ({ use }));
    const before = (await look()).latest > 0 ? 1 : 0;
    await tryContact();
    const held = await look();
    return { before, after: held.latest, list: held.contact.gone.includes(1) ? "of the other" : "anew" };
}"""
"""The browser was bound to another device, whose list is in other hashes; and at each contact the device's clock counts anew."""


def bind(till: Visitor) -> None:
    """Add this browser as a device that may take two vouchers, and wait until it is ready."""
    till.open("/partner/devices")
    till.page.locator("#field-store").select_option(index=1)
    till.fill("Name", "Till 1")
    till.page.locator("#field-quota").fill("2")
    till.press("Add the device")
    till.press("This is the device")
    expect(till.page.locator("[data-till-left]:visible")).to_contain_text("2")
    till.page.wait_for_function("navigator.serviceWorker.controller !== null")


def scan(till: Visitor, paper: str) -> None:
    """What a hand scanner types into the page without a network."""
    page: Page = till.page
    page.goto(f"{till.address}/partner/verify")
    # What is left, or that nothing is.
    expect(page.locator("[data-till-left], [data-bar]").locator("visible=true")).to_contain_text(re.compile(r"\S"))
    if paper:
        page.locator("#field-code").fill(paper)
        page.locator("#field-code").press("Enter")


def verify_elsewhere(colleague: Visitor, code: str) -> None:
    """Somebody with a network verifies a voucher that the till has taken without one."""
    colleague.open("/partner/verify")
    store = colleague.page.locator("#field-store")
    if store.count():
        store.first.select_option(index=1)
    colleague.page.locator("#field-code").fill(code)
    colleague.press("Check the code")
    colleague.press("Verify now")
    colleague.sees("Accepted")


def swap_last(text: str) -> str:
    return text[:-1] + ("0" if text[-1] != "0" else "1")
