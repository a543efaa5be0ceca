"""Numbered print runs for campaigns: vouchers without a member, worth nothing until their numbers are activated.

Whoever bears an activated one may use it. A run's last day stands on its paper, so it is fixed when the run is made.
"""

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from psycopg import AsyncConnection

from liyu.core.clock import start_of_day
from liyu.core.errors import DomainError, InvalidInputError, NotFoundError
from liyu.core.i18n import N_, Message

MOST = 20_000


class NothingInRangeError(DomainError):
    """No voucher of these numbers waits for it: they were activated, withdrawn or ran out before."""

    code = "nothing_in_range"
    message = N_("No voucher of these numbers can be activated or withdrawn any more.")


_RUN = """
    INSERT INTO voucher_run (item_id, name, total, last_day, made_by, made_at)
    SELECT id, %(name)s, %(total)s, %(last_day)s, %(actor)s, %(now)s FROM item WHERE id = %(item)s RETURNING id"""
_VOUCHERS = """
    INSERT INTO voucher (item_id, partner_id, agreement_line_id, state, uses, uses_allowed, issued_at, expires_at, run_id,
        run_number)
    SELECT i.id, i.partner_id, i.agreement_line_id, 'printed', 0, i.uses, %(now)s, %(until)s, %(run)s, n
    FROM item i, generate_series(1, %(total)s) AS n WHERE i.id = %(item)s"""
_MOVE = """
    WITH due AS (
        SELECT id FROM voucher WHERE run_id = %(run)s AND run_number BETWEEN %(first)s AND %(last)s AND state = 'printed'
            AND expires_at > %(now)s ORDER BY id FOR UPDATE),
    moved AS (UPDATE voucher v SET state = %(state)s FROM due WHERE v.id = due.id RETURNING v.id)
    INSERT INTO voucher_transition (voucher_id, from_state, to_state, reason, actor, at)
    SELECT id, 'printed', %(state)s, %(reason)s, %(actor)s, %(now)s FROM moved ORDER BY id"""
_NOTE = """
    INSERT INTO voucher_run_activation (run_id, act, first, last, vouchers, reason, actor, at)
    VALUES (%(run)s, %(act)s, %(first)s, %(last)s, %(vouchers)s, %(reason)s, %(actor)s, %(now)s)"""
_STATES = {"activated": "issued", "withdrawn": "cancelled"}


async def make_run(
    connection: AsyncConnection[Any],
    item_id: int,
    *,
    name: str,
    total: int,
    last_day: date,
    actor: str,
    now: datetime,
    zone: ZoneInfo,
) -> int:
    """Number `total` vouchers of an item from 1 on, in the caller's transaction; returns the run's id.

    No till takes them yet. Raises InvalidInputError for a number that is not 1 to 20,000 or a day that is over, NotFoundError.
    """
    until = start_of_day(last_day + timedelta(days=1), zone)
    faults = {}
    if not 1 <= total <= MOST:
        faults["total"] = Message(
            N_("Enter a number from %(minimum)s to %(maximum)s."), {"minimum": 1, "maximum": MOST}
        )
    if until <= now:
        faults["last_day"] = Message(N_("This day is over."))
    if faults:
        raise InvalidInputError.of_fields(faults)
    values = {
        "item": item_id, "name": name, "total": total, "last_day": last_day, "until": until, "actor": actor, "now": now,
    }  # fmt: skip
    row = await (await connection.execute(_RUN, values)).fetchone()
    if row is None:
        raise NotFoundError
    await connection.execute(_VOUCHERS, values | {"run": row[0]})
    return int(row[0])


async def decide_range(
    connection: AsyncConnection[Any],
    run_id: int,
    act: str,
    *,
    first: int,
    last: int,
    reason: str,
    actor: str,
    now: datetime,
) -> int:
    """Let numbers of a run be used (`activated`) or never (`withdrawn`), in the caller's transaction; how many it changed.

    Each number is decided once. Raises NothingInRangeError.
    """
    values = {"run": run_id, "first": first, "last": last, "reason": reason, "actor": actor, "now": now}
    moved = (await connection.execute(_MOVE, values | {"state": _STATES[act]})).rowcount
    if not moved:
        raise NothingInRangeError
    await connection.execute(_NOTE, values | {"act": act, "vouchers": moved})
    return moved
