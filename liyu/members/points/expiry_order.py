"""Ordering another last day for points: what an operator may order, why not, and what it would do."""

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.clock import local_date
from liyu.core.errors import DomainError, IdempotencyConflictError, InvalidInputError
from liyu.core.i18n import N_, Message
from liyu.members.points.expiry import latest_extension, put_back_until
from liyu.members.points.expiry_change import carry_out_changes
from liyu.members.points.expiry_models import ACTIVATE, EXTEND, REINSTATE
from liyu.members.points.lots import last_day
from liyu.members.program import load_terms

LONGEST_REASON = 200
AT_ONCE = 5_000
"""An order for no more lots than this is carried out where it is given; a larger one is left to the worker."""


class NothingToMoveError(DomainError):
    """There are no such points."""

    code = "nothing_to_move"
    message = N_("There are no such points: nothing is left with this last day.")


class StaysLapsedError(DomainError):
    """The program's rule gives no grace."""

    code = "stays_lapsed"
    message = N_("By the program's rule lapsed points stay lapsed: it has no days of grace.")


class GraceOverError(DomainError):
    """The days of grace are over."""

    code = "grace_over"
    message = N_("Points with the last day %(day)s could be put back until %(until)s.")


class Weight(Struct, frozen=True):
    """What an order would move."""

    lots: int
    points: int
    members: int


class Order(Struct, frozen=True):
    """An order as it is given: a member's id or everybody, the last day that it is about, and for an extension the new one."""

    kind: str
    member_id: int | None
    from_day: date
    to_day: date | None
    reason: str
    key: str


class Given(Struct, frozen=True):
    """An order that was given; `is_new` is False when the same one was there already, `finished` when it is done."""

    id: int
    to_day: date
    is_new: bool
    finished: bool


_WEIGH_OPEN = """
    SELECT count(*), coalesce(sum(l.remaining), 0)::bigint, count(DISTINCT o.member_id)
    FROM lot l JOIN account o ON o.id = l.account_id
    WHERE l.is_open AND l.expires_on = %(day)s AND (%(member)s::bigint IS NULL OR o.member_id = %(member)s)"""

_WEIGH_LAPSED = """
    SELECT count(DISTINCT l.id), coalesce(sum(t.amount), 0)::bigint, count(DISTINCT o.member_id)
    FROM lot l JOIN account o ON o.id = l.account_id JOIN member b ON b.id = o.member_id AND b.state NOT IN ('closed', 'merged')
    JOIN lot_entry e ON e.lot_id = l.id JOIN transfer t ON t.id = e.transfer_id AND t.event = 'lapse'
    WHERE l.expires_on = %(day)s AND NOT EXISTS (SELECT FROM transfer r WHERE r.reversal_of = t.id)
        AND (%(member)s::bigint IS NULL OR o.member_id = %(member)s)"""

_INSERT = """
    INSERT INTO expiry_change (key, kind, member_id, from_day, to_day, reason, actor, at, lots, points)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, 0, 0) ON CONFLICT (key) DO NOTHING RETURNING id"""

_SAME = (
    "SELECT id, kind, member_id, from_day, to_day, reason, finished_at IS NOT NULL FROM expiry_change WHERE key = %s"
)

_UNDATED = """
    SELECT EXISTS (SELECT FROM lot l JOIN account o ON o.id = l.account_id
        WHERE o.member_id = %s AND l.is_open AND l.expires_on IS NULL)"""


async def weigh(connection: AsyncConnection[Any], kind: str, member_id: int | None, day: date) -> Weight:
    """What an extension or a reinstatement of points with this last day would move."""
    query = _WEIGH_LAPSED if kind == REINSTATE else _WEIGH_OPEN
    row = await (await connection.execute(query, {"day": day, "member": member_id})).fetchone()
    assert row is not None
    return Weight(*row)


async def check_order(
    connection: AsyncConnection[Any], order: Order, *, now: datetime, zone: ZoneInfo
) -> tuple[date, Weight]:
    """The new last day and what would move. Raises InvalidInputError, StaysLapsedError, GraceOverError or NothingToMoveError."""
    today = local_date(now, zone)
    faults = _faults_of(order, today)
    if faults:
        raise InvalidInputError.of_fields(faults)
    to_day = order.to_day if order.kind == EXTEND else await _grace_day(connection, order.from_day, today)
    assert to_day is not None
    weight = await weigh(connection, order.kind, order.member_id, order.from_day)
    if not weight.lots:
        raise NothingToMoveError
    return to_day, weight


async def give_order(
    connection: AsyncConnection[Any], order: Order, *, actor: str, now: datetime, zone: ZoneInfo
) -> Given:
    """Write an order down and, unless it is large, carry it out; in the caller's transaction.

    The same key with the same order does nothing more. Raises what `check_order` raises, and IdempotencyConflictError.
    """
    known = await _find_same(connection, order)
    if known is not None:
        return known
    to_day, weight = await check_order(connection, order, now=now, zone=zone)
    change = (order.kind, order.member_id, order.from_day, to_day, order.reason.strip(), actor, now)
    row = await (await connection.execute(_INSERT, (order.key, *change))).fetchone()
    if row is None:
        known = await _find_same(connection, order)
        assert known is not None
        return known
    if weight.lots <= AT_ONCE:
        await carry_out_changes(connection, now=now, only=int(row[0]))
    return Given(int(row[0]), to_day, is_new=True, finished=weight.lots <= AT_ONCE)


async def begin_validity(
    connection: AsyncConnection[Any], member_id: int, *, actor: str, now: datetime, zone: ZoneInfo
) -> None:
    """A pre-registered member was activated: what they collected gets its last day, counted from today."""
    terms = await load_terms(connection)
    to_day = last_day(terms.expiry_policy, terms.expiry_months, local_date(now, zone))
    if to_day is None or await (await connection.execute(_UNDATED, (member_id,))).fetchone() != (True,):
        return
    change = (f"activate:{member_id}", ACTIVATE, member_id, None, to_day, "activated", actor, now)
    row = await (await connection.execute(_INSERT, change)).fetchone()
    if row is not None:
        await carry_out_changes(connection, now=now, only=int(row[0]))


def _faults_of(order: Order, today: date) -> dict[str, Message]:
    faults: dict[str, Message] = {}
    if not order.reason.strip() or len(order.reason) > LONGEST_REASON:
        faults["reason"] = Message(N_("Must have 1 to %(most)s characters."), {"most": LONGEST_REASON})
    if order.kind == EXTEND:
        if order.from_day < today:
            faults["from_day"] = Message(N_("This day is over; what has lapsed can only be put back."))
        elif order.to_day is None or not order.from_day < order.to_day <= latest_extension(order.from_day):
            values = {"from_day": order.from_day + timedelta(days=1), "to_day": latest_extension(order.from_day)}
            faults["to_day"] = Message(N_("Choose a day from %(from_day)s to %(to_day)s."), values)
    elif order.from_day >= today:
        faults["from_day"] = Message(N_("This day is not over yet; nothing has lapsed."))
    return faults


async def _grace_day(connection: AsyncConnection[Any], from_day: date, today: date) -> date:
    days = (await load_terms(connection)).lapsed_grace_days
    until = put_back_until(from_day, days)
    if until is None:
        raise StaysLapsedError
    if until < today:
        raise GraceOverError(day=from_day, until=until)
    return today + timedelta(days=days)


async def _find_same(connection: AsyncConnection[Any], order: Order) -> Given | None:
    row = await (await connection.execute(_SAME, (order.key,))).fetchone()
    if row is None:
        return None
    change_id, kind, member_id, from_day, to_day, reason, finished = row
    wanted_day = to_day if order.kind == REINSTATE else order.to_day
    same = (kind, member_id, from_day, to_day, reason) == (
        order.kind, order.member_id, order.from_day, wanted_day, order.reason.strip(),
    )  # fmt: skip
    if not same:
        raise IdempotencyConflictError
    return Given(change_id, to_day, is_new=False, finished=finished)
