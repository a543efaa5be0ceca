"""What the mall keeps ready: finished cards, and whole pages. Small, bounded, made anew when the catalog changes.

A guest's page depends on nothing but the catalog, the clock, the language, the display and the address. A member's home page is
kept as a frame with slots: what is the member's own is put in for each request, and never kept. So are the instant that every
page states for its countdowns and the token that its requests carry.
"""

import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from markupsafe import Markup

from liyu.catalog.snapshot import Snapshot
from liyu.web.csrf import make_token
from liyu.web.pages import NOTICE_COOKIE, TEXT_COOKIE, THEME_COOKIE, Page
from liyu.web.visit import AnyConnection, Visit, visit_of

MOST_PAGES = 256
LONGEST_ADDRESS = 300
LIFETIME = timedelta(seconds=30)
STOCK_LAG = timedelta(seconds=1)
"""Stock may lag this much on a guest's page: its figures are live anyway, and a rush must not have every page made anew."""
MOST_CARDS = 20_000

Key = tuple[str, str | None, str | None, str | None, bool, bool, bool | None]

_NOW, _TOKEN = "now", "token"
_SLOT = re.compile(rb"\x02([^\x03]+)\x03")


@dataclass(slots=True)
class _Entry:
    parts: list[bytes]
    """Literal parts and the names of what stands between them, in turns."""
    slots: frozenset[str]
    """These names."""
    headers: list[tuple[bytes, bytes]]
    version: int
    stock_version: int
    edges: int
    made_at: datetime


class PageCache:
    """The pages of guests, the longest unused one goes first."""

    def __init__(self) -> None:
        self._pages: OrderedDict[Key, _Entry] = OrderedDict()
        self._front = -1

    def follow(self, front: int) -> None:
        """Forget all pages when the curated front has another version than they were made with."""
        if front != self._front:
            self._pages.clear()
            self._front = front

    def __len__(self) -> int:
        return len(self._pages)

    def answer(
        self,
        connection: AnyConnection,
        snapshot: Snapshot,
        make: Callable[[], Page],
        fill: Callable[[], Mapping[str, bytes]] | None = None,
    ) -> Page:
        """The page from memory, or made and kept. `fill` gives what belongs into the slots of a member's page.

        Only for visits that no notice waits for; without `fill` only for guests.
        """
        visit = visit_of(connection)
        now = visit.services.clock.now()
        values = dict(fill()) if fill else {}
        values[_NOW] = _state(now)
        if visit.actor is not None:
            values[_TOKEN] = make_token(visit).encode()
        key = _key_of(visit)
        entry = self._pages.get(key)
        edges = snapshot.edges_passed(now)
        # A frame may lag behind the stock: it has no use where it shows another drop than those that there are values for.
        if (
            entry is None
            or entry.edges != edges
            or not _is_fresh(entry, snapshot, now)
            or not entry.slots <= values.keys()
        ):
            made = make()
            if made.status_code != 200 or visit.set_cookies or len(visit.full_path) > LONGEST_ADDRESS:
                return made
            parts = _cut(made.body, visit, now)
            slots = frozenset(name.decode() for name in parts[1::2])
            entry = _Entry(parts, slots, made.raw_headers, snapshot.version, snapshot.stock_version, edges, now)
            self._pages[key] = entry
            if len(self._pages) > MOST_PAGES:
                self._pages.popitem(last=False)
        else:
            self._pages.move_to_end(key)
        if not entry.slots:
            return Page(entry.parts[0], headers=entry.headers)
        body = b"".join(values[part.decode()] if at % 2 else part for at, part in enumerate(entry.parts))
        return Page(body, headers=entry.headers)


class OwnCache:
    """What fills the slots for members who came a moment ago, by all that it depends on; the longest unused one goes first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._parts: OrderedDict[Any, dict[str, bytes]] = OrderedDict()

    def get(self, key: Any, make: Callable[[], dict[str, str]]) -> dict[str, bytes]:
        """The parts from memory, or made and kept."""
        parts = self._parts.get(key)
        if parts is None:
            parts = self._parts[key] = {name: words.encode() for name, words in make().items()}
            if len(self._parts) > self._most:
                self._parts.popitem(last=False)
        else:
            self._parts.move_to_end(key)
        return parts


class CardCache:
    """Finished pieces of pages, by whatever tells them apart; all go when the catalog's version grows."""

    def __init__(self) -> None:
        self._version = -1
        self._cards: dict[Any, Any] = {}

    def get(self, version: int, key: Any, make: Callable[[], Any]) -> Any:
        """The piece from memory, or made and kept."""
        if version != self._version or len(self._cards) > MOST_CARDS:
            self._version, self._cards = version, {}
        card = self._cards.get(key)
        if card is None:
            card = self._cards[key] = make()
        return card


def slot(name: str) -> Markup:
    """A place in a page where something of one member's will stand."""
    return Markup(f"\x02{name}\x03")  # noqa: S704 - the name comes from code


def is_cacheable(visit: Visit) -> bool:
    """Whether the page depends on nobody: a guest without a notice that waits."""
    return visit.actor is None and is_undisturbed(visit)


def is_undisturbed(visit: Visit) -> bool:
    """Whether no notice waits to be shown."""
    return not visit.set_cookies and not any(NOTICE_COOKIE in name for name in visit.cookies)


def _state(now: datetime) -> bytes:
    """The instant as pages state it."""
    return now.isoformat(timespec="seconds").encode()


def _cut(body: bytes, visit: Visit, now: datetime) -> list[bytes]:
    body = body.replace(_state(now), slot(_NOW).encode())
    if visit.actor is not None:
        body = body.replace(make_token(visit).encode(), slot(_TOKEN).encode())
    return _SLOT.split(body)


def _key_of(visit: Visit) -> Key:
    cookies = visit.cookies
    return (
        visit.full_path,
        visit.locale,
        cookies.get(THEME_COOKIE),
        cookies.get(TEXT_COOKIE),
        visit.is_fragment,
        visit.is_arriving,
        visit.actor.has_news if visit.actor else None,
    )


def _is_fresh(entry: _Entry, snapshot: Snapshot, now: datetime) -> bool:
    age = now - entry.made_at
    if entry.version != snapshot.version or not timedelta() <= age < LIFETIME:
        return False
    return entry.stock_version == snapshot.stock_version or age < STOCK_LAG
