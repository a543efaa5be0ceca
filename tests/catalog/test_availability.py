"""Pages must never promise what the desk refuses, nor warn of what it grants: the two are held against each other."""

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from liyu.catalog.availability import MemberFacts, check_availability
from liyu.catalog.prices import TierPoints
from liyu.catalog.restrictions import NamedTag
from liyu.catalog.views import PartnerView, Stock, TierPriceView, TierView
from liyu.members.points.lots import OpenLot
from liyu.redemption.decide import decide
from liyu.redemption.errors import WORDS
from liyu.redemption.state import DeskState, ItemState, MemberState, PersonState, RedeemRequest, Refused
from tests.catalog.conftest import NOW
from tests.catalog.test_search import make_item

GOLD = TierView(3, "gold", 3, "金卡", "Gold", 3_000)
VIP = NamedTag(9, "贵宾", "VIP")
instants = st.sampled_from([None, NOW - timedelta(days=2), NOW - timedelta(seconds=1), NOW, NOW + timedelta(days=1)])


@given(
    state=st.sampled_from(["active", "active", "frozen", "pre_registered", "closed"]),
    rank=st.integers(1, 4),
    usable=st.integers(0, 300),
    total=st.none() | st.integers(0, 3),
    taken=st.integers(0, 3),
    opens=instants,
    closes=instants,
    limits=st.tuples(st.none() | st.integers(1, 3), st.none() | st.integers(1, 3)),
    used=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    quantity=st.integers(1, 3),
    cash=st.sampled_from([0, 990]),
    flags=st.tuples(st.booleans(), st.booleans(), st.booleans()),
    further=st.tuples(st.none() | st.integers(1, 2), st.none() | st.integers(1, 3), st.integers(0, 3)),
    asked=st.tuples(st.none() | st.just([VIP]), st.none() | st.just(["上海"])),
    person=st.tuples(st.sampled_from([frozenset(), frozenset({VIP.id})]), st.sampled_from([None, "上海市", "北京"])),
    tier_points=st.sampled_from([[], [TierPoints(2, 80)], [TierPoints(1, 120), TierPoints(3, 0)]]),
    variant_of=st.sampled_from([None, 5]),
)
def test_pages_say_what_the_desk_says(
    state: str, rank: int, usable: int, total: int | None, taken: int, opens: Any, closes: Any,
    limits: tuple[int | None, int | None], used: tuple[int, int], quantity: int, cash: int, flags: tuple[bool, bool, bool],
    further: tuple[int | None, int | None, int], asked: tuple[Any, Any], person: tuple[frozenset[int], str | None],
    tier_points: list[TierPoints], variant_of: int | None,
) -> None:  # fmt: skip
    needs_tier, is_open, payments = flags
    per_order, per_person, used_by_person = further
    (has, city), place = person, variant_of or 7
    taken = taken if total is None else min(taken, total)
    tier = GOLD if needs_tier else None
    item = make_item(
        7, points=100, cash_minor=cash, on_sale_from=opens, on_sale_to=closes, per_member_limit=limits[0],
        per_day_limit=limits[1], tier=tier, partner=PartnerView(1, "P", "商", "P", "", is_open=is_open),
        per_order_limit=per_order, per_person_limit=per_person, tags=asked[0] and tuple(asked[0]),
        cities=asked[1] and tuple(asked[1]), variant_of=variant_of,
        tier_points=tuple(TierPriceView("", one.rank, one.points, "", "") for one in tier_points),
    )  # fmt: skip
    member = MemberFacts(
        state,
        500,
        rank,
        "会员",
        "Member",
        usable,
        {place: used[0]},
        {place: used[1]},
        {place: used_by_person},
        city,
        has,
    )
    desk = DeskState(
        NOW, NOW.date(),
        {"m": MemberState(1, 1, state, 500, rank, "会员", "Member", [OpenLot(1, 1, None, usable)] if usable else [])},
        {"S7": ItemState(7, "S7", "goods", "live", 100, cash, total, taken, opens, closes, *limits,
                         tier.rank if tier else 0, tier.threshold if tier else 0, tier.name_zh if tier else "",
                         tier.name_en if tier else "", 1, is_open, None, 90, 1,
                         variant_of, per_order, per_person, tier_points, *asked)},
        {(place, 1, ""): used[0], (place, 1, NOW.date().isoformat()): used[1], (place, 4, "person"): used_by_person}, {}, {},
        ZoneInfo("UTC"), payments, {"m": PersonState(4, city, sorted(has))},
    )  # fmt: skip
    decided = decide(desk, RedeemRequest("s", "k", "b", "m", "S7", quantity, "mall", "m"))
    refused = check_availability(item, Stock(total, taken), member, NOW, quantity=quantity, payments_available=payments)
    assert refused == (decided.reasons if isinstance(decided, Refused) else [])
    assert {name for name, _ in refused} <= WORDS.keys()


def test_a_guest_is_told_what_holds_for_everybody() -> None:
    item = make_item(7, points=100, tier=GOLD, per_member_limit=1)
    assert check_availability(item, Stock(5, 0), None, NOW) == []
    assert check_availability(item, Stock(5, 5), None, NOW) == [("sold_out", {"left": 0})]
