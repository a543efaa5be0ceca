"""Opening balances 期初积分: points that members bring along enter by transfers into dated lots, and leave by reversals."""

from typing import Any

from psycopg import AsyncConnection

from liyu.members.points.post import FUNDER

_NOTE = """
    WITH due AS (
        SELECT r.row, r.member_id, r.points, r.expires_on, -d.balance AS debt,
            sum(r.points) OVER (PARTITION BY r.member_id ORDER BY r.row) - r.points AS before
        FROM member_import_row r JOIN account d ON d.member_id = r.member_id AND d.kind = 'member_debt'
        WHERE r.import_id = %(import)s AND r.lead BETWEEN %(first)s AND %(last)s AND r.opens AND r.applied_at IS NULL)
    INSERT INTO opening_balance (import_id, row, member_id, points, repaid, expires_on, at)
    SELECT %(import)s, row, member_id, points, least(points, greatest(debt - before, 0)), expires_on, %(now)s FROM due"""

# OFFSET 0 keeps the balances outermost: statistics that were taken meanwhile say that none is without a transfer, and a plan that
# believes them goes through all accounts for each.
_OPEN_LOTS = """
    INSERT INTO lot (account_id, funder, expires_on, matures_on, remaining)
    SELECT a.id, %(funder)s, o.expires_on, NULL::date, 0
    FROM opening_balance o CROSS JOIN LATERAL (
        SELECT id FROM account a WHERE a.member_id = o.member_id AND a.kind = 'member_points' OFFSET 0) AS a
    WHERE o.import_id = %(import)s AND o.transfer_id IS NULL AND o.repaid < o.points
    ORDER BY a.id, o.expires_on ON CONFLICT (account_id, expires_on, funder, matures_on) DO NOTHING"""

_POST = """
    WITH due AS (
        SELECT o.id, o.points - o.repaid AS usable, o.repaid, p.id AS points_account, d.id AS debt_account, l.id AS lot_id,
            CASE WHEN o.repaid < o.points THEN nextval('transfer_id_seq') END AS transfer_id,
            CASE WHEN o.repaid > 0 THEN nextval('transfer_id_seq') END AS repay_id
        FROM opening_balance o
        CROSS JOIN LATERAL (
            SELECT id FROM account p WHERE p.member_id = o.member_id AND p.kind = 'member_points' OFFSET 0) AS p
        CROSS JOIN LATERAL (
            SELECT id FROM account d WHERE d.member_id = o.member_id AND d.kind = 'member_debt' OFFSET 0) AS d
        LEFT JOIN LATERAL (
            SELECT id FROM lot l WHERE o.repaid < o.points AND l.account_id = p.id AND l.funder = %(funder)s
                AND l.matures_on IS NULL AND l.expires_on IS NOT DISTINCT FROM o.expires_on OFFSET 0) AS l ON true
        WHERE o.import_id = %(import)s AND o.transfer_id IS NULL AND o.repay_transfer_id IS NULL),
    transfers AS (
        INSERT INTO transfer (id, debit_account_id, credit_account_id, amount, unit, event, source, reason, actor, key, at)
        SELECT t.id, (SELECT id FROM account WHERE kind = 'points_opening'), t.credit, t.amount, 'PTS', 'opening',
            'opening:' || due.id, %(reason)s, %(actor)s, 'opening:' || due.id || t.mark, %(now)s
        FROM due CROSS JOIN LATERAL (
            VALUES (transfer_id, points_account, usable, ''), (repay_id, debt_account, repaid, ':repay')
        ) AS t(id, credit, amount, mark) WHERE t.id IS NOT NULL),
    entries AS (INSERT INTO lot_entry (transfer_id, lot_id, amount)
        SELECT transfer_id, lot_id, usable FROM due WHERE transfer_id IS NOT NULL),
    lots AS (UPDATE lot SET remaining = remaining + due.usable FROM due WHERE lot.id = due.lot_id),
    balances AS (
        UPDATE account SET balance = balance + s.amount FROM (
            SELECT id, sum(amount) AS amount FROM (
                SELECT points_account AS id, usable AS amount FROM due UNION ALL SELECT debt_account, repaid FROM due) AS sides
            GROUP BY id HAVING sum(amount) > 0) AS s
        WHERE account.id = s.id)
    UPDATE opening_balance o SET transfer_id = due.transfer_id, repay_transfer_id = due.repay_id, lot_id = due.lot_id
    FROM due WHERE o.id = due.id"""


async def post_openings(connection: AsyncConnection[Any], values: dict[str, Any]) -> None:
    """Post the opening balances of a portion of rows; a debt is paid off first (docs/rules.md 5).

    The caller holds the members' locks. Raises psycopg's UniqueViolation for a balance that was opened before.
    """
    for statement in (_NOTE, _OPEN_LOTS, _POST):
        await connection.execute(statement, values | {"funder": FUNDER})


_REVERSE = """
    WITH due AS (
        SELECT o.id, o.transfer_id, o.repay_transfer_id, o.lot_id, o.points - o.repaid AS usable, o.repaid,
            p.id AS points_account, d.id AS debt_account
        FROM opening_balance o JOIN member_import_row r ON r.import_id = o.import_id AND r.row = o.row
        JOIN account p ON p.member_id = o.member_id AND p.kind = 'member_points'
        JOIN account d ON d.member_id = o.member_id AND d.kind = 'member_debt'
        WHERE o.import_id = %(import)s AND r.lead BETWEEN %(first)s AND %(last)s AND o.reversed_at IS NULL
            AND r.undone_at IS NULL AND NOT r.refusals @> '[{"code": "points_spent"}]'),
    backs AS (
        SELECT nextval('transfer_id_seq') AS id, due.id AS opening, t.original, t.account_id, t.amount, t.lot_id
        FROM due CROSS JOIN LATERAL (
            VALUES (transfer_id, points_account, usable, lot_id), (repay_transfer_id, debt_account, repaid, NULL)
        ) AS t(original, account_id, amount, lot_id) WHERE t.original IS NOT NULL),
    transfers AS (
        INSERT INTO transfer (id, debit_account_id, credit_account_id, amount, unit, event, source, reason, actor, key, at,
            reversal_of)
        SELECT id, account_id, (SELECT id FROM account WHERE kind = 'points_opening'), amount, 'PTS', 'opening_reversed',
            'opening:' || opening, %(reason)s, %(actor)s, 'opening_reversed:' || original, %(now)s, original FROM backs),
    entries AS (INSERT INTO lot_entry (transfer_id, lot_id, amount) SELECT id, lot_id, -amount FROM backs WHERE lot_id IS NOT NULL),
    lots AS (UPDATE lot SET remaining = remaining - backs.amount FROM backs WHERE lot.id = backs.lot_id),
    balances AS (
        UPDATE account SET balance = balance - s.amount
        FROM (SELECT account_id, sum(amount) AS amount FROM backs GROUP BY 1) AS s WHERE account.id = s.account_id)
    UPDATE opening_balance o SET reversed_at = %(now)s FROM due WHERE o.id = due.id"""


async def reverse_openings(connection: AsyncConnection[Any], values: dict[str, Any]) -> None:
    """Take back the opening balances of a portion of rows whose points are still there; the caller holds the members' locks."""
    await connection.execute(_REVERSE, values)
