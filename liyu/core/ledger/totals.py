"""What came to and went from all accounts of a kind: counted up to an instant, and summed from the transfers since then.

Transfers are too many to be summed while somebody waits. They are append-only, and dated by the beginning of their
transaction: what is older than the oldest transaction that is still open will not change any more, and is counted once,
in the background. So the figures are exact at any time, and the proof compares what was counted with all transfers.
"""

from datetime import timedelta
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.database import fetch_all
from liyu.core.ledger.models import MEMBER_DEBT, MEMBER_PENDING, MEMBER_POINTS

MARGIN = timedelta(minutes=5)
"""For transactions of other database users, whose beginning is not shown to us."""


class AccountFigure(Struct, frozen=True):
    """All accounts of one kind together: what came in and what went out, in their unit."""

    kind: str
    unit: str
    came: int
    went: int

    @property
    def balance(self) -> int:
        """What came less what went."""
        return self.came - self.went


# Summed by account first: with few accounts or millions of them, the join stays small.
_MOVED = """
    SELECT a.kind, a.unit, sum(sides.came)::bigint AS came, sum(sides.went)::bigint AS went FROM (
        SELECT credit_account_id AS account_id, sum(amount) AS came, 0 AS went FROM transfer
        WHERE recorded_at >= (SELECT since FROM period) AND recorded_at < (SELECT until FROM period) GROUP BY 1
        UNION ALL
        SELECT debit_account_id, 0, sum(amount) FROM transfer
        WHERE recorded_at >= (SELECT since FROM period) AND recorded_at < (SELECT until FROM period) GROUP BY 1) AS sides
    JOIN account a ON a.id = sides.account_id GROUP BY a.kind, a.unit"""

_UNTIL = """
    SELECT least(now() - %s, (SELECT min(xact_start) FROM pg_stat_activity WHERE datname = current_database()))"""

_ADD = f"""
    WITH period AS (
        SELECT coalesce(max(counted_to), '-infinity') AS since, %s::timestamptz AS until FROM account_total),
    moved AS ({_MOVED})
    INSERT INTO account_total (kind, unit, came, went, counted_to)
    SELECT kind, unit, came, went, until FROM moved, period
    ON CONFLICT (kind, unit) DO UPDATE SET came = account_total.came + excluded.came,
        went = account_total.went + excluded.went, counted_to = excluded.counted_to"""

# Members' accounts are of known kinds; to look at all of them would take as long as summing the transfers.
_FIGURES = f"""
    WITH period AS (
        SELECT coalesce(max(counted_to), '-infinity') AS since, 'infinity'::timestamptz AS until FROM account_total),
    known AS (
        SELECT kind, unit FROM account WHERE member_id IS NULL AND partner_id IS NULL
        UNION SELECT kind, unit FROM account WHERE partner_id IS NOT NULL
        UNION SELECT kind, 'PTS' FROM unnest(%s::text[]) AS kind)
    SELECT kind, unit, sum(came)::bigint AS came, sum(went)::bigint AS went FROM (
        SELECT kind, unit, came, went FROM account_total UNION ALL {_MOVED}
        UNION ALL SELECT kind, unit, 0, 0 FROM known) AS parts
    GROUP BY kind, unit"""

CHECKS: dict[str, str] = {
    "account_total_differs_from_transfers": f"""
        WITH period AS (SELECT '-infinity'::timestamptz AS since, max(counted_to) AS until FROM account_total),
        moved AS ({_MOVED})
        SELECT concat_ws(' ', kind, unit, side), found, expected
        FROM account_total t FULL JOIN moved m USING (kind, unit) CROSS JOIN LATERAL (VALUES
            ('in', coalesce(t.came, 0), coalesce(m.came, 0)), ('out', coalesce(t.went, 0), coalesce(m.went, 0))
        ) AS sides (side, found, expected) WHERE found <> expected"""
}
"""Selects its offenders: what, the figure found, the figure expected."""


async def count_totals(connection: AsyncConnection[Any], *, anew: bool = False, margin: timedelta = MARGIN) -> None:
    """Add what was written since the last count to the totals, or count all transfers anew; in the caller's transaction.

    Two counts at once wait for each other. Nobody else does.
    """
    await connection.execute("LOCK TABLE account_total IN SHARE ROW EXCLUSIVE MODE")
    if anew:
        await connection.execute("DELETE FROM account_total")
    # Who is open is looked up first: whoever is not open any more is seen by the statement that adds up.
    (until,) = await (await connection.execute(_UNTIL, (margin,))).fetchone() or (None,)
    await connection.execute(_ADD, (until,))


async def account_figures(connection: AsyncConnection[Any]) -> list[AccountFigure]:
    """What has come to and gone from every kind of account until now."""
    return await fetch_all(connection, AccountFigure, _FIGURES, ([MEMBER_POINTS, MEMBER_PENDING, MEMBER_DEBT],))
