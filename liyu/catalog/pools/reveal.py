"""Showing the codes of a redemption: to its member, or to staff who say why. Every look is kept."""

from datetime import datetime
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.catalog.pools.imports import SEALING
from liyu.core.errors import NotFoundError
from liyu.core.sealing import unseal

_PAID = "r.state IN ('confirmed', 'fulfilling', 'completed')"
_CODES = f"""
    SELECT c.secret, c.recall_id IS NOT NULL AS waits, c.item_id FROM pool_code c JOIN redemption r ON r.id = c.redemption_id
    WHERE r.id = %(redemption)s AND (%(member)s::bigint IS NULL OR r.member_id = %(member)s) AND {_PAID}
        AND c.replaced_by IS NULL ORDER BY c.id"""
_NOTE = """
    INSERT INTO pool_reveal (item_id, redemption_id, codes, by_staff, actor, reason, at)
    VALUES (%(item)s, %(redemption)s, %(codes)s, %(by_staff)s, %(actor)s, %(reason)s, %(now)s)"""


class Revealed(Struct, frozen=True):
    """What a redemption's member can use, and how many codes were recalled and wait for a replacement."""

    codes: list[str]
    waiting: int


async def reveal(
    connection: AsyncConnection[Any], member_id: int, redemption_id: int, *, secret_key: str, now: datetime
) -> Revealed:
    """The codes that a member got with a redemption of theirs.

    Raises NotFoundError when it is not theirs, has no codes, is not paid yet or was given back.
    """
    actor = f"member:{member_id}"
    return await _reveal(connection, redemption_id, member_id, secret_key, actor=actor, reason="", now=now)


async def reveal_to_operator(
    connection: AsyncConnection[Any], redemption_id: int, *, secret_key: str, actor: str, reason: str, now: datetime
) -> Revealed:
    """The codes of any redemption, for customer service; the caller writes the audit event. Raises NotFoundError."""
    return await _reveal(connection, redemption_id, None, secret_key, actor=actor, reason=reason, now=now)


async def _reveal(
    connection: AsyncConnection[Any],
    redemption_id: int,
    member_id: int | None,
    secret_key: str,
    *,
    actor: str,
    reason: str,
    now: datetime,
) -> Revealed:
    values: dict[str, Any] = {"redemption": redemption_id, "member": member_id, "actor": actor, "reason": reason}
    rows = await (await connection.execute(_CODES, values)).fetchall()
    if not rows:
        raise NotFoundError
    codes = [unseal(secret_key, SEALING, bytes(secret)) for secret, waits, _ in rows if not waits]
    values |= {"item": rows[0][2], "codes": len(codes), "by_staff": member_id is None, "now": now}
    await connection.execute(_NOTE, values)
    return Revealed(codes, len(rows) - len(codes))
