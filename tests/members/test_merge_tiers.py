"""Which tier two members have together, for any two standings."""

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from liyu.members.service.merge_tiers import join_standings
from liyu.members.tiers.rules import Ladder, Standing, TierStep

TODAY = date(2026, 11, 22)
LADDER = Ladder([TierStep(10 + rank, rank, rank * 1_000, 10_000, 24) for rank in range(4)])


@st.composite
def standings(draw: st.DrawFn) -> Standing:
    """A standing in the middle of its validity."""
    growth = draw(st.integers(0, 5_000))
    rank = draw(st.integers(growth // 1_000, 3)) if growth < 3_000 else 3
    until = draw(st.dates(TODAY, date(2029, 1, 1))) if rank else None
    period = draw(st.integers(1, 5))
    return Standing(10 + rank, period, TODAY, until, growth, draw(st.integers(0, growth)), 1)


@given(standings(), standings())
def test_nothing_is_lost_and_the_higher_tier_wins_with_its_validity(target: Standing, source: Standing) -> None:
    joined, parts, decisions = join_standings(LADDER, target, source, TODAY)
    ranks = {one: LADDER.step(one.tier_id).rank for one in (target, source, joined)}
    assert joined.growth == target.growth + source.growth
    assert ranks[joined] == max(ranks[target], ranks[source], LADDER.reached(joined.growth).rank)
    if ranks[joined] == max(ranks[target], ranks[source]) > 0:
        assert joined.until == max(one.until for one in (target, source) if one.until and ranks[one] == ranks[joined])
    # What is booked is what the two counts say.
    booked = {target.period: target.period_growth}
    for part in parts:
        booked[part.period] = booked.get(part.period, 0) + part.amount
    assert booked.get(joined.period, 0) == joined.period_growth
    assert sum(part.amount for part in parts) == source.growth
    assert all(part.amount for part in parts)
    assert (joined.tier_id != target.tier_id) <= bool(decisions)


@given(standings(), standings())
def test_the_same_tier_comes_out_in_whichever_direction(one: Standing, other: Standing) -> None:
    there, _, _ = join_standings(LADDER, one, other, TODAY)
    back, _, _ = join_standings(LADDER, other, one, TODAY)
    assert (there.tier_id, there.until, there.growth) == (back.tier_id, back.until, back.growth)


def test_a_tier_set_by_hand_falls_back_to_the_better_one_of_both() -> None:
    by_hand = Standing(13, 2, TODAY, date(2027, 1, 1), 0, 0, 1, fallback_id=10)
    earned = Standing(12, 1, TODAY, date(2028, 1, 1), 2_000, 2_000, 1)
    joined, _, _ = join_standings(LADDER, earned, by_hand, TODAY)
    assert (joined.tier_id, joined.until, joined.fallback_id) == (13, date(2027, 1, 1), 12)
