"""What the mall keeps ready: finished cards, and whole pages of guests. Small, bounded, made anew when the catalog changes.

A guest's page depends on nothing but the catalog, the clock, the language, the display and the address. The instant that every
page states for its countdowns is put in anew each time.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from liyu.catalog.snapshot import Snapshot
from liyu.web.pages import TEXT_COOKIE, THEME_COOKIE, Page
from liyu.web.visit import AnyConnection, Visit, visit_of

MOST_PAGES = 256
LONGEST_ADDRESS = 300
LIFETIME = timedelta(seconds=30)
STOCK_LAG = timedelta(seconds=1)
"""Stock may lag this much on a guest's page: its figures are live anyway, and a rush must not have every page made anew."""
MOST_CARDS = 20_000

Key = tuple[str, str | None, str | None, str | None, bool]


@dataclass(slots=True)
class _Entry:
    parts: list[bytes]
    headers: list[tuple[bytes, bytes]]
    version: int
    stock_version: int
    made_at: datetime


class PageCache:
    """The pages of guests, the longest unused one goes first."""

    def __init__(self) -> None:
        self._pages: OrderedDict[Key, _Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._pages)

    def answer(self, connection: AnyConnection, snapshot: Snapshot, make: Callable[[], Page]) -> Page:
        """The page from memory, or made and kept. Only for visits that nobody is signed in for and that no notice waits for."""
        visit = visit_of(connection)
        now = visit.services.clock.now()
        key = _key_of(visit)
        entry = self._pages.get(key)
        if entry is None or not _is_fresh(entry, snapshot, now):
            made = make()
            if made.status_code != 200 or visit.set_cookies or len(visit.full_path) > LONGEST_ADDRESS:
                return made
            stated = now.isoformat().encode()
            entry = _Entry(made.body.split(stated), made.raw_headers, snapshot.version, snapshot.stock_version, now)
            self._pages[key] = entry
            if len(self._pages) > MOST_PAGES:
                self._pages.popitem(last=False)
            return made
        self._pages.move_to_end(key)
        body = entry.parts[0] if len(entry.parts) == 1 else now.isoformat().encode().join(entry.parts)
        return Page(body, headers=entry.headers)


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


def is_cacheable(visit: Visit) -> bool:
    """Whether the page depends on nobody: a guest without a notice that waits."""
    return visit.actor is None and not visit.set_cookies and not any("notices" in name for name in visit.cookies)


def _key_of(visit: Visit) -> Key:
    cookies = visit.cookies
    return (visit.full_path, visit.locale, cookies.get(THEME_COOKIE), cookies.get(TEXT_COOKIE), visit.is_fragment)


def _is_fresh(entry: _Entry, snapshot: Snapshot, now: datetime) -> bool:
    age = now - entry.made_at
    if entry.version != snapshot.version or not timedelta() <= age < LIFETIME:
        return False
    return entry.stock_version == snapshot.stock_version or age < STOCK_LAG
