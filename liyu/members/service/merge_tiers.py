"""Which tier two members have together: the higher one with its validity, and the growth value of both. Pure."""

from datetime import date, timedelta

from msgspec.structs import replace

from liyu.members.tiers.rules import GrowthPart, Ladder, PaidTier, Standing, TierDecision, cover, rise

MERGED = "merged"


def join_standings(
    ladder: Ladder, target: Standing, source: Standing, day: date
) -> tuple[Standing, list[GrowthPart], list[TierDecision]]:
    """The standing of the target with the source's growth value; both have been settled up to `day`.

    The higher tier wins with its validity, of equal ones the one that is valid longer. All of the source's growth value
    counts in the period that runs, which favours the member, and may lift the tier further.
    """
    parts: list[GrowthPart] = []
    decisions: list[TierDecision] = []
    joined, carried = target, source.growth
    if _outranks(ladder, source, target):
        # What the target has earned in its period counts towards keeping the tier that it takes over.
        parts.append(GrowthPart(target.period, -target.period_growth))
        carried += target.period_growth
        joined = _take_over(ladder, target, source, day)
    parts.append(GrowthPart(joined.period, carried))
    joined = replace(joined, growth=target.growth + source.growth, period_growth=joined.period_growth + carried)
    if joined.period != target.period:
        decisions.append(
            TierDecision(
                target.tier_id, joined.tier_id, MERGED, joined.growth, joined.period_growth, None, joined.period, day,
                joined.until,
            )
        )  # fmt: skip
    risen, rises = rise(ladder, joined, day)
    covered, paid = _join_paid(ladder, risen, source, day)
    return covered, [part for part in parts if part.amount], [*decisions, *rises, *paid]


def _join_paid(ladder: Ladder, target: Standing, source: Standing, day: date) -> tuple[Standing, list[TierDecision]]:
    """The days that the source has paid for follow those of the target; two different tiers are not merged at all."""
    if source.paid is None:
        return target, []
    until = source.paid.until + paid_shift(target, day)
    return cover(ladder, target, PaidTier(source.paid.tier_id, until), MERGED, day)


def paid_shift(target: Standing, day: date) -> timedelta:
    """By how much the days move that the source has paid for, so that they follow those of the target."""
    return target.paid.until - day + timedelta(days=1) if target.paid else timedelta()


def _outranks(ladder: Ladder, source: Standing, target: Standing) -> bool:
    ranks = [ladder.step(one.tier_id).rank for one in (source, target)]
    if ranks[0] != ranks[1]:
        return ranks[0] > ranks[1]
    return target.until is not None and (source.until is None or source.until > target.until)


def _take_over(ladder: Ladder, target: Standing, source: Standing, day: date) -> Standing:
    until = source.until or ladder.last_day(ladder.step(source.tier_id), day)
    fallback = None
    if source.fallback_id is not None:
        own = target.fallback_id or target.tier_id
        fallback = max(source.fallback_id, own, key=lambda tier_id: ladder.step(tier_id).rank)
    return replace(
        target, tier_id=source.tier_id, period=target.period + 1, since=day, until=until, period_growth=0,
        fallback_id=fallback,
    )  # fmt: skip
