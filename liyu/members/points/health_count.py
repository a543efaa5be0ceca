"""The roll-ups: what moved in which month, what members hold, and the accounts' totals, counted in the background.

Members and their movements are too many to be summed while somebody waits. Movements are append-only, so only the days in
which rows may still have been written are counted again.
"""

import time
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from psycopg import AsyncConnection

from liyu.core.clock import local_date
from liyu.core.ledger.totals import count_totals

_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('points_rollup', 0))"

# A transfer is dated by the beginning of its transaction: one that was open over midnight is counted with the day before.
_OPEN_DAYS = timedelta(days=1)

_FORGET = "DELETE FROM points_rollup WHERE recorded_on >= %(since)s"

_ROLL_UP = """
    WITH program AS (
        SELECT id FROM account WHERE member_id IS NULL AND partner_id IS NULL AND unit = 'PTS')
    INSERT INTO points_rollup (recorded_on, month, event, type, came, went, first_id, last_id)
    SELECT (t.recorded_at AT TIME ZONE 'UTC')::date, date_trunc('month', t.at AT TIME ZONE %(zone)s)::date, t.event,
        CASE WHEN t.event IN ('earn', 'repay', 'clawback', 'debt') THEN split_part(t.source, ':', 1) ELSE '' END,
        coalesce(sum(t.amount) FILTER (WHERE t.debit_account_id IN (SELECT id FROM program)), 0),
        coalesce(sum(t.amount) FILTER (WHERE t.credit_account_id IN (SELECT id FROM program)), 0), min(t.id), max(t.id)
    FROM transfer t
    WHERE t.unit = 'PTS' AND t.recorded_at >= %(since)s::date::timestamp AT TIME ZONE 'UTC'
    GROUP BY 1, 2, 3, 4"""

_HEALTH = """
    WITH held AS (
        SELECT coalesce(sum(balance) FILTER (WHERE kind = 'member_points'), 0)::bigint AS usable,
            coalesce(sum(balance) FILTER (WHERE kind = 'member_pending'), 0)::bigint AS pending,
            coalesce(-sum(balance) FILTER (WHERE kind = 'member_debt'), 0)::bigint AS debt,
            count(*) FILTER (WHERE kind = 'member_points' AND balance > 0) AS holders
        FROM account WHERE member_id IS NOT NULL),
    joined AS (
        SELECT count(*) AS members, coalesce(sum(
            least(365, greatest(0, %(day)s::date - (joined_at AT TIME ZONE %(zone)s)::date + 1))), 0)::bigint AS member_days
        FROM member WHERE state NOT IN ('closed', 'merged')),
    by_day AS (
        SELECT expires_on AS day, sum(remaining)::bigint AS points, count(*) AS lots FROM lot WHERE is_open GROUP BY 1)
    INSERT INTO points_health (day, at, members, member_days, holders, usable, pending, debt, days, milliseconds)
    SELECT %(day)s, %(at)s, members, member_days, holders, usable, pending, debt, (
        SELECT coalesce(jsonb_agg(jsonb_build_object('day', day, 'points', points, 'lots', lots) ORDER BY day NULLS LAST), '[]')
        FROM by_day), 0
    FROM held, joined
    ON CONFLICT (day) DO UPDATE SET at = excluded.at, members = excluded.members, member_days = excluded.member_days,
        holders = excluded.holders, usable = excluded.usable, pending = excluded.pending, debt = excluded.debt,
        days = excluded.days"""


async def count_points(connection: AsyncConnection[Any], *, now: datetime, zone: ZoneInfo, anew: bool = False) -> None:
    """Bring all roll-ups up to date, or count everything anew; in the caller's transaction.

    Two counts at once wait for each other.
    """
    began = time.monotonic()
    day = local_date(now, zone)
    await connection.execute(_LOCK)
    await count_totals(connection, anew=anew)
    last = await (await connection.execute("SELECT max(recorded_on) FROM points_rollup")).fetchone()
    since = last[0] - _OPEN_DAYS if last and last[0] and not anew else date(1970, 1, 1)
    await connection.execute(_FORGET, {"since": since})
    await connection.execute(_ROLL_UP, {"since": since, "zone": str(zone)})
    await connection.execute(_HEALTH, {"day": day, "at": now, "zone": str(zone)})
    await connection.execute(
        "UPDATE points_health SET milliseconds = %s WHERE day = %s", (round((time.monotonic() - began) * 1000), day)
    )
