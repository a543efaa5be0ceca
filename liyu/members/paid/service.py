"""Buying a paid membership, and giving it back. Everything happens under the lock of the member's points account.

It begins when it is bought, or the day after the one of the same tier that the member has. It ends with its last day: nothing
renews by itself, and nothing is ever taken without being asked for.
"""

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.bulk import encode_rows, insert_of
from liyu.core.clock import local_date
from liyu.core.errors import IdempotencyConflictError, InvalidInputError, Reason
from liyu.core.i18n import N_, Message
from liyu.core.ledger.posting import TransferRow, post_transfers, reserve_ids, system_accounts
from liyu.core.money import POINTS
from liyu.members.errors import UnknownMemberError
from liyu.members.leads import lock_members
from liyu.members.paid.errors import NotBuyableError, NotReturnableError, UnknownPeriodError
from liyu.members.paid.plans import Plan, find_plan
from liyu.members.paid.queries import Period, find_period
from liyu.members.paid.rules import ONE_DAY, GivenBack, last_day_of
from liyu.members.personal.locking import MemberFacts, read_record
from liyu.members.points.lots import Draw, OpenLot, draw_points, usable_points
from liyu.members.points.put_back import SPENT_INTO, PutBack, put_back
from liyu.members.points.rows import INSERT_ENTRIES, MOVE_LOTS, LotEntryRow, net_lot_changes
from liyu.members.tiers.rules import PAID, PAID_RETURNED, Ladder, PaidTier, Standing, cover
from liyu.members.tiers.save import TierWrites, load_ladder, load_standings, save_tiers

BOUGHT = "membership"
GIVEN_BACK = "membership_return"
LONGEST_AHEAD = timedelta(days=3 * 366)
LONGEST_REASON = 200
LONGEST_REFERENCE = 100

_LOTS = """
    SELECT l.id, l.account_id, l.expires_on, l.remaining FROM lot l JOIN account a ON a.id = l.account_id
    WHERE a.member_id = %s AND a.kind = 'member_points' AND l.is_open"""
_ACCOUNT = "SELECT id FROM account WHERE member_id = %s AND kind = 'member_points'"
_END = """
    UPDATE paid_period SET ends_on = %(ends_on)s, returned_at = %(now)s, returned_points = %(points)s,
        returned_minor = %(minor)s, returned_by = %(actor)s, return_reason = %(reason)s
    WHERE id = %(id)s AND returned_at IS NULL"""
_LAST_DAY = """
    SELECT max(ends_on) FROM paid_period WHERE member_id = %s AND tier_id = %s AND returned_at IS NULL AND ends_on >= %s"""


class Sale(Struct, frozen=True):
    """Who buys what. Without `paid_minor` it is paid with points; otherwise the seller took the money outside of Liyu."""

    external_id: str
    plan: str
    reference: str
    """The seller's own number; the same sale again sells nothing more."""
    paid_minor: int | None = None


class _PeriodRow(Struct):
    member_id: int
    plan_id: int
    tier_id: int
    reference: str
    begins_on: date
    ends_on: date
    days: int
    points: int
    paid_minor: int
    return_days: int
    bought_on: date
    bought_at: datetime
    actor: str


async def sell_membership(
    connection: AsyncConnection[Any], sale: Sale, *, actor: str, now: datetime, zone: ZoneInfo
) -> Period:
    """Sell a paid membership, in the caller's transaction, and return it; the same sale again returns what was sold.

    Raises InvalidInputError, UnknownMemberError, UnknownPlanError, IdempotencyConflictError when the reference stands for
    another sale, or NotBuyableError with every reason.
    """
    if not 0 < len(sale.reference.strip()) <= LONGEST_REFERENCE:
        words = Message(N_("Must have 1 to %(most)s characters."), {"most": LONGEST_REFERENCE})
        raise InvalidInputError.of_fields({"reference": words})
    member, plan = await _lock_buyer(connection, sale.external_id), await find_plan(connection, sale.plan)
    if (known := await find_period(connection, sale.reference)) is not None:
        if (known.member_id, known.plan) != (member.id, plan.code) or (
            sale.paid_minor is not None and known.paid_minor != sale.paid_minor
        ):
            raise IdempotencyConflictError
        return known
    today, ladder, writes = local_date(now, zone), await load_ladder(connection), TierWrites()
    before = (await load_standings(connection, [member.id]))[member.id]
    standing = writes.settle(ladder, member.id, before, today, now)
    points = (plan.points or 0) if sale.paid_minor is None else 0
    lots = await _load_lots(connection, member.id)
    begins_on = standing.paid.until + ONE_DAY if standing.paid else today
    ends_on = last_day_of(begins_on, plan.months)
    reasons = _refusals(sale, plan, member, ladder, standing, usable_points(lots, today))
    if ends_on > today + LONGEST_AHEAD:
        reasons.append(
            Reason("too_far_ahead", Message(N_("It is paid for long enough: until %(day)s."), {"day": begins_on}))
        )
    if reasons:
        raise NotBuyableError(reasons=reasons)
    row = _PeriodRow(
        member.id, plan.id, plan.tier_id, sale.reference, begins_on, ends_on, (ends_on - begins_on).days + 1, points,
        sale.paid_minor or 0, plan.return_days, today, now, actor,
    )  # fmt: skip
    await connection.execute(insert_of("paid_period", _PeriodRow), (encode_rows([row]),))
    if points:
        await _spend(
            connection, sale.reference, points, draw_points(lots, points, today), lots[0].account_id, actor, now
        )
    covered, decisions = cover(ladder, standing, PaidTier(plan.tier_id, ends_on), PAID, begins_on)
    writes.note(member.id, covered, decisions, now, actor=actor)
    await save_tiers(connection, writes)
    return await _read(connection, sale.reference)


async def return_membership(
    connection: AsyncConnection[Any],
    reference: str,
    *,
    member_id: int | None = None,
    reason: str,
    actor: str,
    now: datetime,
    zone: ZoneInfo,
) -> Period:
    """Give a paid membership back by the stated rule (`rules.give_back`), in the caller's transaction; it ends at once.

    Points go back into their own lots. Money goes back where it was taken: `returned_minor` says how much. A second time changes
    nothing. With `member_id` only that member's own. Raises InvalidInputError, UnknownPeriodError, NotReturnableError.
    """
    if not 0 < len(reason.strip()) <= LONGEST_REASON:
        words = Message(N_("Must have 1 to %(most)s characters."), {"most": LONGEST_REASON})
        raise InvalidInputError.of_fields({"reason": words})
    sold = await _lock_period(connection, reference, member_id)
    today = local_date(now, zone)
    if sold.returned_at is not None:
        return sold
    if not sold.can_go_back(today):
        raise NotReturnableError
    back = sold.would_bring(today)
    values = {"id": sold.id, "ends_on": back.ends_on, "points": back.points, "minor": back.minor}
    await connection.execute(_END, values | {"now": now, "actor": actor, "reason": reason.strip()})
    await _give_points_back(connection, sold, back, actor, now, today)
    await _uncover(connection, sold, today, actor, now)
    return await _read(connection, reference)


async def _lock_buyer(connection: AsyncConnection[Any], external_id: str) -> MemberFacts:
    leads = await lock_members(connection, [external_id])
    found = await (
        await connection.execute("SELECT id FROM member WHERE external_id = %s", (leads.get(external_id, ""),))
    ).fetchone()
    if found is None:
        raise UnknownMemberError
    return await read_record(connection, found[0])


def _refusals(
    sale: Sale, plan: Plan, member: MemberFacts, ladder: Ladder, standing: Standing, usable: int
) -> list[Reason]:
    reasons = []
    if member.state != "active":
        reasons.append(Reason("member_not_active", Message(N_("The membership is not active."))))
    if not plan.offered:
        reasons.append(Reason("not_offered", Message(N_("It is not on offer any more."))))
    if ladder.step(standing.tier_id).rank >= plan.tier_rank:
        words = N_("There is nothing to buy: this tier or a higher one is already there without it.")
        reasons.append(Reason("tier_is_there", Message(words)))
    if standing.paid is not None and standing.paid.tier_id != plan.tier_id:
        words = N_("A paid membership of another tier runs through %(day)s. Give it back first, or wait for its end.")
        reasons.append(Reason("another_runs", Message(words, {"day": standing.paid.until})))
    if sale.paid_minor is None and plan.points is None:
        reasons.append(Reason("not_for_points", Message(N_("It is not sold for points."))))
    elif sale.paid_minor is None and plan.points is not None and usable < plan.points:
        words = N_("It costs %(points)s points; %(missing)s are missing.")
        figures = {"points": plan.points, "missing": plan.points - usable}
        reasons.append(Reason("not_enough_points", Message(words, figures), figures))
    return reasons


async def _load_lots(connection: AsyncConnection[Any], member_id: int) -> list[OpenLot]:
    found = await connection.execute(_LOTS, (member_id,))
    return [OpenLot(*row) for row in await found.fetchall()]


async def _spend(
    connection: AsyncConnection[Any],
    reference: str,
    points: int,
    draws: list[Draw],
    account_id: int,
    actor: str,
    now: datetime,
) -> None:
    accounts, (transfer_id,) = await system_accounts(connection), await reserve_ids(connection, "transfer", 1)
    transfer = TransferRow(
        id=transfer_id, debit_account_id=account_id, credit_account_id=accounts[SPENT_INTO], amount=points, unit=POINTS,
        event=BOUGHT, source=reference, reason=BOUGHT, actor=actor, key=f"{BOUGHT}:{reference}", at=now,
    )  # fmt: skip
    entries = [LotEntryRow(transfer_id, draw.lot_id, -draw.amount) for draw in draws]
    await post_transfers(connection, [transfer])
    await connection.execute(INSERT_ENTRIES, (encode_rows(entries),))
    await connection.execute(MOVE_LOTS, (encode_rows(net_lot_changes(entries)),))


async def _lock_period(connection: AsyncConnection[Any], reference: str, member_id: int | None) -> Period:
    """Lock its member, and read it again: whoever was merged meanwhile has taken it along."""
    locked, sold = None, await find_period(connection, reference)
    while sold is not None and sold.member_id != locked:
        locked = sold.member_id
        await connection.execute(f"{_ACCOUNT} FOR UPDATE", (locked,))
        sold = await find_period(connection, reference)
    if sold is None or member_id not in (None, sold.member_id):
        raise UnknownPeriodError
    return sold


async def _give_points_back(
    connection: AsyncConnection[Any], sold: Period, back: GivenBack, actor: str, now: datetime, today: date
) -> None:
    if not back.points:
        return
    (account_id,) = await (await connection.execute(_ACCOUNT, (sold.member_id,))).fetchone() or (0,)
    written = PutBack(GIVEN_BACK, sold.reference, GIVEN_BACK, actor, now)
    await put_back(
        connection, f"{BOUGHT}:{sold.reference}", account_id, written, today, already=0, wanted=back.points
    )  # fmt: skip


async def _uncover(connection: AsyncConnection[Any], sold: Period, today: date, actor: str, now: datetime) -> None:
    """The tier goes back to what growth value gives, or to the end of what is still paid for."""
    ladder, writes = await load_ladder(connection), TierWrites()
    before = (await load_standings(connection, [sold.member_id]))[sold.member_id]
    standing = writes.settle(ladder, sold.member_id, before, today, now)
    (until,) = await (await connection.execute(_LAST_DAY, (sold.member_id, sold.tier_id, today))).fetchone() or (None,)
    paid = None if until is None else PaidTier(sold.tier_id, until)
    uncovered, decisions = cover(ladder, standing, paid, PAID_RETURNED, today)
    writes.note(sold.member_id, uncovered, decisions, now, actor=actor)
    await save_tiers(connection, writes)


async def _read(connection: AsyncConnection[Any], reference: str) -> Period:
    found = await find_period(connection, reference)
    assert found is not None
    return found
