"""Coupons on one bill: what may stand together, what it takes off, and that nothing better was overlooked."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liyu.vouchers import stacking
from liyu.vouchers.stacking import (
    MOST_TOGETHER,
    Combination,
    Coupon,
    Rule,
    check,
    explain_others,
    find_best,
)

END = datetime(2027, 1, 1, tzinfo=UTC)
FREE = Rule("everything")


def coupon(number: int, form: str = "cash", benefit: int | None = 1_000, **facts: Any) -> Coupon:
    facts = {
        "item_id": number, "name_zh": str(number), "name_en": str(number), "purpose": "ordinary", "threshold_minor": 0,
        "partner_id": None, "expires_at": END, "rule": FREE, **facts,
    }  # fmt: skip
    return Coupon(voucher_id=number, form=form, benefit=None if form == "gift" else benefit, **facts)


def saved(*coupons: Coupon, amount: int) -> int:
    found = check(coupons, amount)
    assert isinstance(found, Combination)
    return found.saved_minor


def reasons(*coupons: Coupon, amount: int = 10_000) -> list[tuple[int, str]]:
    found = check(coupons, amount)
    assert isinstance(found, list)
    return [(one.coupon.voucher_id, one.reason) for one in found]


def test_turns_and_thresholds_decide_what_is_taken_off() -> None:
    ten_percent = coupon(1, "discount", 1_000, rule=Rule("everything", turn=1))
    twenty_from_100 = coupon(2, benefit=2_000, threshold_minor=10_000, rule=Rule("everything", turn=2))
    assert saved(ten_percent, twenty_from_100, amount=20_000) == 4_000
    # 10 % of 105.00 leaves less than 100.00: by the rest it is below its threshold, by the bill it is not.
    assert reasons(ten_percent, twenty_from_100, amount=10_500) == [(2, "too_little_left")]
    by_bill = coupon(2, benefit=2_000, threshold_minor=10_000, rule=Rule("everything", turn=2, threshold_of="bill"))
    assert saved(ten_percent, by_bill, amount=10_500) == 3_050
    first = coupon(2, benefit=2_000, threshold_minor=10_000, rule=Rule("everything", turn=1))
    after = coupon(1, "discount", 1_000, rule=Rule("everything", turn=2))
    assert saved(first, after, amount=10_500) == 2_850
    # Never more than the bill, and no part of a fen.
    assert saved(coupon(3, benefit=5_000), coupon(4, benefit=900), amount=3_333) == 3_333
    assert saved(coupon(5, "discount", 3_333), amount=100) == 33


def test_rules_keep_coupons_apart_and_say_which() -> None:
    alone = coupon(1, rule=Rule())
    assert reasons(alone, coupon(2)) == [(2, "not_together")]
    only_care = coupon(3, rule=Rule("listed", ("care", "gift")))
    assert reasons(only_care, coupon(4)) == [(4, "not_together")]
    assert saved(only_care, coupon(5, purpose="care"), coupon(6, "gift"), amount=9_000) == 2_000
    grouped = Rule("everything", exclusive_group="new year")
    assert reasons(coupon(7, rule=grouped), coupon(8, rule=grouped)) == [(8, "same_group")]
    assert reasons(coupon(1, partner_id=1), coupon(2, partner_id=2)) == [(2, "other_partner")]
    two = Rule("nothing", most_per_bill=2)
    same = [coupon(number, item_id=1, rule=two) for number in range(1, 4)]
    assert saved(*same[:2], amount=9_000) == 2_000
    assert reasons(*same) == [(3, "too_many_of_item")]
    many = [coupon(number) for number in range(1, MOST_TOGETHER + 2)]
    assert reasons(*many, amount=99_999) == [(MOST_TOGETHER + 1, "too_many")]


def test_every_coupon_that_is_not_used_has_its_reason() -> None:
    big, small = coupon(1, benefit=3_000, rule=Rule()), coupon(2, benefit=1_000)
    far, second = coupon(3, threshold_minor=99_000), coupon(4, item_id=1, benefit=3_000, rule=Rule())
    best = find_best([small, big, far, second], 5_000)
    assert [one.voucher_id for one in best.coupons] == [1]
    found = {one.coupon.voucher_id: (one.reason, one.other and one.other.voucher_id) for one in explain_others(
        [small, big, far, second], best, 5_000)}  # fmt: skip
    assert found == {2: ("not_together", 1), 3: ("below_threshold", None), 4: ("too_many_of_item", None)}
    # One that takes the rest leaves nothing to take for others; one that comes first would spoil a threshold.
    everything = coupon(5, benefit=9_000)
    best = find_best([everything, small], 5_000)
    assert [one.reason for one in explain_others([everything, small], best, 5_000)] == ["saves_nothing_more"]
    early = coupon(6, benefit=100, rule=Rule("everything", turn=1))
    late = coupon(7, benefit=4_000, threshold_minor=5_000)
    best = find_best([early, late], 5_000)
    assert [(one.reason, one.other and one.other.voucher_id) for one in explain_others([early, late], best, 5_000)] == [
        ("spoils_another", 7)
    ]
    # A seventh is one too many, also where it would be the first to take its turn.
    full = [coupon(number, benefit=500) for number in range(10, 10 + MOST_TOGETHER)]
    seventh = coupon(9, benefit=100, rule=Rule("everything", turn=1))
    best = find_best([*full, seventh], 9_000)
    assert [(one.reason, one.other) for one in explain_others([*full, seventh], best, 9_000)] == [("too_many", None)]


RULES = st.builds(
    Rule,
    combines=st.sampled_from(["nothing", "everything", "everything", "listed"]),
    combines_with=st.sampled_from([("care",), ("cash", "gift"), ("discount",)]),
    most_per_bill=st.integers(1, 3),
    exclusive_group=st.sampled_from([None, None, "a", "b"]),
    turn=st.integers(1, 3),
    threshold_of=st.sampled_from(["bill", "rest"]),
)


BENEFITS = st.sampled_from([1_000, 1_000, 1_500, 5_900]) | st.integers(1, 6_000)


@st.composite
def wallets(draw: st.DrawFn) -> list[Coupon]:
    """Up to nine coupons of up to five items."""
    items: list[dict[str, Any]] = [
        {
            "item_id": item, "purpose": draw(st.sampled_from(["ordinary", "care"])),
            "form": draw(st.sampled_from(["cash", "cash", "discount", "gift"])), "benefit": draw(BENEFITS),
            "threshold_minor": draw(st.sampled_from([0, 3_000, 8_000])), "partner_id": draw(st.sampled_from([None, None, 1])),
            "rule": draw(RULES),
        }
        for item in range(draw(st.integers(1, 5)))
    ]  # fmt: skip
    chosen = draw(st.lists(st.sampled_from(items), max_size=9))
    return [
        coupon(number, **facts, expires_at=END + timedelta(days=draw(st.integers(0, 3))))
        for number, facts in enumerate(chosen, 1)
    ]


@settings(max_examples=60)
@given(wallets(), st.sampled_from([0, 2_999, 3_000, 8_100, 12_345]))
def test_nothing_better_was_overlooked(wallet: list[Coupon], amount: int) -> None:
    best = find_best(wallet, amount)
    assert check(best.coupons, amount) == best
    possible = [
        found
        for size in range(min(len(wallet), MOST_TOGETHER) + 1)
        for chosen in combinations(wallet, size)
        if isinstance(found := check(chosen, amount), Combination)
    ]

    def rank(one: Combination) -> tuple[int, int, int, list[float]]:
        ends = sorted(used.coupon.expires_at for used in one.used)
        gifts = sum(used.coupon.form == "gift" for used in one.used)
        return one.saved_minor, gifts, -len(one.used), [-day.timestamp() for day in ends]

    assert rank(best) == max(map(rank, possible))
    objections = explain_others(wallet, best, amount)
    assert {one.coupon.voucher_id for one in objections} | {one.voucher_id for one in best.coupons} == {
        one.voucher_id for one in wallet
    }


@pytest.mark.parametrize(
    "terms",
    [
        lambda item: {"form": "discount"},
        lambda item: {"form": "discount", "threshold_minor": item * 100},
        lambda item: {"form": "discount", "benefit": 500 + item * 100},
        lambda item: {"form": "cash" if item % 3 else "discount", "benefit": 1_000 + item},
    ],
)
def test_a_full_wallet_is_compared_at_once(
    terms: Callable[[int], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    reckoned, saving = [0], stacking.saving

    def count(*arguments: Any) -> int | None:
        reckoned[0] += 1
        return saving(*arguments)

    monkeypatch.setattr(stacking, "saving", count)
    many = Rule("everything", most_per_bill=MOST_TOGETHER)
    wallet = [coupon(number, item_id=number % 16, rule=many, **terms(number % 16)) for number in range(96)]
    assert len(find_best(wallet, 50_000).used) == MOST_TOGETHER
    assert reckoned[0] < 3_000
