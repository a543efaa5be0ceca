"""Giving points back where a recalled code cannot be replaced: for orders whose every code was recalled and is still missing."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from psycopg import AsyncConnection

from liyu.catalog.pools.replace import REFUNDED, WAITS, Holder, tell_holders
from liyu.redemption.cancel import refund_redemption

_DUE = f"""
    SELECT r.id, r.member_id, r.number, i.name_zh, i.name_en
    FROM redemption r JOIN item i ON i.id = r.item_id
    WHERE r.state = 'completed' AND r.id IN (SELECT c.redemption_id FROM pool_code c WHERE c.recall_id = %(recall)s AND {WAITS})
    ORDER BY r.id"""
_MISSING = f"""
    SELECT bool_and({WAITS}) FROM pool_code c WHERE c.redemption_id = %s AND c.replaced_by IS NULL"""


class _ReplacedMeanwhileError(Exception):
    """A code came in for the order while its lock was waited for."""


async def refund_recall(
    connection: AsyncConnection[Any], recall_id: int, *, actor: str, now: datetime, zone: ZoneInfo
) -> int:
    """Give the points of orders back whose codes a recall took and nobody can replace; how many orders.

    The connection is in autocommit; each order is a transaction of its own, so this can be stopped and run again. Orders with
    a code that works keep waiting for the other ones.
    """
    found = await (await connection.execute(_DUE, {"recall": recall_id})).fetchall()
    refunded = 0
    for redemption_id, member_id, number, name_zh, name_en in found:
        holder = Holder(member_id, number, name_zh, name_en, codes=0)
        try:
            async with connection.transaction():
                await _refund(connection, redemption_id, holder, actor, now, zone)
            refunded += 1
        except _ReplacedMeanwhileError:
            continue
    return refunded


async def _refund(
    connection: AsyncConnection[Any],
    redemption_id: int,
    holder: Holder,
    actor: str,
    now: datetime,
    zone: ZoneInfo,
) -> None:
    await refund_redemption(connection, holder.number, reason="code_recalled", actor=actor, now=now, zone=zone)
    # Under the stock's lock, which the refund holds now, no code changes hands any more.
    is_missing = await (await connection.execute(_MISSING, (redemption_id,))).fetchone()
    if is_missing != (True,):
        raise _ReplacedMeanwhileError
    await tell_holders(connection, [holder], REFUNDED, now)
