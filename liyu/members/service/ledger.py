"""The points of a merge: every lot, pending or usable, and every debt goes over by a transfer; the source's accounts end at 0."""

from datetime import date, datetime
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.members.points.lots import last_day
from liyu.members.points.rows import move_due
from liyu.members.program import load_terms


class PointsMoved(Struct):
    """What went over. Points are points; `debt` is positive."""

    usable: int = 0
    pending: int = 0
    debt: int = 0
    lots: int = 0


# The lot that lies on the target for each open lot of the source: same funder, last day and day of maturing.
_PAIRS = """
    SELECT l.id AS lot_id, l.account_id, t.id AS to_account_id, t.kind, l.funder, l.remaining, l.matures_on,
        coalesce(l.expires_on, %(first_day)s::date) AS expires_on
    FROM account s JOIN account t ON t.member_id = %(target)s AND t.kind = s.kind JOIN lot l ON l.account_id = s.id
    WHERE s.member_id = %(source)s AND l.is_open"""

_OPEN_LOTS = f"""
    INSERT INTO lot (account_id, funder, expires_on, matures_on, remaining)
    SELECT DISTINCT to_account_id, funder, expires_on, matures_on, 0 FROM ({_PAIRS}) AS pairs
    ON CONFLICT (account_id, expires_on, funder, matures_on) DO NOTHING"""

_MOVE_LOTS = f"""
    WITH due AS (
        SELECT p.*, t.id AS to_lot_id, nextval('transfer_id_seq') AS transfer_id
        FROM ({_PAIRS}) AS p JOIN lot t ON t.account_id = p.to_account_id AND t.funder = p.funder
            AND t.expires_on IS NOT DISTINCT FROM p.expires_on AND t.matures_on IS NOT DISTINCT FROM p.matures_on),
    transfers AS (
        INSERT INTO transfer (id, debit_account_id, credit_account_id, amount, unit, event, source, reason, actor, key, at)
        SELECT transfer_id, account_id, to_account_id, remaining, 'PTS', 'merge', %(origin)s, %(reason)s, %(actor)s,
            'merge:' || lot_id, %(now)s FROM due),
    {move_due()}
    SELECT coalesce(sum(remaining) FILTER (WHERE kind = 'member_points'), 0)::bigint,
        coalesce(sum(remaining) FILTER (WHERE kind = 'member_pending'), 0)::bigint, count(*) FROM due"""

_MOVE_DEBT = """
    WITH owed AS (
        SELECT s.id AS from_id, t.id AS to_id, -s.balance AS amount
        FROM account s JOIN account t ON t.member_id = %(target)s AND t.kind = s.kind
        WHERE s.member_id = %(source)s AND s.kind = 'member_debt' AND s.balance < 0),
    transfers AS (
        INSERT INTO transfer (debit_account_id, credit_account_id, amount, unit, event, source, reason, actor, key, at)
        SELECT to_id, from_id, amount, 'PTS', 'merge', %(origin)s, %(reason)s, %(actor)s, 'merge:debt:' || from_id, %(now)s
        FROM owed),
    balances AS (
        UPDATE account SET balance = balance + CASE account.id WHEN o.from_id THEN o.amount ELSE -o.amount END
        FROM owed o WHERE account.id IN (o.from_id, o.to_id))
    SELECT coalesce(sum(amount), 0)::bigint FROM owed"""


async def move_points(
    connection: AsyncConnection[Any],
    source: int,
    target: int,
    *,
    origin: str,
    reason: str,
    actor: str,
    now: datetime,
    activated_on: date | None,
) -> PointsMoved:
    """Move all points and debts of one member to another; the caller holds both locks.

    Each lot goes into the target's lot with the same funder, last day and day of maturing. With `activated_on`, points
    without a last day get the one of points earned on that day: the source had not been activated yet. A debt stays a debt,
    which future earnings pay first. The key of each transfer is that of the lot, which can therefore go over only once.
    """
    terms = await load_terms(connection)
    first_day = last_day(terms.expiry_policy, terms.expiry_months, activated_on) if activated_on else None
    values = {
        "source": source, "target": target, "origin": origin, "reason": reason, "actor": actor, "now": now,
        "first_day": first_day,
    }  # fmt: skip
    await connection.execute(_OPEN_LOTS, values)
    usable, pending, lots = await (await connection.execute(_MOVE_LOTS, values)).fetchone() or (0, 0, 0)
    (debt,) = await (await connection.execute(_MOVE_DEBT, values)).fetchone() or (0,)
    return PointsMoved(usable, pending, debt, lots)
