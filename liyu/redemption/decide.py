"""The decision about one redemption, without any I/O: `decide` reads the state, `apply` moves it on for the next request."""

from datetime import datetime

from liyu.catalog.models import POSTED_KINDS, VOUCHER_KINDS
from liyu.catalog.prices import price_for
from liyu.catalog.restrictions import check_city, check_tags
from liyu.members.points.lots import draw_points, usable_points
from liyu.redemption.drops.offers import Offer
from liyu.redemption.state import DeskState, Granted, ItemState, LimitUsed, MemberState, RedeemRequest, Refused

LIFETIME = ""
PERSON = "person"
"""The period of limits for each natural person: a lifetime, over all memberships."""

_LIMIT_REFUSALS = {LIFETIME: "limit_reached", PERSON: "person_limit_reached"}

Refusals = list[tuple[str, dict[str, object]]]


def decide(state: DeskState, request: RedeemRequest) -> Granted | Refused:
    """Grant the request, or refuse it with every condition that failed. Member and item are known to be in the state."""
    member, item = state.members[request.member], state.items[request.sku]
    points = price_for(item.points, item.tier_points, member.tier_rank) * request.quantity
    limits = limits_of(state, request.member, item)
    offer = state.offers.get(request.offer) if request.offer is not None else None
    refusals = [
        *_check_member(member),
        *_check_sale(item, state.now),
        *_check_tier(member, item),
        *_check_person(state, request.member, item),
        *(
            _check_stock(item, request.quantity)
            if request.offer is None
            else _check_kept(state, offer, member, item, request)
        ),
        *_check_limits(state, limits, item, request.quantity),
        *_check_points(state, member, points),
    ]
    if item.cash_minor and not state.payments_available:
        refusals.append(("payment_unavailable", {}))
    if request.delivery is not None and is_posted(item.kind) and not request.delivery.is_possible:
        refusals.append(("not_sent_there", {"province": request.delivery.address.province}))
    if refusals:
        return Refused(refusals)
    return Granted(
        member.id,
        member.account_id,
        item,
        request.quantity,
        points,
        draw_points(member.lots, points, state.today),
        [next(state.pool_codes[item.id]) for _ in range(request.quantity)] if item.kind == "code" else [],
        limits,
        offer,
    )


def apply(state: DeskState, request: RedeemRequest, granted: Granted) -> None:
    """Move the state on, so that the next request of the batch sees what this one has taken."""
    member, item = state.members[request.member], granted.item
    item.taken += granted.claimed
    if granted.offer is not None:
        granted.offer.state = "taken"
    taken = {draw.lot_id: draw.amount for draw in granted.draws}
    for lot in member.lots:
        lot.remaining -= taken.get(lot.id, 0)
    for limit in granted.limits:
        place = (item.limits_id, limit.holder_id, limit.period)
        state.used[place] = state.used.get(place, 0) + granted.quantity


def limits_of(state: DeskState, member: str, item: ItemState) -> list[LimitUsed]:
    """The limits that count for a member's redemptions of an item."""
    member_id = state.members[member].id
    limits = []
    if item.per_member_limit is not None:
        limits.append(LimitUsed(member_id, LIFETIME, item.per_member_limit))
    if item.per_day_limit is not None:
        limits.append(LimitUsed(member_id, state.today.isoformat(), item.per_day_limit))
    if item.per_person_limit is not None:
        limits.append(LimitUsed(state.people[member].person_id, PERSON, item.per_person_limit))
    return limits


def gives_vouchers(kind: str) -> bool:
    """Whether an item of this kind is handed out as vouchers that a store verifies."""
    return kind in VOUCHER_KINDS


def is_posted(kind: str) -> bool:
    """Whether an item of this kind goes to an address, which is kept with the order."""
    return kind in POSTED_KINDS


def first_state(kind: str) -> str:
    """The state in which a redemption without a cash part begins; a donation is done at once."""
    return "completed" if kind in ("donation", "code", "draw") else "confirmed"


def _check_member(member: MemberState) -> Refusals:
    match member.state:
        case "active":
            return []
        case "frozen":
            return [("member_frozen", {})]
        case "pre_registered":
            return [("member_not_active", {})]
        case _:
            return [("member_closed", {})]


def _check_sale(item: ItemState, now: datetime) -> Refusals:
    if item.state != "live" or not item.partner_open:
        return [("not_on_sale", {})]
    if item.on_sale_from and now < item.on_sale_from:
        return [("not_yet_on_sale", {"opens": item.on_sale_from})]
    if item.on_sale_to and now >= item.on_sale_to:
        return [("sale_ended", {"ended": item.on_sale_to})]
    return []


def _check_tier(member: MemberState, item: ItemState) -> Refusals:
    if member.tier_rank >= item.tier_rank:
        return []
    missing = max(item.tier_threshold - member.growth, 0)
    needs = {"zh": item.tier_zh, "en": item.tier_en}
    return [("tier_too_low", {"needs": needs, "has": {"zh": member.tier_zh, "en": member.tier_en}, "missing": missing})]


def _check_stock(item: ItemState, quantity: int) -> Refusals:
    if item.total is None or item.taken + quantity <= item.total:
        return []
    left = item.total - item.taken
    return [("not_enough_left", {"left": left})] if left > 0 else [("sold_out", {"left": 0})]


def _check_kept(
    state: DeskState, offer: Offer | None, member: MemberState, item: ItemState, request: RedeemRequest
) -> Refusals:
    """What was kept for the member at a drop: theirs, still, and all of it."""
    if offer is None or not offer.holds(member.id, item.id, state.now):
        return [("offer_over", {})]
    return [] if request.quantity == offer.units else [("offer_units", {"units": offer.units})]


def _check_person(state: DeskState, member: str, item: ItemState) -> Refusals:
    if not item.asks_who_it_is:
        return []
    person = state.people[member]
    return [*check_tags(item.tags, person.tag_ids), *check_city(item.cities, person.city)]


def _check_limits(state: DeskState, limits: list[LimitUsed], item: ItemState, quantity: int) -> Refusals:
    refusals: Refusals = []
    if item.per_order_limit is not None and quantity > item.per_order_limit:
        refusals.append(("order_limit_reached", {"limit": item.per_order_limit}))
    for limit in limits:
        used = state.used.get((item.limits_id, limit.holder_id, limit.period), 0)
        if used + quantity > limit.cap:
            name = _LIMIT_REFUSALS.get(limit.period, "daily_limit_reached")
            refusals.append((name, {"limit": limit.cap, "used": used}))
    return refusals


def _check_points(state: DeskState, member: MemberState, points: int) -> Refusals:
    usable = usable_points(member.lots, state.today)
    if usable >= points:
        return []
    return [("not_enough_points", {"needed": points, "usable": usable, "missing": points - usable})]
