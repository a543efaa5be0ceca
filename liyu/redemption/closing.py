"""Closing a membership for good 注销: points are given up, the person is erased, the books stay and still balance.

Vouchers stay good until their last day for whoever holds the code or the paper: they were paid for.
"""

from datetime import datetime
from typing import Any

import structlog
from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.personal import erase_personal_data
from liyu.members.errors import MemberClosedError
from liyu.members.personal.closing import finish_closing, list_due
from liyu.members.personal.errors import AlreadyErasedError, OpenOrdersError
from liyu.members.personal.locking import lock_member
from liyu.members.personal_data import find_person
from liyu.members.points.forfeit import Forfeited, forfeit_points
from liyu.redemption.personal_data import PERSONAL_DATA

MEMBER_LEFT = "account_closed"
"""The reason of the last change of state."""
MOST_AT_ONCE = 500
SENT_KINDS = ("goods", "top_up")
"""What is delivered to the person, and cannot be once nobody knows who that is."""

log = structlog.get_logger()

_OPEN_ORDERS = """
    SELECT r.number FROM redemption r JOIN item i ON i.id = r.item_id
    WHERE r.member_id = %s AND i.kind = ANY(%s) AND r.state IN ('held', 'confirmed', 'fulfilling') ORDER BY r.id"""
_HOLDINGS = """
    SELECT p.balance AS points, w.balance AS pending, -d.balance AS debt,
        v.vouchers, v.last_voucher
    FROM account p JOIN account w ON w.member_id = p.member_id AND w.kind = 'member_pending'
    JOIN account d ON d.member_id = p.member_id AND d.kind = 'member_debt'
    CROSS JOIN (SELECT count(*) AS vouchers, max(v.expires_at) AS last_voucher FROM voucher v
        WHERE (v.holder_id = %(member)s OR (v.holder_id IS NULL AND v.member_id = %(member)s))
            AND v.state IN ('issued', 'partly_used') AND v.expires_at > %(now)s) AS v
    WHERE p.member_id = %(member)s AND p.kind = 'member_points'"""


class Holdings(Struct, frozen=True):
    """What a member would leave behind, to be told before they confirm."""

    points: int
    pending: int
    debt: int
    vouchers: int
    last_voucher: datetime | None
    open_orders: list[str]


async def load_holdings(connection: AsyncConnection[Any], member_id: int, now: datetime) -> Holdings:
    """What a member holds and what is still on its way to them."""
    found = await connection.execute(_HOLDINGS, {"member": member_id, "now": now})
    points, pending, debt, vouchers, last_voucher = await found.fetchone() or (0, 0, 0, 0, None)
    return Holdings(points, pending, debt, vouchers, last_voucher, await _open_orders(connection, member_id))


async def close_account(connection: AsyncConnection[Any], member_id: int, *, actor: str, now: datetime) -> Forfeited:
    """Close and erase a member, and those merged into them, in the caller's transaction. Nobody can sign in afterwards.

    The phone is free for a new account. Raises OpenOrdersError while something is on its way, AlreadyErasedError, MemberClosedError
    for somebody who was merged, or NotFoundError.
    """
    member = await lock_member(connection, member_id)
    if member.erased_at is not None:
        raise AlreadyErasedError
    if member.state == "merged":
        # Whoever they were merged into stands for both.
        raise MemberClosedError
    orders = await _open_orders(connection, member_id)
    if orders:
        raise OpenOrdersError(orders=", ".join(orders))
    forfeited = await forfeit_points(connection, member_id, actor=actor, now=now)
    if member.state != "closed":
        await _close(connection, member_id, member.state, actor, now)
    person = await find_person(connection, member_id)
    await erase_personal_data(connection, PERSONAL_DATA, person)
    await connection.execute("UPDATE member SET erased_at = %s WHERE id = ANY(%s)", (now, person.members))
    await finish_closing(connection, member_id, now=now)
    return forfeited


async def close_due_accounts(connection: AsyncConnection[Any], now: datetime, *, actor: str) -> int:
    """Carry out the wishes that are due, each in a transaction of its own; returns how many.

    Who has an order on its way is left to a later run. The connection must be in no transaction.
    """
    closed = 0
    for member_id in await list_due(connection, now, MOST_AT_ONCE):
        try:
            async with connection.transaction():
                await close_account(connection, member_id, actor=actor, now=now)
        except OpenOrdersError as waiting:
            log.info("closing_waits_for_orders", member=member_id, orders=waiting.values["orders"])
            continue
        closed += 1
    return closed


async def _open_orders(connection: AsyncConnection[Any], member_id: int) -> list[str]:
    found = await connection.execute(_OPEN_ORDERS, (member_id, list(SENT_KINDS)))
    return [row[0] for row in await found.fetchall()]


async def _close(connection: AsyncConnection[Any], member_id: int, state: str, actor: str, now: datetime) -> None:
    await connection.execute("UPDATE member SET state = 'closed' WHERE id = %s", (member_id,))
    await connection.execute(
        "INSERT INTO member_state_change (member_id, from_state, to_state, reason, actor, at) VALUES (%s, %s, %s, %s, %s, %s)",
        (member_id, state, "closed", MEMBER_LEFT, actor, now),
    )
