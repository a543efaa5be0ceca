"""Whether a member could redeem an item now, for pages: the same conditions and names that the desk decides by.

This only advises. The desk decides again under lock; a test holds the two against each other.
"""

from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct

from liyu.catalog.restrictions import check_city, check_tags
from liyu.catalog.views import ItemView, Stock

Refusals = list[tuple[str, dict[str, object]]]

_OF_STATES = {"active": None, "frozen": "member_frozen", "pre_registered": "member_not_active"}


class MemberFacts(Struct, frozen=True):
    """What a page knows of the member who looks."""

    state: str
    growth: int
    tier_rank: int
    tier_zh: str
    tier_en: str
    usable: int
    """Points that can be spent today."""
    used: Mapping[int, int] = {}
    """Units redeemed in a lifetime, by item."""
    used_today: Mapping[int, int] = {}
    """Units redeemed today, by item."""
    used_by_person: Mapping[int, int] = {}
    """Units redeemed in a lifetime over all memberships of the natural person, by item."""
    city: str | None = None
    tag_ids: frozenset[int] = frozenset()


def check_availability(
    item: ItemView,
    stock: Stock,
    member: MemberFacts | None,
    now: datetime,
    *,
    quantity: int = 1,
    payments_available: bool = False,
) -> Refusals:
    """Every condition that fails, by the desk's names, with its figures and in its order; none means "go ahead".

    Without a member only what holds for everybody is checked.
    """
    refusals = [
        *_check_member(member),
        *_check_sale(item, now),
        *_check_tier(item, member),
        *_check_person(item, member),
        *_check_stock(stock, quantity),
    ]
    if item.per_order_limit is not None and quantity > item.per_order_limit:
        refusals.append(("order_limit_reached", {"limit": item.per_order_limit}))
    if member is not None:
        refusals += [*_check_limits(item, member, quantity), *_check_points(item, member, quantity)]
    if item.cash_minor and not payments_available:
        refusals.append(("payment_unavailable", {}))
    return refusals


def _check_member(member: MemberFacts | None) -> Refusals:
    name = _OF_STATES.get(member.state, "member_closed") if member else None
    return [(name, {})] if name else []


def _check_sale(item: ItemView, now: datetime) -> Refusals:
    if item.partner is not None and not item.partner.is_open:
        return [("not_on_sale", {})]
    if item.is_coming(now):
        return [("not_yet_on_sale", {"opens": item.on_sale_from})]
    return [("sale_ended", {"ended": item.on_sale_to})] if item.is_ended(now) else []


def _check_tier(item: ItemView, member: MemberFacts | None) -> Refusals:
    tier = item.tier
    if tier is None or member is None or member.tier_rank >= tier.rank:
        return []
    needs, has = {"zh": tier.name_zh, "en": tier.name_en}, {"zh": member.tier_zh, "en": member.tier_en}
    return [("tier_too_low", {"needs": needs, "has": has, "missing": max(tier.threshold - member.growth, 0)})]


def _check_stock(stock: Stock, quantity: int) -> Refusals:
    if stock.left is None or quantity <= stock.left:
        return []
    return [("not_enough_left", {"left": stock.left})] if stock.left > 0 else [("sold_out", {"left": 0})]


def _check_person(item: ItemView, member: MemberFacts | None) -> Refusals:
    if member is None:
        return []
    return [*check_tags(item.tags, member.tag_ids), *check_city(item.cities, member.city)]


def _check_limits(item: ItemView, member: MemberFacts, quantity: int) -> Refusals:
    limits = (
        ("limit_reached", item.per_member_limit, member.used),
        ("daily_limit_reached", item.per_day_limit, member.used_today),
        ("person_limit_reached", item.per_person_limit, member.used_by_person),
    )
    return [
        (name, {"limit": cap, "used": used})
        for name, cap, counts in limits
        if cap is not None and (used := counts.get(item.limits_id, 0)) + quantity > cap
    ]


def _check_points(item: ItemView, member: MemberFacts, quantity: int) -> Refusals:
    needed = item.price_for(member.tier_rank) * quantity
    if member.usable >= needed:
        return []
    return [("not_enough_points", {"needed": needed, "usable": member.usable, "missing": needed - member.usable})]
