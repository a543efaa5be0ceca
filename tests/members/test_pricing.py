"""Pricing, the pure part: conditions, multipliers and caps, and what the lines say of them."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from liyu.members.points.pricing import Line, Occasion, Rule, is_birthday, price_event, streak_on

AT = datetime(2026, 9, 3, 4, 0, tzinfo=UTC)
DAY = date(2026, 9, 3)
RULE = Rule(
    id=1, code="purchase", version=4, event_type="purchase", points=1, growth=1, per_minor=100, tier_multiplied=True,
    daily_cap=None, yearly_cap=None, pending_days=0, valid_from=AT - timedelta(days=9), valid_to=None,
)  # fmt: skip
OCCASION = Occasion("purchase", 32_050, AT, DAY, tier_basis_points=12_000)


def lines_of(rule: Rule, occasion: Occasion, used: int = 0) -> list[Line]:
    return [one.line for one in price_event([rule], occasion, lambda code, period: used) if one.line is not None]


def test_tier_and_birthday_multiply_before_fractions_are_dropped() -> None:
    party = replace(RULE, birthday_basis_points=15_000, birthday_span="month")
    (plain,) = lines_of(party, OCCASION)
    (festive,) = lines_of(party, replace(OCCASION, birthday=date(1990, 9, 30)))
    assert (plain.points, plain.growth) == (384, 320)  # 320.50 × 1.2 = 384.6
    assert (festive.points, festive.growth) == (576, 320)  # 320.50 × 1.2 × 1.5 = 576.9
    assert (festive.multiplier_basis_points, festive.birthday_basis_points) == (12_000, 15_000)


@pytest.mark.parametrize(
    ("change", "occasion", "given_points"),
    [
        ({"condition": "first_time"}, {"is_first": True}, 384),
        ({"condition": "first_time"}, {"is_first": False}, None),
        ({"condition": "birthday"}, {"birthday": date(2001, 9, 3)}, 384),
        ({"condition": "birthday"}, {"birthday": date(2001, 9, 4)}, None),
        ({"condition": "birthday_month"}, {"birthday": date(2001, 9, 4)}, 384),
        ({"condition": "birthday_month"}, {"birthday": None}, None),
        ({"condition": "streak", "every_days": 7}, {"streak": 14}, 384),
        ({"condition": "streak", "every_days": 7}, {"streak": 13}, None),
        ({"condition": "streak", "every_days": 7}, {"streak": 0}, None),
        ({"valid_to": AT}, {}, None),
        ({"valid_from": AT}, {}, 384),
        ({"event_type": "share"}, {}, None),
    ],
)
def test_a_rule_gives_only_when_its_condition_is_met(
    change: dict[str, Any], occasion: dict[str, Any], given_points: int | None
) -> None:
    lines = lines_of(replace(RULE, **change), replace(OCCASION, **occasion))
    assert [line.points for line in lines] == ([] if given_points is None else [given_points])


def test_the_line_says_what_cut_it_and_from_what() -> None:
    capped = replace(RULE, daily_cap=300, yearly_cap=200, lifetime_cap=10_000)
    (line,) = lines_of(capped, OCCASION, used=150)
    assert (line.points, line.capped_from, line.cut_by) == (50, 384, "yearly_cap")
    (line,) = lines_of(capped, OCCASION, used=900)
    assert (line.points, line.capped_from) == (0, 384)


@given(st.integers(0, 10**12), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_no_cap_is_ever_passed_and_nothing_is_negative(amount: int, cap: int, used: int, tier: int) -> None:
    (line,) = lines_of(
        replace(RULE, yearly_cap=cap), replace(OCCASION, amount_minor=amount, tier_basis_points=tier), used
    )
    assert 0 <= line.points <= max(cap - used, 0)


def test_who_was_born_on_29_february_has_a_birthday_every_year() -> None:
    born = date(2000, 2, 29)
    assert [is_birthday(born, date(*day), "day") for day in ((2028, 2, 29), (2028, 2, 28), (2027, 2, 28), (2027, 3, 1))] == [
        True, False, True, False,
    ]  # fmt: skip


@given(st.sets(st.integers(1, 60)), st.integers(1, 60))
def test_a_streak_counts_back_to_the_first_gap(days: set[int], day: int) -> None:
    there = {DAY + timedelta(days=one) for one in days}
    streak = streak_on(there, DAY + timedelta(days=day))
    assert all(day - back in days for back in range(1, streak))
    assert day - streak not in days
