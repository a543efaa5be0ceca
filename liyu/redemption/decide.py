"""The decision about one redemption, without any I/O: `decide` reads the state, `apply` moves it on for the next request."""

from datetime import datetime

from liyu.catalog.models import VOUCHER_KINDS
from liyu.members.points.lots import draw_points, usable_points
from liyu.redemption.state import DeskState, Granted, ItemState, MemberState, RedeemRequest, Refused

LIFETIME = ""

Refusals = list[tuple[str, dict[str, object]]]


def decide(state: DeskState, request: RedeemRequest) -> Granted | Refused:
    """Grant the request, or refuse it with every condition that failed. Member and item are known to be in the state."""
    member, item = state.members[request.member], state.items[request.sku]
    points = item.points * request.quantity
    refusals = [
        *_check_member(member),
        *_check_offer(item, state.now),
        *_check_tier(member, item),
        *_check_stock(item, request.quantity),
        *_check_limits(state, member, item, request.quantity),
        *_check_points(state, member, points),
    ]
    if item.cash_minor and not state.payments_available:
        refusals.append(("payment_unavailable", {}))
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
    )


def apply(state: DeskState, request: RedeemRequest, granted: Granted) -> None:
    """Move the state on, so that the next request of the batch sees what this one has taken."""
    member, item = state.members[request.member], granted.item
    item.taken += granted.quantity
    taken = {draw.lot_id: draw.amount for draw in granted.draws}
    for lot in member.lots:
        lot.remaining -= taken.get(lot.id, 0)
    for period, _ in limits_of(state, item):
        place = (item.id, member.id, period)
        state.used[place] = state.used.get(place, 0) + granted.quantity


def limits_of(state: DeskState, item: ItemState) -> list[tuple[str, int]]:
    """The limits of an item as period and cap, in units per member."""
    limits = []
    if item.per_member_limit is not None:
        limits.append((LIFETIME, item.per_member_limit))
    if item.per_day_limit is not None:
        limits.append((state.today.isoformat(), item.per_day_limit))
    return limits


def gives_vouchers(kind: str) -> bool:
    """Whether an item of this kind is handed out as vouchers that a store verifies."""
    return kind in VOUCHER_KINDS


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


def _check_offer(item: ItemState, now: datetime) -> Refusals:
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


def _check_limits(state: DeskState, member: MemberState, item: ItemState, quantity: int) -> Refusals:
    refusals: Refusals = []
    for period, cap in limits_of(state, item):
        used = state.used.get((item.id, member.id, period), 0)
        if used + quantity > cap:
            name = "daily_limit_reached" if period else "limit_reached"
            refusals.append((name, {"limit": cap, "used": used}))
    return refusals


def _check_points(state: DeskState, member: MemberState, points: int) -> Refusals:
    usable = usable_points(member.lots, state.today)
    if usable >= points:
        return []
    return [("not_enough_points", {"needed": points, "usable": usable, "missing": points - usable})]
