"""Replacing recalled codes: whoever has waited longest gets the next free code of the pool."""

from datetime import datetime
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.catalog.pools.models import FREE
from liyu.core.database import fetch_all
from liyu.members.notices import NoticeRow, tell_members

REPLACED, RECALLED, REFUNDED = "code_replaced", "code_recalled", "code_refunded"
"""Topics of notices; their subject is the number of the redemption."""

WAITS = "c.recall_id IS NOT NULL AND c.redemption_id IS NOT NULL AND c.replaced_by IS NULL"
"""A recalled code that its member still holds; `c` is the code, `r` its redemption."""
KEPT = "r.state IN ('held', 'confirmed', 'fulfilling', 'completed')"
"""Its order has not been given back; one that waits for its payment keeps its codes."""

_REPLACE = f"""
    WITH waiting AS (
        SELECT c.id, c.redemption_id, row_number() OVER (ORDER BY c.id) AS place
        FROM pool_code c JOIN redemption r ON r.id = c.redemption_id AND {KEPT}
        WHERE c.item_id = %(item)s AND {WAITS}),
    free AS (
        SELECT c.id, row_number() OVER (ORDER BY c.id) AS place FROM (
            SELECT c.id FROM pool_code c WHERE c.item_id = %(item)s AND {FREE}
            ORDER BY c.id LIMIT (SELECT count(*) FROM waiting)) AS c),
    pairs AS (SELECT w.id AS old, w.redemption_id, f.id AS new FROM waiting w JOIN free f ON f.place = w.place),
    given AS (
        UPDATE pool_code c SET redemption_id = p.redemption_id, assigned_at = %(now)s FROM pairs p WHERE c.id = p.new),
    replaced AS (UPDATE pool_code c SET replaced_by = p.new FROM pairs p WHERE c.id = p.old)
    SELECT r.member_id, r.number, i.name_zh, i.name_en, count(*) AS codes
    FROM pairs p JOIN redemption r ON r.id = p.redemption_id JOIN item i ON i.id = r.item_id GROUP BY r.id, i.id"""


# A code that is set aside and bad gives its place to a free one; what stays is replaced once its winner holds it.
_KEEP_OTHERS = f"""
    WITH bad AS (
        SELECT c.id, row_number() OVER (ORDER BY c.id) AS place
        FROM pool_code c WHERE c.item_id = %(item)s AND c.kept AND c.recall_id IS NOT NULL),
    free AS (
        SELECT c.id, row_number() OVER (ORDER BY c.id DESC) AS place FROM (
            SELECT c.id FROM pool_code c WHERE c.item_id = %(item)s AND {FREE}
            ORDER BY c.id DESC LIMIT (SELECT count(*) FROM bad)) AS c),
    pairs AS (SELECT b.id AS old, f.id AS new FROM bad b JOIN free f ON f.place = b.place)
    UPDATE pool_code c SET kept = c.id = p.new FROM pairs p WHERE c.id IN (p.old, p.new)"""


class Holder(Struct, frozen=True):
    """A member whose codes of one redemption were replaced or recalled."""

    member_id: int
    number: str
    name_zh: str
    name_en: str
    codes: int


async def replace_codes(connection: AsyncConnection[Any], item_id: int, *, now: datetime) -> int:
    """Give free codes to those who wait, oldest first, and tell them; then keep good ones for winners in the place of bad ones.

    Returns how many members' codes were replaced. The caller holds `lock_pool`.
    """
    holders = await fetch_all(connection, Holder, _REPLACE, {"item": item_id, "now": now})
    await connection.execute(_KEEP_OTHERS, {"item": item_id})
    await tell_holders(connection, holders, REPLACED, now)
    return sum(one.codes for one in holders)


async def tell_holders(connection: AsyncConnection[Any], holders: list[Holder], topic: str, now: datetime) -> None:
    """Tell members what became of the codes of a redemption."""
    rows = [
        NoticeRow(one.member_id, topic, one.number, {"item": {"zh": one.name_zh, "en": one.name_en}}, now)
        for one in holders
    ]
    if rows:
        await tell_members(connection, rows)
