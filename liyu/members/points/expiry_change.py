"""Giving points another last day: extension 延期, putting back what has lapsed 恢复, and the validity that begins with activation.

An order is one row that says who, why and which lots; it is carried out portion by portion and can be killed and taken up
again at any point. In the ledger every lot is moved by transfers of its own, so nothing of the past is rewritten (ADR 0019).
"""

from datetime import date, datetime
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.database import fetch_all
from liyu.members.points.expiry_models import ACTIVATE, EXTEND, REINSTATE
from liyu.members.points.portions import Moved, Report, move_in_portions
from liyu.members.points.rows import move_due

_MEMBER = "AND o.member_id = %(member_id)s"

_DUE_TO_EXTEND = """
    SELECT m.id, l.id FROM lot l JOIN account o ON o.id = l.account_id
    JOIN account m ON m.member_id = o.member_id AND m.kind = 'member_points'
    WHERE l.is_open AND {which} ORDER BY m.id, l.id"""

_WHICH = {EXTEND: "l.expires_on = %(from_day)s", ACTIVATE: "l.expires_on IS NULL"}

_OPEN_LATER = """
    INSERT INTO lot (account_id, funder, expires_on, matures_on, remaining)
    SELECT l.account_id, l.funder, %(to_day)s, l.matures_on, 0 FROM lot l WHERE l.id = ANY(%(lots)s) AND l.is_open
    ON CONFLICT (account_id, expires_on, funder, matures_on) DO NOTHING"""

# Two transfers for each lot, out of its old day and into its new one; between them the points lie in an account that is empty
# again when both are written.
_EXTEND = f"""
    WITH due AS (
        SELECT l.id AS lot_id, t.id AS to_lot_id, l.account_id, l.account_id AS to_account_id, l.remaining,
            nextval('transfer_id_seq') AS transfer_id, nextval('transfer_id_seq') AS back_id
        FROM lot l JOIN lot t ON t.account_id = l.account_id AND t.funder = l.funder AND t.expires_on = %(to_day)s
            AND t.matures_on IS NOT DISTINCT FROM l.matures_on
        WHERE l.id = ANY(%(lots)s) AND l.is_open AND {{which}}),
    aside AS (SELECT id FROM account WHERE kind = 'points_extended'),
    transfers AS (
        INSERT INTO transfer (id, debit_account_id, credit_account_id, amount, unit, event, source, reason, actor, key, at)
        SELECT t.id, t.debit, t.credit, remaining, 'PTS', %(kind)s, %(source)s, %(reason)s, %(actor)s,
            %(source)s || ':' || lot_id || t.way, %(at)s
        FROM due, aside, LATERAL (
            VALUES (transfer_id, account_id, aside.id, ':out'), (back_id, aside.id, account_id, ':in')
        ) AS t(id, debit, credit, way)),
    {move_due(arrival="back_id")}
    SELECT count(*), coalesce(sum(remaining), 0)::bigint FROM due"""

_LAPSED = """
    FROM lot l JOIN account o ON o.id = l.account_id JOIN member b ON b.id = o.member_id AND b.state NOT IN ('closed', 'merged')
    JOIN account m ON m.member_id = o.member_id AND m.kind = 'member_points'
    JOIN lot_entry e ON e.lot_id = l.id JOIN transfer t ON t.id = e.transfer_id AND t.event = 'lapse'
    WHERE l.expires_on = %(from_day)s AND NOT EXISTS (SELECT FROM transfer r WHERE r.reversal_of = t.id)"""

_DUE_TO_REINSTATE = f"SELECT DISTINCT m.id, l.id {_LAPSED} {{which}} ORDER BY m.id, l.id"

_OPEN_GRACE = """
    INSERT INTO lot (account_id, funder, expires_on, matures_on, remaining)
    SELECT DISTINCT m.id, l.funder, %(to_day)s::date, NULL::date, 0
    FROM lot l JOIN account o ON o.id = l.account_id JOIN account m ON m.member_id = o.member_id AND m.kind = 'member_points'
    WHERE l.id = ANY(%(lots)s) ON CONFLICT (account_id, expires_on, funder, matures_on) DO NOTHING"""

_REINSTATE = f"""
    WITH lapsed AS (
        SELECT t.id AS lapse_id, t.amount, m.id AS account_id, l.funder {_LAPSED} AND l.id = ANY(%(lots)s)),
    due AS (
        SELECT s.*, g.id AS to_lot_id, nextval('transfer_id_seq') AS transfer_id
        FROM lapsed s JOIN lot g ON g.account_id = s.account_id AND g.funder = s.funder AND g.expires_on = %(to_day)s
            AND g.matures_on IS NULL),
    transfers AS (
        INSERT INTO transfer (id, debit_account_id, credit_account_id, amount, unit, event, source, reason, actor, key, at,
            reversal_of)
        SELECT transfer_id, (SELECT id FROM account WHERE kind = 'points_lapsed'), account_id, amount, 'PTS', %(kind)s,
            %(source)s, %(reason)s, %(actor)s, 'reinstate:' || lapse_id, %(at)s, lapse_id FROM due),
    entries AS (INSERT INTO lot_entry (transfer_id, lot_id, amount) SELECT transfer_id, to_lot_id, amount FROM due),
    lots AS (
        UPDATE lot SET remaining = remaining + d.amount
        FROM (SELECT to_lot_id, sum(amount) AS amount FROM due GROUP BY 1) AS d WHERE lot.id = d.to_lot_id),
    balances AS (
        UPDATE account SET balance = balance + d.amount
        FROM (SELECT account_id, sum(amount) AS amount FROM due GROUP BY 1) AS d WHERE account.id = d.account_id)
    SELECT count(*), coalesce(sum(amount), 0)::bigint FROM due"""

_UNFINISHED = (
    "SELECT id, kind, member_id, from_day, to_day, reason, actor, at FROM expiry_change WHERE finished_at IS NULL"
)


class Change(Struct, frozen=True):
    """An order that is not finished yet."""

    id: int
    kind: str
    member_id: int | None
    from_day: date | None
    to_day: date
    reason: str
    actor: str
    at: datetime

    @property
    def values(self) -> dict[str, Any]:
        """The parameters of its statements."""
        return {
            "kind": self.kind, "member_id": self.member_id, "from_day": self.from_day, "to_day": self.to_day,
            "reason": self.reason, "actor": self.actor, "at": self.at, "source": f"expiry_change:{self.id}",
        }  # fmt: skip

    @property
    def due(self) -> str:
        """The query that finds its lots."""
        member = _MEMBER if self.member_id is not None else ""
        if self.kind == REINSTATE:
            return _DUE_TO_REINSTATE.format(which=member)
        return _DUE_TO_EXTEND.format(which=f"{_WHICH[self.kind]} {member}")

    @property
    def steps(self) -> tuple[str, str]:
        """The statements that open the new lots of a portion and move its points."""
        if self.kind == REINSTATE:
            return _OPEN_GRACE, _REINSTATE
        return _OPEN_LATER, _EXTEND.format(which=_WHICH[self.kind])


async def carry_out_changes(
    connection: AsyncConnection[Any], *, now: datetime, only: int | None = None, report: Report | None = None
) -> Moved:
    """Carry out the orders that are not finished yet, the oldest first, or one of them. Can be killed and run again."""
    total = Moved()
    changes = await fetch_all(
        connection, Change, f"{_UNFINISHED} AND (%(only)s::bigint IS NULL OR id = %(only)s) ORDER BY id", {"only": only}
    )
    for change in changes:
        moved = await _carry_out(connection, change, report)
        total.lots += moved.lots
        total.points += moved.points
        await connection.execute(
            "UPDATE expiry_change SET finished_at = %s WHERE id = %s AND finished_at IS NULL", (now, change.id)
        )
    return total


async def _carry_out(connection: AsyncConnection[Any], change: Change, report: Report | None) -> Moved:
    open_lots, move_points = change.steps

    async def move(lots: list[int]) -> tuple[int, int]:
        # Two workers at the same order count one after the other, and nothing after its end.
        unfinished = await connection.execute(
            "SELECT id FROM expiry_change WHERE id = %s AND finished_at IS NULL FOR UPDATE", (change.id,)
        )
        if await unfinished.fetchone() is None:
            return 0, 0
        await connection.execute(open_lots, change.values | {"lots": lots})
        done = await connection.execute(move_points, change.values | {"lots": lots})
        count, points = await done.fetchone() or (0, 0)
        await connection.execute(
            "UPDATE expiry_change SET lots = lots + %s, points = points + %s WHERE id = %s", (count, points, change.id)
        )
        return count, points

    return await move_in_portions(connection, change.due, change.values, move, report)
