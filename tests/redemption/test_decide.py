"""The decision: properties over random states and requests, without any I/O."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liyu.catalog.prices import TierPoints
from liyu.catalog.restrictions import NamedTag
from liyu.members.points.lots import OpenLot, usable_points
from liyu.redemption.decide import apply, decide
from liyu.redemption.state import DeskState, Granted, ItemState, MemberState, PersonState, RedeemRequest, Refused

NOW = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
TODAY = date(2026, 11, 22)


def make_item(sku: str = "item", **facts: object) -> ItemState:
    values: dict[str, object] = {
        "id": 1, "sku": sku, "kind": "coupon", "state": "live", "points": 100, "cash_minor": 0, "total": None, "taken": 0,
        "on_sale_from": None, "on_sale_to": None, "per_member_limit": None, "per_day_limit": None, "tier_rank": 0,
        "tier_threshold": 0, "tier_zh": "", "tier_en": "", "partner_id": None, "partner_open": True,
        "agreement_line_id": None, "voucher_days": 90, "uses": 1,
    }  # fmt: skip
    return ItemState(**(values | facts))  # type: ignore[arg-type]


def make_member(lots: list[OpenLot] | None = None, **facts: object) -> MemberState:
    values: dict[str, object] = {
        "id": 7, "account_id": 70, "state": "active", "growth": 0, "tier_rank": 1, "tier_zh": "银卡", "tier_en": "Silver",
    }  # fmt: skip
    return MemberState(**(values | facts), lots=lots or [OpenLot(1, 70, None, 1_000)])  # type: ignore[arg-type]


def make_state(
    member: MemberState, *items: ItemState, used: dict[tuple[int, int, str], int] | None = None
) -> DeskState:
    return DeskState(NOW, TODAY, {"m": member}, {item.sku: item for item in items}, used or {}, {}, {}, ZoneInfo("UTC"))


def wish(quantity: int = 1, sku: str = "item") -> RedeemRequest:
    return RedeemRequest("test", "k", "h", "m", sku, quantity, "api", "test")


def refusals(state: DeskState, quantity: int = 1) -> dict[str, dict[str, object]]:
    decision = decide(state, wish(quantity))
    assert isinstance(decision, Refused)
    return dict(decision.reasons)


def test_every_failed_condition_is_named_with_its_figures() -> None:
    item = make_item(
        points=500, total=10, taken=9, per_member_limit=1, tier_rank=3, tier_threshold=3_000, tier_zh="金卡", tier_en="Gold",
        on_sale_from=NOW + timedelta(hours=1), cash_minor=100,
    )  # fmt: skip
    state = make_state(make_member(growth=2_680, state="frozen"), item, used={(1, 7, ""): 1})
    assert refusals(state, 3) == {
        "member_frozen": {},
        "not_yet_on_sale": {"opens": NOW + timedelta(hours=1)},
        "tier_too_low": {"needs": {"zh": "金卡", "en": "Gold"}, "has": {"zh": "银卡", "en": "Silver"}, "missing": 320},
        "not_enough_left": {"left": 1},
        "limit_reached": {"limit": 1, "used": 1},
        "not_enough_points": {"needed": 1_500, "usable": 1_000, "missing": 500},
        "payment_unavailable": {},
    }


def test_the_window_includes_its_beginning_and_excludes_its_end() -> None:
    assert isinstance(decide(make_state(make_member(), make_item(on_sale_from=NOW)), wish()), Granted)
    assert list(refusals(make_state(make_member(), make_item(on_sale_to=NOW)))) == ["sale_ended"]


def test_an_item_that_is_not_live_or_whose_partner_is_suspended_is_not_on_sale() -> None:
    assert list(refusals(make_state(make_member(), make_item(state="paused")))) == ["not_on_sale"]
    assert list(refusals(make_state(make_member(), make_item(partner_open=False)))) == ["not_on_sale"]


def test_who_it_is_for_is_asked_of_the_person_and_every_reason_named() -> None:
    vip = NamedTag(5, "贵宾", "VIP")
    item = make_item(per_order_limit=2, per_person_limit=3, tags=[vip], cities=["上海市", "北京"])
    state = make_state(make_member(lots=[OpenLot(1, 70, None, 9_999)]), item, used={(1, 4, "person"): 1})
    state.people["m"] = PersonState(4, "杭州", [6])
    assert refusals(state, 3) == {
        "tag_missing": {"tags": {"zh": "贵宾", "en": "VIP"}},
        "wrong_city": {"cities": "上海市、北京", "city": "杭州"},
        "order_limit_reached": {"limit": 2},
        "person_limit_reached": {"limit": 3, "used": 1},
    }
    state.people["m"] = PersonState(4, "上海", [5, 6])
    decision = decide(state, wish(2))
    assert isinstance(decision, Granted)
    apply(state, wish(2), decision)
    assert state.used[1, 4, "person"] == 3
    assert list(refusals(state)) == ["person_limit_reached"]


@pytest.mark.parametrize(("rank", "points"), [(1, 100), (2, 90), (3, 90), (4, 60)])
def test_a_tier_without_a_price_of_its_own_pays_that_of_the_next_one_down(rank: int, points: int) -> None:
    item = make_item(tier_points=[TierPoints(2, 90), TierPoints(4, 60)])
    decision = decide(make_state(make_member(tier_rank=rank), item), wish(2))
    assert isinstance(decision, Granted)
    assert decision.points == 2 * points == sum(draw.amount for draw in decision.draws)


def test_a_variant_stands_under_the_limits_of_its_item() -> None:
    red, blue = make_item("red", id=1, per_member_limit=2), make_item("blue", id=2, variant_of=1, per_member_limit=2)
    state = make_state(make_member(), red, blue)
    for sku in ("red", "blue"):
        decision = decide(state, wish(sku=sku))
        assert isinstance(decision, Granted)
        apply(state, wish(sku=sku), decision)
    assert isinstance(decide(state, wish(sku="red")), Refused)
    assert isinstance(decide(state, wish(sku="blue")), Refused)


LOTS = st.lists(
    st.builds(
        OpenLot,
        st.integers(1, 50),
        st.just(70),
        st.none() | st.dates(date(2026, 11, 1), date(2027, 3, 1)),
        st.integers(0, 400),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda lot: lot.id,
)
ITEMS = st.builds(
    make_item,
    points=st.integers(0, 300),
    total=st.none() | st.integers(0, 6),
    per_member_limit=st.none() | st.integers(1, 4),
    per_day_limit=st.none() | st.integers(1, 3),
)


@given(LOTS, ITEMS, st.lists(st.integers(1, 3), max_size=12))
def test_whatever_comes_nothing_is_oversold_overspent_or_beyond_a_limit(
    lots: list[OpenLot], item: ItemState, wishes: list[int]
) -> None:
    start = usable_points(lots, TODAY)
    member = make_member(lots)
    state = make_state(member, item)
    granted = 0
    for quantity in wishes:
        decision = decide(state, wish(quantity))
        if isinstance(decision, Granted):
            apply(state, wish(quantity), decision)
            granted += quantity
            assert sum(draw.amount for draw in decision.draws) == decision.points == item.points * quantity
        else:
            assert decision.reasons
    assert all(lot.remaining >= 0 for lot in member.lots)
    assert usable_points(member.lots, TODAY) == start - granted * item.points
    assert item.total is None or item.taken <= item.total
    assert item.taken == granted
    for limit in (item.per_member_limit, item.per_day_limit):
        assert limit is None or granted <= limit


@given(LOTS, ITEMS, st.integers(1, 3))
def test_deciding_changes_nothing_and_decides_the_same_again(
    lots: list[OpenLot], item: ItemState, quantity: int
) -> None:
    state = make_state(make_member(lots), item)
    before = repr(state)
    first = decide(state, wish(quantity))
    assert repr(state) == before
    assert repr(decide(state, wish(quantity))) == repr(first)


@given(LOTS, ITEMS, st.integers(1, 3))
def test_a_refusal_is_given_exactly_when_a_condition_fails(lots: list[OpenLot], item: ItemState, quantity: int) -> None:
    decision = decide(make_state(make_member(lots), item), wish(quantity))
    possible = (
        usable_points(lots, TODAY) >= item.points * quantity
        and (item.total is None or quantity <= item.total)
        and (item.per_member_limit is None or quantity <= item.per_member_limit)
        and (item.per_day_limit is None or quantity <= item.per_day_limit)
    )
    assert isinstance(decision, Granted) == possible
