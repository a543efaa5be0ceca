"""What becomes of a member's tier: the rules, pure (docs/algorithms/tiers.md).

Growth value 成长值 is counted twice, from one record. `growth` counts towards rising: everything since joining or since a
validity was last decided. `period_growth` counts towards keeping: what came since the tier was last gained or kept.
"""

from datetime import date, timedelta

from msgspec import Struct
from msgspec.structs import replace

from liyu.members.points.lots import add_months, end_of_month

ONE_STEP = "one_step"
MATCHING = "matching"
FALL_POLICIES = (ONE_STEP, MATCHING)
"""Where a member falls who has not kept their tier: to the next lower one, or to the one that the period's growth reaches."""

THRESHOLD_REACHED = "threshold_reached"
RETAINED = "retained"
DOWNGRADED = "downgraded"
SET_BY_HAND = "set_by_hand"
HAND_ENDED = "hand_ended"
IMPORTED = "imported"
PAID = "paid"
PAID_ENDED = "paid_ended"
PAID_RETURNED = "paid_returned"


class TierStep(Struct, frozen=True):
    """A tier as the rules see it; the growth value of `threshold` is needed to rise into it and to keep it."""

    id: int
    rank: int
    threshold: int
    multiplier_basis_points: int
    validity_months: int


class Ladder(Struct, frozen=True):
    """The tiers of the program, the lowest first, and how one falls."""

    steps: list[TierStep]
    fall: str = ONE_STEP
    grace_days: int = 0

    def step(self, tier_id: int) -> TierStep:
        """The tier with this id."""
        return next(step for step in self.steps if step.id == tier_id)

    def reached(self, growth: int) -> TierStep:
        """The highest tier whose threshold is met; the lowest is everybody's."""
        return next((step for step in reversed(self.steps) if step.threshold <= growth), self.steps[0])

    def above(self, tier_id: int) -> TierStep | None:
        """The next higher tier."""
        higher = self.steps[self.steps.index(self.step(tier_id)) + 1 :]
        return higher[0] if higher else None

    def below(self, tier_id: int) -> TierStep:
        """The next lower tier; below the lowest there is nothing to fall into."""
        return self.steps[max(self.steps.index(self.step(tier_id)) - 1, 0)]

    def last_day(self, step: TierStep, begun_on: date) -> date | None:
        """The last day of a validity of whole months that began on a day; the lowest tier is valid without an end."""
        return None if step is self.steps[0] else end_of_month(add_months(begun_on, step.validity_months))


class PaidTier(Struct, frozen=True):
    """A tier that was bought, through its last day (docs/algorithms/paid.md)."""

    tier_id: int
    until: date


class Standing(Struct, frozen=True):
    """Where a member stands by growth value, and what they have bought on top of it."""

    tier_id: int
    period: int = 1
    """Counts the periods: every rise, every decision at the end of a validity and every change by hand begins the next one."""
    since: date | None = None
    """First day of the period; None is the day of joining."""
    until: date | None = None
    """Last day of the validity, grace not included."""
    growth: int = 0
    period_growth: int = 0
    counted_from: int = 1
    """The first period whose growth counts towards rising."""
    fallback_id: int | None = None
    """Set while the tier was set by hand: the tier from before, which is the least that comes back afterwards."""
    active: bool = True
    """The validity of those who are pre-registered begins with their activation."""
    paid: PaidTier | None = None
    """Lies over the tier of the growth value, which goes on counting underneath as if nothing had been bought."""


class GrowthPart(Struct, frozen=True):
    """Growth value that came or went (< 0), booked to one period."""

    period: int
    amount: int


class TierDecision(Struct, frozen=True):
    """A change of a member's standing, with its reason and the figures it rests on."""

    from_tier_id: int
    to_tier_id: int
    reason: str
    growth: int
    period_growth: int
    needed: int | None
    """The growth value that was asked for."""
    period: int
    """The period that begins."""
    since: date
    until: date | None


class Verdict(Struct, frozen=True):
    """What the end of a validity decides: the tier that follows, why, and the last day of the period that ends with it."""

    tier: TierStep
    reason: str
    needed: int | None
    ends_on: date


def held_tier(ladder: Ladder, standing: Standing) -> TierStep:
    """The tier that a member is in: the higher of the one that growth value gives and the one that was bought."""
    earned = ladder.step(standing.tier_id)
    if standing.paid is None:
        return earned
    return max(earned, ladder.step(standing.paid.tier_id), key=lambda step: step.rank)


def next_tier(ladder: Ladder, standing: Standing, day: date) -> Verdict | None:
    """What the end of the validity decides for a member on `day`; None while there is nothing to decide.

    Who has the growth on the last day keeps the tier from the next day on. Who has not is in their grace days; who still has
    not when those are over falls, by the program's policy.
    """
    if standing.until is None or day <= standing.until:
        return None
    current = ladder.step(standing.tier_id)
    if standing.fallback_id is not None:
        earned = ladder.reached(standing.growth)
        before = ladder.step(standing.fallback_id)
        return Verdict(max(earned, before, key=lambda step: step.rank), HAND_ENDED, None, standing.until)
    if standing.period_growth >= current.threshold:
        return Verdict(current, RETAINED, current.threshold, standing.until)
    ends_on = standing.until + timedelta(days=ladder.grace_days)
    if day <= ends_on:
        return None
    matching = ladder.fall == MATCHING
    lower = ladder.reached(standing.period_growth) if matching else ladder.below(current.id)
    return Verdict(lower, DOWNGRADED, current.threshold, ends_on)


def settle(ladder: Ladder, standing: Standing, day: date) -> tuple[Standing, list[TierDecision]]:
    """Decide every validity that has ended before `day`, one after the other: it is the same who asks, and when."""
    decisions = []
    while (verdict := next_tier(ladder, standing, day)) is not None:
        standing, ended = _end_paid(ladder, standing, verdict.ends_on + timedelta(days=1))
        decisions += ended
        since = verdict.ends_on + timedelta(days=1)
        until = ladder.last_day(verdict.tier, verdict.ends_on)
        standing, decision = _enter(standing, verdict.tier, verdict.reason, verdict.needed, since, until)
        if verdict.reason != HAND_ENDED:
            standing = replace(standing, growth=0, counted_from=standing.period)
        decisions.append(decision)
    standing, ended = _end_paid(ladder, standing, day)
    return standing, [*decisions, *ended]


def _end_paid(ladder: Ladder, standing: Standing, day: date) -> tuple[Standing, list[TierDecision]]:
    """A tier that was bought ends with its last day, and nothing follows it but what growth value gives."""
    if standing.paid is None or day <= standing.paid.until:
        return standing, []
    return cover(ladder, standing, None, PAID_ENDED, standing.paid.until + timedelta(days=1))


def cover(
    ladder: Ladder, standing: Standing, paid: PaidTier | None, reason: str, day: date
) -> tuple[Standing, list[TierDecision]]:
    """Lay a tier that was bought over the standing from `day` on, or take it away; no period begins or ends by it."""
    covered = replace(standing, paid=paid)
    before, after = held_tier(ladder, standing), held_tier(ladder, covered)
    decision = TierDecision(
        before.id, after.id, reason, standing.growth, standing.period_growth, None, standing.period, day,
        paid.until if paid else standing.until,
    )  # fmt: skip
    return covered, [decision]


def grow(
    ladder: Ladder, standing: Standing, amount: int, day: date
) -> tuple[Standing, list[GrowthPart], list[TierDecision]]:
    """Add growth value (or take it, < 0); a threshold that is reached lifts the tier at once.

    What is taken back comes out of the running period first and of the earlier ones then, and never goes below zero. It never
    throws anybody down at once: it is missing at the end of the period.
    """
    if amount < 0:
        lost = min(-amount, standing.growth)
        own = min(lost, standing.period_growth)
        parts = [GrowthPart(standing.period, -own), GrowthPart(standing.period - 1, own - lost)]
        lowered = replace(standing, growth=standing.growth - lost, period_growth=standing.period_growth - own)
        return lowered, [part for part in parts if part.amount], []
    parts = [GrowthPart(standing.period, amount)] if amount else []
    grown = replace(standing, growth=standing.growth + amount, period_growth=standing.period_growth + amount)
    risen, decisions = rise(ladder, grown, day)
    return risen, parts, decisions


def rise(ladder: Ladder, standing: Standing, day: date) -> tuple[Standing, list[TierDecision]]:
    """Lift the tier to what the growth value has reached; one set by hand gives way to a higher one than it and the former only."""
    reached = ladder.reached(standing.growth)
    held = [ladder.step(held).rank for held in (standing.tier_id, standing.fallback_id) if held is not None]
    if reached.rank <= max(held):
        return standing, []
    until = ladder.last_day(reached, day) if standing.active else None
    risen, decision = _enter(standing, reached, THRESHOLD_REACHED, reached.threshold, day, until)
    return risen, [decision]


def place(ladder: Ladder, standing: Standing, tier_id: int, until: date, day: date) -> tuple[Standing, TierDecision]:
    """Put a member into a tier by hand, from `day` through `until`. The growth value goes on counting towards rising."""
    before = standing.fallback_id or standing.tier_id
    placed, decision = _enter(standing, ladder.step(tier_id), SET_BY_HAND, None, day, until)
    return replace(placed, fallback_id=before), decision


def adopt(
    ladder: Ladder, standing: Standing, tier_id: int, until: date | None, day: date
) -> tuple[Standing, TierDecision]:
    """Take over a tier that a member brings along: valid through `until`, else as if it was gained on `day`."""
    step = ladder.step(tier_id)
    last = (until or ladder.last_day(step, day)) if standing.active else None
    return _enter(standing, step, IMPORTED, None, day, last)


def activate(ladder: Ladder, standing: Standing, day: date) -> Standing:
    """The validity of a tier gained while pre-registered begins on the day of activation."""
    until = standing.until or ladder.last_day(ladder.step(standing.tier_id), day)
    return replace(standing, until=until, active=True)


def _enter(
    standing: Standing, tier: TierStep, reason: str, needed: int | None, since: date, until: date | None
) -> tuple[Standing, TierDecision]:
    decision = TierDecision(
        standing.tier_id,
        tier.id,
        reason,
        standing.growth,
        standing.period_growth,
        needed,
        standing.period + 1,
        since,
        until,
    )
    entered = replace(
        standing,
        tier_id=tier.id,
        period=standing.period + 1,
        since=since,
        until=until,
        period_growth=0,
        fallback_id=None,
    )
    return entered, decision
