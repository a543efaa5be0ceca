"""What a first visit with a phone feels like: the largest paint, what moves under the reader, and what comes over the wire.

`python -m bench.paint [ADDRESS]` measures a running installation, or one of its own with the demo program (`make paint`). The phone
is Chromium with a fourth of this machine's speed and a slow 4G network (1.6 Mbit/s, 150 ms); every visit is the first one.
"""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

from bench.installation import Installation, serve
from liyu.core.embedded import ensure_database

PAGES = {"home": "/", "list": "/items", "item": "/items/{sku}"}
VISITS = 5
GOAL_MILLISECONDS = 1_000
SLOWER = 4
NETWORK = {
    "offline": False,
    "latency": 150,
    "downloadThroughput": 1.6e6 / 8,
    "uploadThroughput": 0.75e6 / 8,
}
PHONE: Any = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 3, "is_mobile": True, "has_touch": True}
SETTLED_MILLISECONDS = 500

_WATCH = """
  window.seen = {paint: 0, shift: 0};
  new PerformanceObserver((list) => { for (const one of list.getEntries()) seen.paint = one.startTime; })
    .observe({type: "largest-contentful-paint", buffered: true});
  new PerformanceObserver((list) => { for (const one of list.getEntries()) if (!one.hadRecentInput) seen.shift += one.value; })
    .observe({type: "layout-shift", buffered: true});
"""
_FIRST_ITEM = "document.querySelector('main a[href^=\"/items/\"]').getAttribute('href')"


class Paint(msgspec.Struct):
    """One page: the median of its first visits. Times in milliseconds; bytes over the wire without pictures."""

    page: str
    largest: float
    worst: float
    shift: float
    bytes: int


def measure(address: str, visits: int = VISITS) -> list[Paint]:
    """Visit home, list and item so many times each, in turns."""
    with _chromium() as browser:
        sku = _find_item(browser, address)
        found: dict[str, list[tuple[float, float, int]]] = {name: [] for name in PAGES}
        for _ in range(visits):
            for name, path in PAGES.items():
                found[name].append(_visit(browser, address + path.format(sku=sku)))
    return [_sum_up(name, each) for name, each in found.items()]


def _sum_up(name: str, visits: list[tuple[float, float, int]]) -> Paint:
    times, shifts, sizes = zip(*visits, strict=True)
    return Paint(name, median(times), max(times), max(shifts), max(sizes))


def _visit(browser: Browser, address: str) -> tuple[float, float, int]:
    context = browser.new_context(**PHONE)
    try:
        page = context.new_page()
        page.add_init_script(_WATCH)
        wire = _Wire(_slow_down(page))
        page.goto(address, wait_until="load")
        page.wait_for_timeout(SETTLED_MILLISECONDS)
        seen = page.evaluate("window.seen")
        return seen["paint"], seen["shift"], wire.total
    finally:
        context.close()


def _slow_down(page: Page) -> CDPSession:
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.emulateNetworkConditions", NETWORK)
    session.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    return session


class _Wire:
    """Counts what comes, pictures left out."""

    def __init__(self, session: CDPSession) -> None:
        self.total = 0
        self._pictures: set[str] = set()
        session.on("Network.responseReceived", self._note_kind)
        session.on("Network.loadingFinished", self._add)

    def _note_kind(self, event: dict[str, Any]) -> None:
        if event["type"] == "Image":
            self._pictures.add(event["requestId"])

    def _add(self, event: dict[str, Any]) -> None:
        if event["requestId"] not in self._pictures:
            self.total += int(event["encodedDataLength"])


def _find_item(browser: Browser, address: str) -> str:
    page = browser.new_page()
    page.goto(f"{address}/items")
    href: str = page.evaluate(_FIRST_ITEM)
    page.close()
    return href.removeprefix("/items/")


@contextmanager
def _chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        try:
            yield browser
        finally:
            browser.close()


def main() -> None:
    """Measure and print."""
    with _address(sys.argv[1:]) as address:
        for one in measure(address):
            sys.stdout.write(
                f"{one.page}: largest paint {one.largest:.0f} ms (worst of {VISITS}: {one.worst:.0f}; goal {GOAL_MILLISECONDS}), "
                f"layout shift {one.shift:.3f}, {one.bytes / 1000:.1f} kB without pictures\n"
            )


@contextmanager
def _address(given: list[str]) -> Iterator[str]:
    if given:
        yield given[0]
        return
    with tempfile.TemporaryDirectory(prefix="liyu-paint-") as name:
        installation = Installation(ensure_database(Path(name)), Path(name), members=0, items=0)
        installation.run("demo")
        with serve(installation, workers=1) as port:
            yield f"http://127.0.0.1:{port}"


if __name__ == "__main__":
    main()
