"""Items as cards: everything but the reader's own line is rendered once for each version of the catalog and language."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

from jinja2 import Environment
from markupsafe import Markup, escape

from liyu.catalog.availability import MemberFacts, Refusals, check_availability
from liyu.catalog.snapshot import Snapshot
from liyu.catalog.views import ItemView, Stock
from liyu.core.clock import local_date
from liyu.core.i18n import N_, Message
from liyu.redemption.errors import make_reason
from liyu.web.covers import choose_icon, cover_name
from liyu.web.formats import current_zone, format_clock_time, format_short_day
from liyu.web.i18n import ENGLISH, current_locale, gettext, text_of, translate
from liyu.web.mall.member import AnyRequest, now_of, takes_payments
from liyu.web.mall.page_cache import slot
from liyu.web.mall.ready import ready_of
from liyu.web.mall.words import SHORT_REFUSALS
from liyu.web.pictures import address_of

COUNTDOWN_FROM = timedelta(hours=48)
"""How long before its end a drop counts down; earlier its card says the date."""

_INSTANTS = ("opens", "ended", "deadline")
_DAYS = ("day",)
_LATER = 'loading="lazy" '


class Shelf:
    """Makes the cards of one snapshot for one reader, in the language that is spoken now."""

    def __init__(self, request: AnyRequest, snapshot: Snapshot, member: MemberFacts | None) -> None:
        self.environment: Environment = request.app.state.environment
        self.cache = ready_of(request).cards
        self.snapshot = snapshot
        self.now = now_of(request)
        self.member = member
        self.takes_payments = takes_payments(request)
        self.locale = current_locale()

    def cards(self, items: Iterable[ItemView]) -> list[Markup]:
        """The cards of items, in their order."""
        return [self.card(item) for item in items]

    def card(self, item: ItemView) -> Markup:
        """One card with its reader's own line."""
        head, tail = self._parts(item)
        return Markup(f"{head}{self.own_line(item)}{tail}")  # noqa: S704 - both parts come from the template

    def frames(self, items: Iterable[ItemView]) -> list[Markup]:
        """The cards of items with a slot where their reader's own line will stand; those with prices for tiers are slots whole."""
        framed = []
        for item in items:
            if self.snapshot.is_priced_by_tier(item):
                framed.append(slot(f"card:{item.id}"))
            else:
                head, tail = self._parts(item)
                framed.append(Markup(f"{head}{slot(f'line:{item.id}')}{tail}"))  # noqa: S704 - both parts come from the template
        return framed

    def own_parts(self, items: Iterable[ItemView]) -> dict[str, str]:
        """What stands in the slots of these frames."""
        parts: dict[str, str] = {}
        for item in items:
            if self.snapshot.is_priced_by_tier(item):
                parts[f"card:{item.id}"] = self.card(item)
            else:
                parts[f"line:{item.id}"] = self.own_line(item)
        return parts

    def price_of(self, item: ItemView) -> int:
        """The points that the reader pays for one."""
        return item.price_for(self.member.tier_rank if self.member else None)

    def own_line(self, item: ItemView) -> str:
        """What a card says to its reader alone."""
        at_hand = self.snapshot.at_hand(item)
        line = self.availability(at_hand, self.snapshot.stock_of(at_hand))
        return f'<p class="note{" yes" if line[1] else ""}">{escape(line[0])}</p>' if line else ""

    def drops(self, items: Iterable[ItemView]) -> list[Markup]:
        """The wide cards of drops; they say how many are left, so they are made for each state of the stock."""
        return [self.drop(item) for item in items]

    def drop_frames(self, items: Iterable[ItemView]) -> list[Markup]:
        """The same with slots for those that are another card for another reader."""
        return [slot(f"drop:{item.id}") if self._is_own(item) else self.drop(item) for item in items]

    def own_drops(self, items: Iterable[ItemView]) -> dict[str, Markup]:
        """What stands in the slots of these drops."""
        return {f"drop:{item.id}": self.drop(item) for item in items if self._is_own(item)}

    def drop(self, item: ItemView) -> Markup:
        """One drop."""
        stock = self.snapshot.stock_of(item)
        if stock.total is None:
            return self.card(item)
        day = local_date(self.now, current_zone())
        coming, closing = item.is_coming(self.now), self._closes_soon(item)
        key = ("drop", item.id, stock.taken, self.price_of(item), coming, closing, day, self.locale)
        drop: Markup = self.cache.get(self.snapshot.version, key, lambda: self._render_drop(item, stock))
        return drop

    def _is_own(self, item: ItemView) -> bool:
        """Whether a drop's card depends on its reader: by the price, or, where it is not limited, by their own line."""
        return self.snapshot.is_priced_by_tier(item) or self.snapshot.stock_of(item).total is None

    def _parts(self, item: ItemView) -> tuple[str, str]:
        at_hand = self.snapshot.at_hand(item)
        gone = self.snapshot.stock_of(at_hand).is_gone
        key = (item.id, at_hand.id, self.price_of(at_hand), gone, self.locale)
        parts: tuple[str, str] = self.cache.get(
            self.snapshot.version, key, lambda: self._render_card(item, at_hand, gone=gone)
        )
        return parts

    def availability(self, item: ItemView, stock: Stock) -> tuple[str, bool] | None:
        """A few words on whether the reader can have it, and whether they are good news; None when there is nothing to say."""
        refusals = check_availability(item, stock, self.member, self.now, payments_available=self.takes_payments)
        if refusals:
            return say_shortly(refusals, self.now), False
        if self.member is not None:
            return gettext(N_("You can have it")), True
        if item.tier is not None:
            return translate(Message(SHORT_REFUSALS["tier_too_low"], {"needs": text_of(item.tier, "name")})), False
        return None

    def _render_card(self, item: ItemView, at_hand: ItemView, *, gone: bool) -> tuple[str, str]:
        template = self.environment.get_template("mall/_item_card.html")
        card = template.render(
            item=item,
            at_hand=at_hand,
            price=self.price_of(at_hand),
            cover=cover_of(item),
            place=place_of(item),
            gone=gone,
        )
        head, end, tail = card.rpartition("</div>")
        return head, f"{end}{tail}"

    def _render_drop(self, item: ItemView, stock: Stock) -> Markup:
        template = self.environment.get_template("mall/_drop_card.html")
        card = template.render(
            item=item,
            price=self.price_of(item),
            cover=cover_of(item),
            stock=stock,
            clock=self._clock_of(item),
            closes=self._closes_soon(item),
        )
        return Markup(card)  # noqa: S704 - a template's output

    def _clock_of(self, item: ItemView) -> str | None:
        if item.is_coming(self.now) and item.on_sale_from:
            words = N_("Entries open %(when)s") if item.kind == "draw" else N_("Opens %(when)s")
            return translate(Message(words, {"when": say_when(item.on_sale_from, self.now)}))
        if self._closes_soon(item) or not item.on_sale_to:
            return None
        return translate(Message(N_("Until %(when)s"), {"when": say_when(item.on_sale_to, self.now)}))

    def _closes_soon(self, item: ItemView) -> bool:
        return (
            item.on_sale_to is not None
            and not item.is_coming(self.now)
            and item.on_sale_to - self.now <= COUNTDOWN_FROM
        )


def show_at_once(cards: Iterable[Markup], count: int) -> list[Markup]:
    """The cards with the pictures of the first few loaded without waiting for the layout: those that are in sight on a phone."""
    found = list(cards)
    return [Markup(str(card).replace(_LATER, "", 1)) for card in found[:count]] + found[count:]  # noqa: S704 - our own cards


def cover_of(item: Any) -> str:
    """The address of an item's first picture, or of its drawn cover. Takes anything with `scene`, `kind` and `item_id` or `id`."""
    if pictures := getattr(item, "pictures", ()):
        return address_of(pictures[0].digest)
    seed = getattr(item, "item_id", None) or item.id
    return f"/covers/{cover_name(item.scene, seed, choose_icon(item.scene, item.kind))}"


def place_of(item: ItemView) -> str:
    """Whose it is and where it can be used, in one short line; a kind's own words where there is no partner."""
    if item.partner is None:
        return ""
    partner = text_of(item.partner, "name")
    cities = {store.city_zh for store in item.stores}
    if not item.stores:
        return partner
    if len(cities) == 1:
        return translate(
            Message(N_("%(partner)s · %(city)s"), {"partner": partner, "city": text_of(item.stores[0], "city")})
        )
    return translate(Message(N_("%(partner)s · %(count)s cities"), {"partner": partner, "count": len(cities)}))


def say_when(instant: datetime, now: datetime) -> str:
    """今天 20:00, tomorrow 20:00, 24 Nov 20:00"""
    zone = current_zone()
    days = (local_date(instant, zone) - local_date(now, zone)).days
    clock = format_clock_time(instant)
    if days in (0, 1):
        return translate(Message(N_("today %(time)s") if days == 0 else N_("tomorrow %(time)s"), {"time": clock}))
    return f"{format_short_day(instant, current_locale())} {clock}"


def say_shortly(refusals: Refusals, now: datetime) -> str:
    """The refusal that matters most to a reader of a list, in a few words."""
    name, details = refusals[0]
    values: dict[str, Any] = in_words(details)
    if isinstance(details.get("opens"), datetime):
        values["opens"] = say_when(details["opens"], now)  # type: ignore[arg-type]
    return translate(Message(SHORT_REFUSALS[name], values))


def say_fully(refusals: Refusals) -> list[str]:
    """Every refusal in the desk's own sentences."""
    return [translate(make_reason(name, **in_words(details)).message) for name, details in refusals]


def in_words(details: dict[str, object]) -> dict[str, Any]:
    """The figures of a refusal; names that come in both languages in the one that is spoken, and instants as such."""
    return {name: _in_words(name, value) for name, value in details.items()}


def _in_words(name: str, value: object) -> Any:
    if isinstance(value, dict):
        return (value.get("en") if current_locale() == ENGLISH else None) or value.get("zh") or ""
    if name in _DAYS and isinstance(value, str):
        return date.fromisoformat(value)
    # An answer that was kept for its key comes back as JSON.
    return datetime.fromisoformat(value) if name in _INSTANTS and isinstance(value, str) else value
