"""Whom an external id means: that of a member who was merged leads to the one who lives on (docs/algorithms/merging.md)."""

from typing import Any

from psycopg import AsyncConnection

from liyu.members.errors import UnknownMemberError

PERSON = "(SELECT id FROM member WHERE id = %(member)s UNION ALL SELECT id FROM member WHERE merged_into = %(member)s)"
"""In SQL: the ids under which a member's history stands, those of members merged into them included."""

_FOLLOW = """
    SELECT k.external_id, m.external_id, m.id
    FROM member k JOIN member m ON m.id = coalesce(k.merged_into, k.id) WHERE k.external_id = ANY(%s)"""

_LOCK = "SELECT FROM account WHERE member_id = ANY(%s) AND kind = 'member_points' ORDER BY id FOR UPDATE"


async def follow(connection: AsyncConnection[Any], external_id: str) -> tuple[str, int]:
    """The external id and the id of the member that is meant. Raises UnknownMemberError."""
    found = await (await connection.execute(_FOLLOW, ([external_id],))).fetchone()
    if found is None:
        raise UnknownMemberError
    return found[1], found[2]


async def lock_members(connection: AsyncConnection[Any], external_ids: list[str]) -> dict[str, str]:
    """Lock the points accounts of the members that are meant, by id, until the end of the transaction.

    Returns whose external id each leads to; those of nobody are left out. Somebody may be merged while their lock is waited
    for, so the way is looked up again under the locks, until those who are meant are those who are locked.
    """
    locked: set[int] = set()
    while True:
        found = await (await connection.execute(_FOLLOW, (external_ids,))).fetchall()
        meant = {row[2] for row in found}
        if meant <= locked:
            return {external_id: leads_to for external_id, leads_to, _ in found}
        await connection.execute(_LOCK, (sorted(meant - locked),))
        locked |= meant
