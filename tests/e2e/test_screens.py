"""Every screen that people can walk to: nothing breaks or overflows in either language, size and theme, and axe is content."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import pytest
from litestar.routes import HTTPRoute
from playwright.sync_api import Page, StorageState

from liyu.core.access.models import MEMBER as MEMBER_AUDIENCE
from liyu.core.clock import local_date
from liyu.members.points.lots import add_months
from liyu.web.app import make_site
from liyu.web.visit import audience_of
from scripts.steps import ROOT
from tests.e2e.people import (
    DESKTOP,
    MEMBER,
    OPERATOR,
    PARTNER_OWNER,
    PHONE,
    OpenVisitor,
    People,
    Theme,
    Visitor,
)
from tests.proofs import at_size

pytestmark = pytest.mark.browser

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
CHECKS: dict[Theme, dict[str, Any]] = {
    "light": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]},
    "dark": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]},
}
"""What axe looks for: everything, then what a theme changes."""
LOCALES = ["zh_CN", "en"]
HOMES = {"guest": "/", "member": "/", "partner": "/partner", "console": "/console"}
LOGINS = {"member": MEMBER, "partner": PARTNER_OWNER, "console": OPERATOR}
# Neither pages nor ours: downloads, switches that lead back, the other audiences.
NOT_PAGES = re.compile(r"\.(csv|xlsx|json|pdf|svg)$|/pdf$|^/(language|static|covers|api|dev)/|^/metrics$")
LEAKS = {
    "en": re.compile(r"%\(|%s\b|undefined|\bNaN\b|\{\{|\[object |&amp;|&lt;"),
    "zh_CN": re.compile(r"%\(|%s\b|undefined|\bNaN\b|\{\{|\[object |&amp;|&lt;|\bNone\b"),
}
"""What a person should never read; “None” is a word in English."""
THEMES: dict[str, Theme] = {"zh_CN": "light", "en": "dark"}
MOST_PAGES = {"zh_CN": at_size(36, 90), "en": at_size(12, 90)}
EVERY = at_size(3, 1)
"""Of the second language and the second theme, every run looks at a third of the screens, `make prove` at all."""
PROGRAM_ZONE = ZoneInfo("Asia/Shanghai")

SEEN = """() => {
  const width = document.documentElement.clientWidth;
  const isWide = (element) => element.getBoundingClientRect().right > width + 1;
  const wide = document.documentElement.scrollWidth > width ? [...document.body.querySelectorAll("*")].filter(isWide) : [];
  return {
    wide: wide.slice(-3).map((element) => `${element.tagName.toLowerCase()}.${element.className}`),
    headings: document.querySelectorAll("h1").length,
    text: document.body.innerText,
    links: [...document.querySelectorAll("a[href]")].map((link) => link.getAttribute("href")),
  };
}"""
RUN_AXE = """async (rules) => {
  // A change of theme is a transition, however short, and each element that inherits starts after its parent.
  while (document.getAnimations().some((one) => one instanceof CSSTransition)) await new Promise(requestAnimationFrame);
  return axe.run(document, {runOnly: rules, resultTypes: ["violations"], preload: false});
}"""
LINKS = "links => links.map(link => link.getAttribute('href'))"


@dataclass(frozen=True)
class Walk:
    """What a walk through an audience's pages found: the paths that it saw, and what was wrong with them."""

    seen: dict[str, str]
    faults: list[str]


@pytest.mark.proof
@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("audience", HOMES)
def test_every_page_that_can_be_walked_to_is_whole(
    audience: str, locale: str, visit: OpenVisitor, people: People
) -> None:
    visitor = visit(locale=locale, theme=THEMES[locale], state=signed_in(people, audience, locale))
    walk = walk_pages(visitor, audience, MOST_PAGES[locale])
    assert not walk.faults, "\n".join(walk.faults)
    least = {"guest": 5, "member": 14, "partner": 10, "console": 14}[audience]
    assert len(walk.seen) >= min(least, MOST_PAGES[locale]), walk.seen


def walk_pages(visitor: Visitor, audience: str, most: int) -> Walk:
    """From the home page along all links; of pages that differ in their subject only, one is enough."""
    walk, waiting = Walk({}, []), [HOMES[audience]]
    while waiting and len(walk.seen) < most:
        path = waiting.pop(0)
        if kind_of(path) not in walk.seen:
            walk.seen[kind_of(path)] = path
            links = look_at(visitor, path, walk.faults)
            waiting.extend(link for link in links if belongs_to(link, audience))
    return walk


def look_at(visitor: Visitor, path: str, faults: list[str]) -> list[str]:
    """What is wrong with a page on a phone and on a desktop, and where it leads; English, the longer, on the phone alone."""
    answer = visitor.open(path)
    if answer.status != 200:
        faults.append(f"{path} answered {answer.status}")
    first = see(visitor, path, faults)
    if visitor.locale == "zh_CN":
        visitor.page.set_viewport_size(DESKTOP if visitor.page.viewport_size == PHONE else PHONE)
        see(visitor, path, faults)
    faults += visitor.trouble
    visitor.trouble.clear()
    links: list[str] = first["links"]
    return links


def see(visitor: Visitor, path: str, faults: list[str]) -> dict[str, Any]:
    seen: dict[str, Any] = visitor.page.evaluate(SEEN)
    if seen["wide"]:
        faults.append(f"{path} is wider than {visitor.page.viewport_size}: {seen['wide']}")
    if found := LEAKS[visitor.locale].search(seen["text"]):
        faults.append(f"{path} shows “{found.group()}”")
    if seen["headings"] != 1:
        faults.append(f"{path} has {seen['headings']} main headings")
    return seen


def kind_of(path: str) -> str:
    """Pages of one kind have one name: numbers and codes count as one, and so does whatever filters a list."""
    parts = urlsplit(path)
    segments = ["*" if re.search(r"[\dA-Z_]", segment) else segment for segment in parts.path.split("/")]
    return "/".join(segments) + ("?" if parts.query else "")


def belongs_to(link: str, audience: str) -> bool:
    """Whether a link leads to another page of the same audience."""
    path = urlsplit(link).path
    if not link.startswith("/") or NOT_PAGES.search(path):
        return False
    others = ("/partner", "/console")
    if audience in {"guest", "member"}:
        return not path.startswith(others) and not (audience == "guest" and path.startswith("/login"))
    return path.startswith(f"/{audience}")


def signed_in(people: People, audience: str, locale: str) -> StorageState:
    """The cookies of the audience's person with a language of their choice."""
    state = people.state_of(audience, LOGINS[audience]) if audience in LOGINS else StorageState(cookies=[], origins=[])
    language: Any = {
        "name": "liyu_locale", "value": locale, "domain": "127.0.0.1", "path": "/",
        "expires": -1, "httpOnly": True, "secure": False, "sameSite": "Lax",
    }  # fmt: skip
    kept = [cookie for cookie in state.get("cookies", []) if cookie.get("name") != "liyu_locale"]
    return StorageState(cookies=[*kept, language], origins=[])


UNUSUAL = {
    # Parts of pages and what is no page: streams, suggestions, what a phone installs.
    "/account/addresses/divisions", "/live/stock", "/suggest", "/wallet/code/qr", "/manifest.webmanifest", "/service-worker.js",
}  # fmt: skip
"""Addresses of the mall without a subject that are no pages."""
MAIN_SCREENS = {
    "member": [
        "/items/LUCKIN-ANYCUP", "/items/LUCKIN-ANYCUP/redeem", "voucher", "order", "/collections/weekend",
        "/items/LUCKIN-ANYCUP/share", "/compare?sku=LUCKIN-ANYCUP&sku=G-BIKE", "/items?q=zzzz",
    ],
    "partner": [
        "/partner", "/partner/verify", "/partner/orders", "/partner/statements", "statement", "/partner/offers",
        "/partner/offers/new", "/partner/codes", "/partner/stores", "/partner/team",
    ],
    "console": [
        "/console", "/console/items", "item", "/console/items/LUCKIN-ANYCUP/edit", "/console/items/LUCKIN-ANYCUP/pictures",
        "/console/redemptions", "redemption", "/console/members", "member", "/console/partners", "partner", "/console/settlements",
        "statement", "/console/books", "/console/audit", "/console/approvals", "pool", "/console/storefront", "/console/evaluation",
        "/console/evaluation/mix", "/console/candidates", "/console/tags/new", "/console/segments", "/console/imports",
    ],
}  # fmt: skip
"""A name without a slash is a subject: the first one that its list leads to."""
SUBJECTS = {
    ("member", "voucher"): ("/wallet", r"^/vouchers/\d+$"),
    ("member", "order"): ("/orders", r"^/redemptions/R\d+$"),
    ("partner", "statement"): ("/partner/statements", r"^/partner/statements/S\d+$"),
    ("console", "item"): ("/console/items", r"^/console/items/[A-Z]"),
    ("console", "redemption"): ("/console/redemptions", r"^/console/redemptions/R\d"),
    ("console", "pool"): ("/console/pools", r"^/console/pools/[A-Z]"),
    ("console", "member"): ("/console/members", r"^/console/members/\d"),
    ("console", "partner"): ("/console/partners", r"^/console/partners/[A-Z]"),
    ("console", "statement"): ("/console/settlements?period={settled}", r"^/console/settlements/S\d+$"),
}


@pytest.mark.proof
@pytest.mark.parametrize("audience", ["partner", "console"])
def test_staff_can_use_the_main_screens(audience: str, visit: OpenVisitor, people: People) -> None:
    visitor = visit(locale="zh_CN", size=DESKTOP, state=signed_in(people, audience, "zh_CN"))
    screens = find_screens(visitor, audience)
    assert_usable(visitor, screens, "light")
    assert_usable(visitor, screens[::EVERY], "dark")


@pytest.mark.proof
@pytest.mark.parametrize("locale", LOCALES)
def test_members_can_use_every_page_of_the_mall(locale: str, visit: OpenVisitor, people: People) -> None:
    visitor = visit(locale=locale, size=PHONE, state=signed_in(people, "member", locale))
    screens = [*list_pages(), *find_screens(visitor, "member")]
    assert len(screens) >= 30, screens
    assert_usable(visitor, screens if locale == "zh_CN" else screens[::EVERY], THEMES[locale])


def assert_usable(visitor: Visitor, screens: list[str], theme: Theme) -> None:
    """axe finds nothing on these screens in this theme."""
    visitor.page.add_init_script(path=AXE)
    visitor.page.emulate_media(color_scheme=theme)
    violations: list[str] = []
    for path in screens:
        visitor.open(path)
        violations += [f"{path} ({theme}) {violation}" for violation in run_axe(visitor.page, CHECKS[theme])]
    assert not violations, "\n".join(violations)


def list_pages() -> list[str]:
    """Every address of the mall that needs no subject, by its routes."""
    site = make_site(is_development=False)
    found = {
        route.path
        for route in site.app.routes
        if isinstance(route, HTTPRoute)
        and "{" not in route.path
        and any("GET" in handler.http_methods for handler in route.route_handlers)
        and audience_of(route.path) == MEMBER_AUDIENCE
    }
    return sorted(found - UNUSUAL)


def find_screens(visitor: Visitor, audience: str) -> list[str]:
    """The main screens with the addresses of their subjects."""
    screens = MAIN_SCREENS[audience]
    return [one if one.startswith("/") else find_subject(visitor, audience, one) for one in screens]


def find_subject(visitor: Visitor, audience: str, screen: str) -> str:
    """The first page of a kind that a list leads to."""
    origin, pattern = SUBJECTS[audience, screen]
    settled = add_months(local_date(datetime.now(UTC), PROGRAM_ZONE), -2)
    visitor.open(origin.format(settled=settled.strftime("%Y-%m")))
    links: list[str] = visitor.page.eval_on_selector_all("main a[href]", LINKS)
    return next(link for link in links if re.search(pattern, link))


def run_axe(page: Page, rules: dict[str, Any]) -> list[str]:
    """Each violation with the place on the page and what to do about it."""
    result = page.evaluate(RUN_AXE, rules)
    return [
        f"{violation['id']} {node['target']} {node['failureSummary']}"
        for violation in result["violations"]
        for node in violation["nodes"]
    ]
