"""Coupons on one bill 叠加与互斥: which may be used together, what they take off, and the best choice; pure and exact.

The rules are those of the items (`coupon_rule`). Coupons are taken off one after the other, by their turn, then item by item; each
looks at the bill, or at what is left of it when its turn comes. Amounts are minor units.

1. Coupons of different partners, or of the house and a partner, are never on one bill.
2. Of one item at most `most_per_bill`.
3. Of one exclusive group one item's only.
4. Two items go together if each allows the other: `everything`, or `listed` with the other's purpose or form among what is listed.
5. The threshold must be met when it is the coupon's turn.
"""

from collections.abc import Sequence
from datetime import datetime
from itertools import accumulate
from operator import mul

from msgspec import Struct

MOST_TOGETHER = 6
"""Coupons on one bill, whatever the rules say: what a till can still read out."""
MOST_COMPARED = 32
"""Items whose coupons are compared; beyond that those that take off most by themselves."""
FULL = 10_000
_WHOLES = tuple(accumulate([FULL] * MOST_TOGETHER, mul, initial=1))

NOTHING, LISTED, EVERYTHING = "nothing", "listed", "everything"
BILL, REST = "bill", "rest"


Rank = tuple[int, int, int, tuple[float, ...]]
"""By what combinations are compared: what they take off, gifts, coupons below none, days on which they run out below none."""
_NOTHING: Rank = (-1, 0, 0, ())


class Rule(Struct, frozen=True):
    """How the coupons of an item stack; the default is that of an item without a rule of its own."""

    combines: str = NOTHING
    combines_with: tuple[str, ...] = ()
    most_per_bill: int = 1
    exclusive_group: str | None = None
    turn: int = 5
    threshold_of: str = REST


class Coupon(Struct, frozen=True, kw_only=True):
    """A coupon that a member has, with its item's terms."""

    voucher_id: int
    item_id: int
    name_zh: str
    name_en: str
    purpose: str
    form: str
    benefit: int | None
    """Minor units for `cash`, basis points off for `discount`."""
    threshold_minor: int
    partner_id: int | None
    expires_at: datetime
    rule: Rule


class Used(Struct, frozen=True):
    """A coupon and what it takes off at its turn."""

    coupon: Coupon
    saved_minor: int


class Objection(Struct, frozen=True):
    """Why a coupon cannot be on the bill with the others: `reason` by name, and the coupon it cannot stand."""

    coupon: Coupon
    reason: str
    other: Coupon | None = None
    figure: int = 0
    """Minor units of a threshold, or the most that there may be."""


class Combination(Struct, frozen=True):
    """Coupons that may be used together, in their turns."""

    used: list[Used]

    @property
    def saved_minor(self) -> int:
        """What they take off."""
        return sum(one.saved_minor for one in self.used)

    @property
    def coupons(self) -> list[Coupon]:
        """The coupons in their turns."""
        return [one.coupon for one in self.used]


def order_of(coupon: Coupon) -> tuple[int, int, datetime, int]:
    """By what coupons take their turns. Those of an item stand together, so that it does not matter which of them is used."""
    return coupon.rule.turn, coupon.item_id, coupon.expires_at, coupon.voucher_id


def check(coupons: Sequence[Coupon], amount_minor: int) -> Combination | list[Objection]:
    """What coupons take off a bill together, or everything that speaks against it."""
    ordered = sorted(coupons, key=order_of)
    objections = [
        found for place, one in enumerate(ordered) for other in ordered[:place] if (found := _conflict(one, other))
    ]
    objections += _too_many(ordered)
    used, rest = [], amount_minor
    for one in ordered:
        saved = saving(one, amount_minor, rest)
        if saved is None:
            objections.append(_below(one, amount_minor))
        else:
            used.append(Used(one, saved))
            rest -= saved
    return objections or Combination(used)


def saving(coupon: Coupon, amount_minor: int, rest_minor: int) -> int | None:
    """What a coupon takes off when so much is left of the bill; None below its threshold. Parts of a minor unit are not given."""
    if (amount_minor if coupon.rule.threshold_of == BILL else rest_minor) < coupon.threshold_minor:
        return None
    match coupon.form:
        case "cash":
            return min(coupon.benefit or 0, rest_minor)
        case "discount":
            return rest_minor * (coupon.benefit or 0) // FULL
        case _:
            return 0


def find_best(coupons: Sequence[Coupon], amount_minor: int) -> Combination:
    """The combination that takes off most; among equals the one with more gifts, then with fewer coupons, then those that run
    out earlier.

    Exact: what is not looked at could not have been better (branch and bound over the items in their turns, of each so many
    coupons). Of two ways to the same rest with the same items still open the better one is enough, so that like coupons are
    combined once.
    """
    items = sorted(_worth_comparing(coupons, amount_minor), key=lambda of_item: order_of(of_item[0]))
    beside = [_those_beside(items, place) for place in range(len(items))]
    hopes = _Hopes(items)
    seen: dict[tuple[int, int, int, int], Rank] = {}
    best = Combination([])
    best_rank = _rank(best)

    def search(place: int, used: list[Used], rest: int, open_items: int) -> None:
        nonlocal best, best_rank
        rank = _rank(Combination(used))
        if rank > best_rank:
            best, best_rank = Combination(list(used)), rank
        state = (place, rest, len(used), open_items >> place)
        if len(used) == MOST_TOGETHER or seen.get(state, _NOTHING) >= rank:
            return
        seen[state] = rank
        for at in range(place, len(items)):
            if not _may_be_better(hopes.of(at, open_items), rank, rest, best_rank):
                return
            if open_items >> at & 1:
                take(at, used, rest, open_items & beside[at])

    def take(at: int, used: list[Used], rest: int, open_items: int) -> None:
        before = len(used)
        for one in items[at][: MOST_TOGETHER - before]:
            saved = saving(one, amount_minor, rest)
            if saved is None:
                break
            used.append(Used(one, saved))
            rest -= saved
            search(at + 1, used, rest, open_items)
        del used[before:]

    search(0, [], amount_minor, (1 << len(items)) - 1)
    return best


def explain_others(coupons: Sequence[Coupon], best: Combination, amount_minor: int) -> list[Objection]:
    """Why each of the other coupons is not in a combination."""
    chosen = {one.voucher_id for one in best.coupons}
    return [_explain(one, best, amount_minor) for one in sorted(coupons, key=order_of) if one.voucher_id not in chosen]


def _explain(one: Coupon, best: Combination, amount_minor: int) -> Objection:
    if one.threshold_minor > amount_minor:
        return _below(one, amount_minor)
    conflicts = [found for other in best.coupons if (found := _conflict(one, other))]
    if conflicts:
        return conflicts[0]
    if len(best.used) == MOST_TOGETHER:
        return Objection(one, "too_many", figure=MOST_TOGETHER)
    together = check([*best.coupons, one], amount_minor)
    if isinstance(together, list):
        own = [found for found in together if found.coupon.voucher_id == one.voucher_id]
        return own[0] if own else Objection(one, "spoils_another", other=together[0].coupon)
    return Objection(one, "saves_nothing_more")


def _below(one: Coupon, amount_minor: int) -> Objection:
    """The bill is too small for a coupon, or what is left of it when its turn comes."""
    reason = "below_threshold" if one.threshold_minor > amount_minor else "too_little_left"
    return Objection(one, reason, figure=one.threshold_minor)


def _conflict(one: Coupon, other: Coupon) -> Objection | None:
    """Why two coupons are never on one bill."""
    if one.partner_id != other.partner_id:
        return Objection(one, "other_partner", other)
    if one.item_id == other.item_id:
        return None
    group = one.rule.exclusive_group
    if group is not None and group == other.rule.exclusive_group:
        return Objection(one, "same_group", other)
    if not (_allows(one, other) and _allows(other, one)):
        return Objection(one, "not_together", other)
    return None


def _allows(one: Coupon, other: Coupon) -> bool:
    if one.rule.combines == LISTED:
        return other.purpose in one.rule.combines_with or other.form in one.rule.combines_with
    return one.rule.combines == EVERYTHING


def _too_many(ordered: Sequence[Coupon]) -> list[Objection]:
    counts: dict[int, int] = {}
    found = []
    for place, one in enumerate(ordered):
        counts[one.item_id] = counts.get(one.item_id, 0) + 1
        if counts[one.item_id] > one.rule.most_per_bill:
            found.append(Objection(one, "too_many_of_item", figure=one.rule.most_per_bill))
        elif place >= MOST_TOGETHER:
            found.append(Objection(one, "too_many", figure=MOST_TOGETHER))
    return found


def _worth_comparing(coupons: Sequence[Coupon], amount_minor: int) -> list[list[Coupon]]:
    """Of each item as many as go on a bill, those first that run out first; of the items those that take off most alone."""
    kept: dict[int, list[Coupon]] = {}
    for one in sorted(coupons, key=lambda one: (one.expires_at, one.voucher_id)):
        of_item = kept.setdefault(one.item_id, [])
        if len(of_item) < min(one.rule.most_per_bill, MOST_TOGETHER):
            of_item.append(one)

    def alone(of_item: list[Coupon]) -> int:
        return saving(of_item[0], amount_minor, amount_minor) or 0

    return sorted(kept.values(), key=lambda of_item: (-alone(of_item), order_of(of_item[0])))[:MOST_COMPARED]


def _those_beside(items: Sequence[Sequence[Coupon]], place: int) -> int:
    """The items whose coupons may stand beside those of the one at a place, as a set of bits by place."""
    one = items[place][0]
    return sum(1 << at for at, (other, *_) in enumerate(items) if at != place and _conflict(one, other) is None)


class _Hope(Struct, frozen=True):
    """The most that some coupons could bring together, whatever their rules and thresholds say."""

    kept: list[int]
    """What none, the largest, the two largest … discounts leave of a bill, as parts of `_WHOLES`."""
    cash: list[int]
    """What none, the largest, the two largest … cash coupons take off, in minor units."""
    gifts: int
    days: list[float]
    """As `_rank` counts them, those first that run out first."""

    def saved(self, coupons: int, rest_minor: int) -> int:
        """What so many of them could take off a rest: discounts first, while there is most to take a part of."""
        left = min(
            -(-rest_minor * part // _WHOLES[discounts]) - self.cash[min(coupons - discounts, len(self.cash) - 1)]
            for discounts, part in enumerate(self.kept[: coupons + 1])
        )
        return rest_minor - max(left, 0)


class _Hopes:
    """The hope in the items from a place on, of those that are still open."""

    def __init__(self, items: Sequence[Sequence[Coupon]]) -> None:
        self._items = items
        self._known: dict[tuple[int, int], _Hope] = {}

    def of(self, place: int, open_items: int) -> _Hope:
        key = (place, open_items >> place)
        if key not in self._known:
            places = range(place, len(self._items))
            self._known[key] = _hope([one for at in places if open_items >> at & 1 for one in self._items[at]])
        return self._known[key]


def _hope(coupons: Sequence[Coupon]) -> _Hope:
    def largest(form: str) -> list[int]:
        return sorted((one.benefit or 0 for one in coupons if one.form == form), reverse=True)[:MOST_TOGETHER]

    return _Hope(
        [1, *accumulate((FULL - part for part in largest("discount")), mul)],
        [0, *accumulate(largest("cash"))],
        sum(one.form == "gift" for one in coupons),
        sorted((-one.expires_at.timestamp() for one in coupons), reverse=True)[:MOST_TOGETHER],
    )


def _may_be_better(hope: _Hope, rank: Rank, rest_minor: int, best: Rank) -> bool:
    """Whether a combination could come before the best one if any coupons of those hoped for were added to it."""
    saved, gifts, fewer, days = rank
    best_saved, best_gifts, best_fewer, best_days = best

    def reachable(more: int) -> tuple[int, int]:
        return saved + hope.saved(more, rest_minor), gifts + min(hope.gifts, more)

    slots = MOST_TOGETHER + fewer
    if reachable(slots) != (best_saved, best_gifts):
        return reachable(slots) > (best_saved, best_gifts)
    # It can only draw level, with so many more coupons; then it has to be with fewer than the best, or with earlier ones.
    more = next(more for more in range(slots + 1) if reachable(more) == (best_saved, best_gifts))
    if fewer - more != best_fewer:
        return fewer - more > best_fewer
    return tuple(sorted((*days, *hope.days[:more]), reverse=True)) > best_days


def _rank(combination: Combination) -> Rank:
    coupons = combination.coupons
    gifts = sum(one.form == "gift" for one in coupons)
    days = tuple(sorted((-one.expires_at.timestamp() for one in coupons), reverse=True))
    return combination.saved_minor, gifts, -len(coupons), days
