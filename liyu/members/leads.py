"""Whom an external id means: that of a member who was merged leads to the one who lives on (docs/algorithms/merging.md)."""

from typing import Any

from psycopg import AsyncConnection

from liyu.core.bulk import array_of, encode_rows
from liyu.members.errors import UnknownMemberError

PERSON = "(SELECT id FROM member WHERE id = %(member)s UNION ALL SELECT id FROM member WHERE merged_into = %(member)s)"
"""In SQL: the ids under which a member's history stands, those of members merged into them included."""

_FOLLOW = """
    SELECT k.external_id, m.external_id, m.id, k.id
    FROM member k JOIN member m ON m.id = coalesce(k.merged_into, k.id) WHERE """
# Many names travel as one document: the driver would look into each element of an array of texts.
_BY_NAME = f"{_FOLLOW} k.external_id = ANY(ARRAY(SELECT json_array_elements_text(%s::json)))"
_BY_ID = f"{_FOLLOW} k.id = ANY(%s::bigint[])"

_LOCK = "SELECT FROM account WHERE member_id = ANY(%s::bigint[]) AND kind = 'member_points' ORDER BY id FOR UPDATE"


async def follow(connection: AsyncConnection[Any], external_id: str) -> tuple[str, int]:
    """The external id and the id of the member that is meant. Raises UnknownMemberError."""
    found = await (await connection.execute(_BY_NAME, (encode_rows([external_id]),))).fetchone()
    if found is None:
        raise UnknownMemberError
    return found[1], found[2]


async def lock_members(connection: AsyncConnection[Any], external_ids: list[str]) -> dict[str, str]:
    """As `lock_leads`; returns whose external id each leads to."""
    return {external_id: meant for external_id, (meant, _) in (await lock_leads(connection, external_ids)).items()}


async def lock_leads(connection: AsyncConnection[Any], external_ids: list[str]) -> dict[str, tuple[str, int]]:
    """Lock the points accounts of the members that are meant, by id, until the end of the transaction.

    Returns the external id and the id that each leads to; those of nobody are left out. Somebody may be merged while their
    lock is waited for, so the way is looked up again under the locks, until those who are meant are those who are locked.
    """
    locked: set[int] = set()
    found = await (await connection.execute(_BY_NAME, (encode_rows(external_ids),))).fetchall()
    while (meant := {row[2] for row in found}) - locked:
        await connection.execute(_LOCK, (array_of(sorted(meant - locked)),))
        locked |= meant
        # By number, which costs a fraction of what the many names cost.
        found = await (await connection.execute(_BY_ID, (array_of(row[3] for row in found),))).fetchall()
    return {external_id: (leads_to, member_id) for external_id, leads_to, member_id, _ in found}
