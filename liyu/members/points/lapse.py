"""Lapse and maturing: lots past their last day are taken once, pending lots become usable on their day."""

from datetime import date, datetime
from typing import Any

from psycopg import AsyncConnection

from liyu.core.ledger.posting import system_accounts
from liyu.members.points.expiry_change import carry_out_changes
from liyu.members.points.portions import Moved, Report, move_in_portions
from liyu.members.points.rows import move_due

_DUE_TO_LAPSE = """
    SELECT m.id, l.id FROM lot l JOIN account o ON o.id = l.account_id
    JOIN account m ON m.member_id = o.member_id AND m.kind = 'member_points'
    WHERE l.is_open AND l.expires_on < %(day)s ORDER BY m.id, l.id"""

_COUNT_DUE = "SELECT count(*) FROM lot WHERE is_open AND expires_on < %s"


def lapse_statement(tables: str, which: str, *, reason: str) -> str:
    """The statement that lapses those of the given lots `l` that `which` still means, one transfer for each, with a reason in SQL.

    Its parameters are `lots`, `lapsed` (the account of the program), `actor`, `now` and those of `which`.
    """
    return f"""
    WITH due AS (
        SELECT l.id AS lot_id, l.account_id, l.remaining, {reason} AS reason, nextval('transfer_id_seq') AS transfer_id
        FROM {tables} WHERE l.id = ANY(%(lots)s) AND l.is_open AND {which}),
    transfers AS (
        INSERT INTO transfer (id, debit_account_id, credit_account_id, amount, unit, event, source, reason, actor, key, at)
        SELECT transfer_id, account_id, %(lapsed)s, remaining, 'PTS', 'lapse',
            'lot:' || lot_id, reason, %(actor)s, 'lapse:' || lot_id || ':' || transfer_id, %(now)s FROM due),
    entries AS (INSERT INTO lot_entry (transfer_id, lot_id, amount) SELECT transfer_id, lot_id, -remaining FROM due),
    lots AS (UPDATE lot SET remaining = 0 FROM due WHERE lot.id = due.lot_id),
    balances AS (
        UPDATE account SET balance = balance - d.amount
        FROM (SELECT account_id, sum(remaining) AS amount FROM due GROUP BY account_id) AS d WHERE account.id = d.account_id)
    SELECT count(*), coalesce(sum(remaining), 0)::bigint FROM due"""


_LAPSE = lapse_statement("lot l", "l.expires_on < %(day)s", reason="l.expires_on::text")

_DUE_TO_MATURE = """
    SELECT m.id, l.id FROM lot l JOIN account o ON o.id = l.account_id AND o.kind = 'member_pending'
    JOIN account m ON m.member_id = o.member_id AND m.kind = 'member_points'
    WHERE l.is_open AND l.matures_on <= %(day)s ORDER BY m.id, l.id"""

_OPEN_USABLE = """
    INSERT INTO lot (account_id, funder, expires_on, matures_on, remaining)
    SELECT DISTINCT m.id, l.funder, l.expires_on, NULL::date, 0
    FROM lot l JOIN account o ON o.id = l.account_id JOIN account m ON m.member_id = o.member_id AND m.kind = 'member_points'
    WHERE l.id = ANY(%(lots)s) AND l.is_open AND l.matures_on <= %(day)s
    ON CONFLICT (account_id, expires_on, funder, matures_on) DO NOTHING"""

_MATURE = f"""
    WITH due AS (
        SELECT l.id AS lot_id, l.account_id, m.id AS to_account_id, t.id AS to_lot_id, l.remaining, l.matures_on,
            nextval('transfer_id_seq') AS transfer_id
        FROM lot l JOIN account o ON o.id = l.account_id
        JOIN account m ON m.member_id = o.member_id AND m.kind = 'member_points'
        JOIN lot t ON t.account_id = m.id AND t.funder = l.funder AND t.expires_on IS NOT DISTINCT FROM l.expires_on
            AND t.matures_on IS NULL
        WHERE l.id = ANY(%(lots)s) AND l.is_open AND l.matures_on <= %(day)s),
    transfers AS (
        INSERT INTO transfer (id, debit_account_id, credit_account_id, amount, unit, event, source, reason, actor, key, at)
        SELECT transfer_id, account_id, to_account_id, remaining, 'PTS', 'mature', 'lot:' || lot_id, matures_on::text,
            %(actor)s, 'mature:' || lot_id || ':' || transfer_id, %(now)s FROM due),
    {move_due()}
    SELECT count(*), coalesce(sum(remaining), 0)::bigint FROM due"""


async def count_due_to_lapse(connection: AsyncConnection[Any], day: date) -> int:
    """How many lots have points in them whose last day lies before `day`."""
    row = await (await connection.execute(_COUNT_DUE, (day,))).fetchone()
    assert row is not None
    return int(row[0])


async def lapse_points(
    connection: AsyncConnection[Any], day: date, *, actor: str, now: datetime, report: Report | None = None
) -> Moved:
    """Lapse every lot whose last day lies before `day`: one transfer per lot. The connection must be in no transaction.

    Extensions that were ordered and not finished yet come first, so that no lot lapses which was promised another day.
    """
    await carry_out_changes(connection, now=now)
    lapsed = (await system_accounts(connection))["points_lapsed"]
    values = {"day": day, "actor": actor, "now": now, "lapsed": lapsed}

    async def lapse(lots: list[int]) -> tuple[int, int]:
        done = await connection.execute(_LAPSE, values | {"lots": lots})
        return await done.fetchone() or (0, 0)

    return await move_in_portions(connection, _DUE_TO_LAPSE, values, lapse, report)


async def mature_points(
    connection: AsyncConnection[Any], day: date, *, actor: str, now: datetime, report: Report | None = None
) -> Moved:
    """Make pending points usable whose day has come. The connection must be in no transaction."""
    values = {"day": day, "actor": actor, "now": now}

    async def mature(lots: list[int]) -> tuple[int, int]:
        await connection.execute(_OPEN_USABLE, values | {"lots": lots})
        done = await connection.execute(_MATURE, values | {"lots": lots})
        return await done.fetchone() or (0, 0)

    return await move_in_portions(connection, _DUE_TO_MATURE, values, mature, report)
