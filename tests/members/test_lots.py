"""The pure rules of lots."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liyu.members.points.lots import OpenLot, draw_points, last_day, spending_order, usable_points

DAYS = st.dates(date(2026, 1, 1), date(2028, 12, 31))
LOT = st.builds(OpenLot, st.integers(1, 99), st.just(1), st.none() | DAYS, st.integers(0, 1_000))
LOTS = st.lists(LOT, unique_by=lambda lot: lot.id)


@pytest.mark.parametrize(
    ("policy", "months", "earned", "expected"),
    [
        ("year_end", 0, date(2025, 1, 1), date(2026, 12, 31)),
        ("year_end", 0, date(2025, 12, 31), date(2026, 12, 31)),
        ("rolling", 12, date(2025, 2, 10), date(2026, 2, 28)),
        ("rolling", 24, date(2026, 2, 1), date(2028, 2, 29)),
        ("never", 0, date(2025, 1, 1), None),
    ],
)
def test_the_last_day_follows_the_policy(policy: str, months: int, earned: date, expected: date | None) -> None:
    assert last_day(policy, months, earned) == expected


@given(LOTS, st.integers(1, 5_000), DAYS)
def test_points_are_drawn_from_the_earliest_expiry_and_never_from_a_lapsed_lot(
    lots: list[OpenLot], amount: int, today: date
) -> None:
    draws = draw_points(lots, amount, today)
    by_id = {lot.id: lot for lot in lots}
    assert sum(draw.amount for draw in draws) == min(amount, usable_points(lots, today))
    assert all(0 < draw.amount <= by_id[draw.lot_id].remaining for draw in draws)
    usable = [
        lot for lot in spending_order(lots) if lot.remaining and (lot.expires_on is None or lot.expires_on >= today)
    ]
    assert [draw.lot_id for draw in draws] == [lot.id for lot in usable[: len(draws)]]
    assert all(draw.amount == by_id[draw.lot_id].remaining for draw in draws[:-1])
