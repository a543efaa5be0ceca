"""The rules of tiers, pure: rising at once, keeping, falling, grace, returns, tiers set by hand."""

from datetime import date, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from liyu.members.tiers.rules import (
    DOWNGRADED,
    FALL_POLICIES,
    HAND_ENDED,
    MATCHING,
    RETAINED,
    THRESHOLD_REACHED,
    Ladder,
    Standing,
    TierStep,
    activate,
    grow,
    next_tier,
    place,
    settle,
)

STEPS = [TierStep(10, 1, 0, 10_000, 24), TierStep(20, 2, 1_000, 10_000, 24), TierStep(30, 3, 3_000, 10_000, 24)]
LADDER = Ladder(STEPS)
TODAY = date(2026, 11, 22)
GOLD = Standing(30, period=3, since=TODAY, until=date(2028, 11, 30), growth=3_400, period_growth=400)

ladders = st.builds(
    lambda gaps, months, fall, grace: Ladder(
        [TierStep(rank, rank, sum(gaps[: rank - 1]), 10_000, months[rank - 1]) for rank in range(1, len(gaps) + 2)],
        fall,
        grace,
    ),
    st.lists(st.integers(1, 2_000), min_size=1, max_size=4),
    st.lists(st.integers(12, 24), min_size=5, max_size=5),
    st.sampled_from(FALL_POLICIES),
    st.integers(0, 40),
)
happenings = st.lists(st.tuples(st.integers(0, 200), st.integers(-2_500, 2_500)), max_size=25)


def test_a_threshold_lifts_at_once_and_the_validity_is_counted_from_then() -> None:
    risen, parts, (decision,) = grow(LADDER, Standing(10), 1_000, TODAY)
    assert (risen.tier_id, risen.until, risen.growth, risen.period_growth) == (20, date(2028, 11, 30), 1_000, 0)
    assert [(one.period, one.amount) for one in parts] == [(1, 1_000)]
    assert (decision.reason, decision.needed, decision.since) == (THRESHOLD_REACHED, 1_000, TODAY)


def test_no_tier_is_skipped_or_given_below_its_threshold() -> None:
    # frappe/erpnext#22167: the first tier skipped, the minimum ignored
    for growth, tier_id in ((999, 10), (1_000, 20), (2_999, 20), (3_000, 30)):
        assert grow(LADDER, Standing(10), growth, TODAY)[0].tier_id == tier_id


def test_growth_goes_on_counting_towards_the_next_tier_after_a_rise() -> None:
    silver, _, _ = grow(LADDER, Standing(10), 1_000, TODAY)
    assert grow(LADDER, silver, 1_999, TODAY)[0].tier_id == 20
    assert grow(LADDER, silver, 2_000, TODAY)[0].tier_id == 30


def test_who_has_the_growth_on_the_last_day_keeps_the_tier_from_the_next_day_on() -> None:
    kept = replace(GOLD, period_growth=3_000)
    assert next_tier(LADDER, kept, GOLD.until or TODAY) is None
    standing, (decision,) = settle(LADDER, kept, date(2028, 12, 1))
    assert (decision.reason, decision.period_growth, decision.needed) == (RETAINED, 3_000, 3_000)
    assert (standing.tier_id, standing.since, standing.until) == (30, date(2028, 12, 1), date(2030, 11, 30))
    assert (standing.growth, standing.period_growth) == (0, 0)


def test_one_growth_short_falls_one_step_or_to_the_matching_tier() -> None:
    day = date(2028, 12, 1)
    short = replace(GOLD, period_growth=2_999)
    assert [settle(LADDER, short, day)[0].tier_id, settle(replace(LADDER, fall=MATCHING), short, day)[0].tier_id] == [
        20,
        20,
    ]
    little = replace(GOLD, period_growth=999)
    assert [settle(LADDER, little, day)[0].tier_id, settle(replace(LADDER, fall=MATCHING), little, day)[0].tier_id] == [
        20,
        10,
    ]
    fallen, (decision,) = settle(LADDER, little, day)
    assert (decision.reason, decision.period_growth, decision.needed) == (DOWNGRADED, 999, 3_000)
    assert fallen.until == date(2030, 11, 30)


def test_growth_of_the_grace_days_still_keeps_the_tier() -> None:
    ladder = replace(LADDER, grace_days=15)
    assert settle(ladder, GOLD, date(2028, 12, 15)) == (GOLD, [])
    in_grace, _, _ = grow(ladder, GOLD, 2_600, date(2028, 12, 10))
    kept, (decision,) = settle(ladder, in_grace, date(2028, 12, 11))
    assert (decision.reason, kept.since, kept.until) == (RETAINED, date(2028, 12, 1), date(2030, 11, 30))
    fallen, (decision,) = settle(ladder, GOLD, date(2028, 12, 16))
    assert (decision.reason, fallen.since) == (DOWNGRADED, date(2028, 12, 16))


def test_after_falling_the_way_up_begins_anew() -> None:
    fallen, _ = settle(LADDER, GOLD, date(2028, 12, 1))
    again, _, decisions = grow(LADDER, fallen, 1, date(2028, 12, 2))
    assert (again.tier_id, decisions) == (20, [])  # 3,400 of long ago lift nobody


def test_a_return_takes_growth_back_but_throws_nobody_down() -> None:
    returned, parts, decisions = grow(LADDER, GOLD, -3_900, TODAY)
    assert (returned.tier_id, returned.until, returned.growth, returned.period_growth) == (30, GOLD.until, 0, 0)
    assert decisions == []
    assert [(one.period, one.amount) for one in parts] == [(3, -400), (2, -3_000)]
    assert settle(LADDER, returned, date(2028, 12, 1))[0].tier_id == 20  # it is missing at the end


def test_a_tier_set_by_hand_ends_on_its_day_in_the_former_tier_or_in_the_one_reached() -> None:
    silver = Standing(20, period=2, until=date(2027, 6, 30), growth=1_200, period_growth=200)
    gold, decision = place(LADDER, silver, 30, date(2027, 3, 31), TODAY)
    assert (gold.tier_id, gold.until, gold.fallback_id, decision.reason) == (30, date(2027, 3, 31), 20, "set_by_hand")
    back, (ended,) = settle(replace(LADDER, grace_days=30), gold, date(2027, 4, 1))
    assert (back.tier_id, back.fallback_id, back.growth, ended.reason) == (20, None, 1_200, HAND_ENDED)
    earned, _, _ = grow(LADDER, gold, 1_800, date(2027, 1, 1))
    assert settle(LADDER, earned, date(2027, 4, 1))[0].tier_id == 30


def test_a_lower_tier_set_by_hand_is_not_lifted_by_growth_that_was_there_before() -> None:
    lowered, _ = place(LADDER, GOLD, 10, date(2027, 3, 31), TODAY)
    assert grow(LADDER, lowered, 50, TODAY)[0].tier_id == 10
    assert settle(LADDER, lowered, date(2027, 4, 1))[0].tier_id == 30


def test_the_validity_of_the_pre_registered_begins_with_activation() -> None:
    early, _, _ = grow(LADDER, Standing(10, active=False), 1_500, date(2020, 1, 1))
    assert (early.tier_id, early.until) == (20, None)
    assert settle(LADDER, early, TODAY) == (early, [])
    assert activate(LADDER, early, TODAY).until == date(2028, 11, 30)


@given(ladders, happenings)
def test_any_history_keeps_the_rules(ladder: Ladder, history: list[tuple[int, int]]) -> None:
    standing, day = Standing(1), TODAY
    booked: dict[int, int] = {}
    for days, amount in history:
        day += timedelta(days=days)
        before = standing
        standing, decisions = settle(ladder, standing, day)
        assert settle(ladder, standing, day) == (standing, [])
        for one in decisions:
            step, to = ladder.step(one.from_tier_id), ladder.step(one.to_tier_id)
            assert one.needed == step.threshold
            if one.reason == RETAINED:
                assert one.period_growth >= step.threshold
                assert to == step
            else:
                assert one.period_growth < step.threshold
                lower = ladder.reached(one.period_growth) if ladder.fall == MATCHING else ladder.below(step.id)
                assert to == lower
                assert to.rank < step.rank
        if before.until is None or day <= before.until:
            assert decisions == []
        held = standing
        standing, parts, risen = grow(ladder, standing, amount, day)
        for part in parts:
            booked[part.period] = booked.get(part.period, 0) + part.amount
        assert ladder.step(standing.tier_id).rank >= ladder.step(held.tier_id).rank
        if amount <= 0:
            assert (standing.tier_id, standing.until, risen) == (held.tier_id, held.until, [])
        else:
            assert ladder.step(standing.tier_id).rank >= ladder.reached(standing.growth).rank
        assert 0 <= standing.period_growth <= standing.growth
        assert standing.period_growth == booked.get(standing.period, 0)
        assert standing.growth == sum(amount for period, amount in booked.items() if period >= standing.counted_from)
        assert (standing.until is None) == (standing.tier_id == ladder.steps[0].id)


@given(ladders, st.integers(0, 5_000), st.integers(0, 2_000), st.lists(st.integers(0, 3_000), min_size=1, max_size=5))
def test_it_does_not_matter_how_often_and_when_one_evaluates(
    ladder: Ladder, growth: int, more: int, waits: list[int]
) -> None:
    begun, _, _ = grow(ladder, Standing(1), growth, TODAY)
    begun, _, _ = grow(ladder, begun, more, TODAY + timedelta(days=30))
    days = [TODAY + timedelta(days=wait) for wait in sorted(waits)]
    often = begun
    for day in days:
        often, _ = settle(ladder, often, day)
    once, decisions = settle(ladder, begun, days[-1])
    assert once == often
    assert all(one.since < other.since for one, other in pairwise(decisions))
