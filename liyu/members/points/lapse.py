"""Lapse and maturing: lots past their last day are taken once, pending lots become usable on their day (DESIGN §5).

Both work in portions of accounts, each portion one transaction, so that they can be killed at any point and simply run again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from psycopg import AsyncConnection

PORTION = 5_000

_DUE_TO_LAPSE = """
    SELECT DISTINCT m.id FROM lot l JOIN account o ON o.id = l.account_id
    JOIN account m ON m.member_id = o.member_id AND m.kind = 'member_points'
    WHERE l.remaining > 0 AND l.expires_on < %(day)s ORDER BY m.id LIMIT %(portion)s"""

_DUE_TO_MATURE = """
    SELECT DISTINCT m.id FROM lot l JOIN account o ON o.id = l.account_id AND o.kind = 'member_pending'
    JOIN account m ON m.member_id = o.member_id AND m.kind = 'member_points'
    WHERE l.remaining > 0 AND l.matures_on <= %(day)s ORDER BY m.id LIMIT %(portion)s"""

_LOCK = "SELECT id FROM account WHERE id = ANY(%(accounts)s) ORDER BY id FOR UPDATE"

_LAPSE = """
    WITH due AS (
        SELECT l.id AS lot_id, l.account_id, l.remaining, l.expires_on, nextval('transfer_id_seq') AS transfer_id
        FROM account m JOIN account o ON o.member_id = m.member_id JOIN lot l ON l.account_id = o.id
        WHERE m.id = ANY(%(accounts)s) AND l.remaining > 0 AND l.expires_on < %(day)s),
    transfers AS (
        INSERT INTO transfer (id, debit_account_id, credit_account_id, amount, unit, event, source, reason, actor, key, at)
        SELECT transfer_id, account_id, (SELECT id FROM account WHERE kind = 'points_lapsed'), remaining, 'PTS', 'lapse',
            'lot:' || lot_id, expires_on::text, %(actor)s, 'lapse:' || lot_id || ':' || transfer_id, %(now)s FROM due),
    entries AS (INSERT INTO lot_entry (transfer_id, lot_id, amount) SELECT transfer_id, lot_id, -remaining FROM due),
    lots AS (UPDATE lot SET remaining = 0 FROM due WHERE lot.id = due.lot_id),
    balances AS (
        UPDATE account SET balance = balance - d.amount
        FROM (SELECT account_id, sum(remaining) AS amount FROM due GROUP BY account_id) AS d WHERE account.id = d.account_id)
    SELECT count(*), coalesce(sum(remaining), 0)::bigint FROM due"""

_OPEN_LOTS = """
    INSERT INTO lot (account_id, funder, expires_on, matures_on, remaining)
    SELECT DISTINCT m.id, l.funder, l.expires_on, NULL::date, 0
    FROM account m JOIN account o ON o.member_id = m.member_id AND o.kind = 'member_pending' JOIN lot l ON l.account_id = o.id
    WHERE m.id = ANY(%(accounts)s) AND l.remaining > 0 AND l.matures_on <= %(day)s
    ON CONFLICT (account_id, expires_on, funder, matures_on) DO NOTHING"""

_MATURE = """
    WITH due AS (
        SELECT l.id AS lot_id, l.account_id, m.id AS to_account_id, t.id AS to_lot_id, l.remaining, l.matures_on,
            nextval('transfer_id_seq') AS transfer_id
        FROM account m JOIN account o ON o.member_id = m.member_id AND o.kind = 'member_pending' JOIN lot l ON l.account_id = o.id
        JOIN lot t ON t.account_id = m.id AND t.funder = l.funder AND t.expires_on IS NOT DISTINCT FROM l.expires_on
            AND t.matures_on IS NULL
        WHERE m.id = ANY(%(accounts)s) AND l.remaining > 0 AND l.matures_on <= %(day)s),
    transfers AS (
        INSERT INTO transfer (id, debit_account_id, credit_account_id, amount, unit, event, source, reason, actor, key, at)
        SELECT transfer_id, account_id, to_account_id, remaining, 'PTS', 'mature', 'lot:' || lot_id, matures_on::text,
            %(actor)s, 'mature:' || lot_id || ':' || transfer_id, %(now)s FROM due),
    entries AS (
        INSERT INTO lot_entry (transfer_id, lot_id, amount)
        SELECT transfer_id, lot_id, -remaining FROM due UNION ALL SELECT transfer_id, to_lot_id, remaining FROM due),
    lots AS (
        UPDATE lot SET remaining = lot.remaining + d.amount FROM (
            SELECT id, sum(amount) AS amount FROM (
                SELECT lot_id AS id, -remaining AS amount FROM due UNION ALL SELECT to_lot_id, remaining FROM due) AS moves
            GROUP BY id) AS d
        WHERE lot.id = d.id),
    balances AS (
        UPDATE account SET balance = balance + d.amount FROM (
            SELECT id, sum(amount) AS amount FROM (
                SELECT account_id AS id, -remaining AS amount FROM due UNION ALL SELECT to_account_id, remaining FROM due) AS moves
            GROUP BY id) AS d
        WHERE account.id = d.id)
    SELECT count(*), coalesce(sum(remaining), 0)::bigint FROM due"""


@dataclass(slots=True)
class Moved:
    """How many lots were moved, and how many points with them."""

    lots: int = 0
    points: int = 0


async def lapse_points(
    connection: AsyncConnection[Any],
    day: date,
    *,
    actor: str,
    now: datetime,
    report: Callable[[Moved], None] | None = None,
) -> Moved:
    """Lapse every lot whose last day lies before `day`: one transfer per lot. The connection must be in no transaction."""
    return await _in_portions(connection, (_DUE_TO_LAPSE, _LAPSE), {"day": day, "actor": actor, "now": now}, report)


async def mature_points(
    connection: AsyncConnection[Any],
    day: date,
    *,
    actor: str,
    now: datetime,
    report: Callable[[Moved], None] | None = None,
) -> Moved:
    """Make pending points usable whose day has come. The connection must be in no transaction."""
    return await _in_portions(
        connection, (_DUE_TO_MATURE, _OPEN_LOTS, _MATURE), {"day": day, "actor": actor, "now": now}, report
    )


async def _in_portions(
    connection: AsyncConnection[Any],
    statements: tuple[str, ...],
    values: dict[str, Any],
    report: Callable[[Moved], None] | None,
) -> Moved:
    due, *preparations, move = statements
    moved = Moved()
    while True:
        async with connection.transaction():
            found = await connection.execute(due, values | {"portion": PORTION})
            accounts = [row[0] for row in await found.fetchall()]
            if not accounts:
                return moved
            await connection.execute(_LOCK, {"accounts": accounts})
            for statement in preparations:
                await connection.execute(statement, values | {"accounts": accounts})
            lots, points = await (await connection.execute(move, values | {"accounts": accounts})).fetchone() or (0, 0)
        moved.lots += lots
        moved.points += points
        if report is not None:
            report(moved)
