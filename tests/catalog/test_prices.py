"""What a point is worth in an item."""

from decimal import Decimal

from liyu.catalog.prices import worth_of_hundred, worth_per_point


def test_a_point_is_worth_what_the_item_is_beyond_its_cash_part() -> None:
    assert worth_per_point("goods", 1_000, 9_900, 22_400) == Decimal("12.5")
    assert worth_per_point("goods", 0, 0, 22_400) is None
    assert worth_per_point("goods", 1_000, 9_900, 9_900) is None


def test_people_are_told_the_worth_of_a_hundred_points_in_whole_minor_units() -> None:
    assert worth_of_hundred("goods", 180, 0, 1_900) == 1_056
    assert worth_of_hundred("goods", 190, 0, 1_900) == 1_000
    assert worth_of_hundred("goods", 1_000, 9_900, 22_400) == 1_250
    assert worth_of_hundred("draw", 60, 0, 136_000) is None


def test_an_entry_in_a_draw_is_not_worth_its_prize() -> None:
    assert worth_per_point("draw", 60, 0, 136_000) is None
