"""What an item's page says of its terms, as label and value: the mall shows it, and the console's preview shows the same."""

from typing import Protocol

from liyu.catalog.models import GIVEN_BACK_KINDS, VOUCHER_KINDS
from liyu.catalog.prices import worth_of_hundred
from liyu.catalog.views import ItemView
from liyu.core.i18n import N_, Message
from liyu.core.money import DEFAULT_CURRENCY
from liyu.web.formats import format_money, format_points
from liyu.web.i18n import gettext, text_of, translate

DELIVERY: dict[str, str] = {
    "partner_right": N_("A voucher with a code, at once in your wallet"),
    "coupon": N_("A coupon with a code, at once in your wallet"),
    "goods": N_("By post; the order shows when it is sent"),
    "pick_up": N_("Picked up at a store, with the code in your wallet"),
    "code": N_("A code, at once in your order"),
    "top_up": N_("Credited to your number, usually within the hour"),
    "draw": N_("An entry, drawn when the draw closes"),
    "donation": N_("Passed on in your name, with a receipt in your orders"),
}
"""How an item of each kind reaches the member."""

_FINAL_KINDS = ("code", "donation", "draw")
_CANCELLED_UNTIL: dict[str, str] = {
    "goods": N_("as long as it is not sent"),
    "top_up": N_("as long as it is not credited"),
}
_BASIS_POINTS = 100

Fact = tuple[str, str]


class CouponTerms(Protocol):
    """What a coupon takes off; any view of an item has it."""

    @property
    def coupon_form(self) -> str | None: ...

    @property
    def coupon_benefit(self) -> int | None: ...

    @property
    def coupon_threshold_minor(self) -> int | None: ...


def list_terms(
    item: ItemView, lapsed_grace_days: int, currency: str = DEFAULT_CURRENCY, return_days: int = 0
) -> list[Fact]:
    """How it comes, what a coupon takes off, how long it is good, limits, who it is for, until when it may be cancelled and given
    back, and what happens then. `return_days` is the program's rule for goods whose item has none of its own.
    """
    facts = [(gettext(N_("How you get it")), gettext(DELIVERY[item.kind]))]
    if item.coupon_form:
        facts.append((gettext(N_("What it takes off")), describe_coupon(item, currency)))
    if item.kind in VOUCHER_KINDS:
        facts.append((gettext(N_("Validity")), _say(N_("%(days)s days from redeeming"), days=item.voucher_days)))
        if item.uses > 1:
            facts.append((gettext(N_("Uses")), _say(N_("%(uses)s times"), uses=item.uses)))
    facts += _list_shipping(item)
    facts.append((gettext(N_("Limit")), _describe_limits(item)))
    facts += _list_restrictions(item)
    facts += _list_prices(item)
    if item.kind in GIVEN_BACK_KINDS:
        days = return_days if item.return_days is None else item.return_days
        words = N_("within %(days)s days of getting it") if days else N_("not given back once you have it")
        facts.append((gettext(N_("Returns")), _say(words, days=days)))
    if may_be_cancelled(item.kind, item.cancel_hours):
        facts.append((gettext(N_("Cancelling")), describe_cancelling_time(item.kind, item.cancel_hours)))
    facts.append((gettext(N_("If you cancel")), describe_cancelling(item.kind, lapsed_grace_days, item.cancel_hours)))
    return facts


def describe_coupon(item: CouponTerms, currency: str = DEFAULT_CURRENCY) -> str:
    """“¥20 off, from a bill of ¥99”."""
    benefit, threshold = item.coupon_benefit or 0, item.coupon_threshold_minor
    match item.coupon_form:
        case "cash":
            words = _say(N_("%(amount)s off"), amount=format_money(benefit, currency))
        case "discount":
            words = _say(N_("%(percent)s%% off"), percent=f"{benefit / _BASIS_POINTS:g}")
        case _:
            words = gettext(N_("A gift"))
    if not threshold:
        return words
    return _say(N_("%(benefit)s, from a bill of %(amount)s"), benefit=words, amount=format_money(threshold, currency))


def may_be_cancelled(kind: str, cancel_hours: int | None) -> bool:
    """Whether members may cancel such an item at all."""
    return kind not in _FINAL_KINDS and cancel_hours != 0


def describe_cancelling_time(kind: str, cancel_hours: int | None) -> str:
    """Until when members may cancel; for items that may be cancelled."""
    until = _CANCELLED_UNTIL.get(kind, N_("as long as it is unused"))
    if cancel_hours is None:
        return gettext(until)
    return _say(N_("within %(hours)s hours of redeeming, %(until)s"), hours=cancel_hours, until=gettext(until))


def describe_cancelling(kind: str, lapsed_grace_days: int, cancel_hours: int | None = None) -> str:
    """What becomes of the points when a redemption is cancelled: the program's stated rule (docs/rules.md 4)."""
    if kind in _FINAL_KINDS:
        return gettext(N_("Cannot be cancelled: it is yours at once"))
    if cancel_hours == 0:
        return gettext(N_("Cannot be cancelled"))
    if lapsed_grace_days:
        return _say(
            N_("Points go back into their own lots; lapsed ones live for %(days)s more days"), days=lapsed_grace_days
        )
    return gettext(N_("Points go back into their own lots; lapsed ones stay lapsed"))


def describe_worth(item: ItemView, rank: int | None = None, currency: str = DEFAULT_CURRENCY) -> str | None:
    """“100 points are worth ¥12.50 here”, at the price of a tier; None where it cannot be said."""
    worth = worth_of_hundred(item.kind, item.price_for(rank), item.cash_minor, item.value_minor)
    if worth is None:
        return None
    return _say(N_("100 points are worth %(worth)s here"), worth=format_money(worth, currency))


def _describe_limits(item: ItemView) -> str:
    limits = (
        (item.per_order_limit, N_("%(limit)s in one order")),
        (item.per_member_limit, N_("%(limit)s for each member")),
        (item.per_person_limit, N_("%(limit)s for each person, over all their memberships")),
        (item.per_day_limit, N_("%(limit)s a day")),
    )
    return " · ".join(_say(words, limit=limit) for limit, words in limits if limit) or gettext(N_("No limit"))


def _list_restrictions(item: ItemView) -> list[Fact]:
    who = []
    if item.tier is not None:
        who.append(_say(N_("%(tier)s and above"), tier=text_of(item.tier, "name")))
    if item.tags:
        who.append(_say(N_("Members with: %(tags)s"), tags=" / ".join(text_of(tag, "name") for tag in item.tags)))
    if item.cities:
        who.append(_say(N_("Members in: %(cities)s"), cities=" / ".join(item.cities)))
    return [(gettext(N_("Who may redeem it")), " · ".join(who))] if who else []


def _list_prices(item: ItemView) -> list[Fact]:
    prices = [
        _say(N_("%(tier)s: %(points)s points"), tier=text_of(price, "name"), points=format_points(price.points))
        for price in item.tier_points
    ]
    return [(gettext(N_("Prices of tiers")), " · ".join(prices))] if prices else []


def _list_shipping(item: ItemView) -> list[Fact]:
    facts = []
    if item.ships_days:
        words = N_("within 1 working day") if item.ships_days == 1 else N_("within %(days)s working days")
        facts.append((gettext(N_("Leaves us")), _say(words, days=item.ships_days)))
    if item.ships_not_to:
        facts.append((gettext(N_("Not sent to")), " / ".join(item.ships_not_to)))
    return facts


def _say(words: str, **values: object) -> str:
    return translate(Message(words, values))
