"""Keeping the terms that members are found by.

The database forgets a member's terms when the name or the phone changes, whoever changes it, and keeps in mind that they are
due. Who changes a single member makes them anew at once; after a file it is done by a job.
"""

from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.bulk import encode_rows
from liyu.members.service.terms import terms_of

PORTION = 5_000


class TermsRow(Struct):
    """The terms of one member."""

    member_id: int
    terms: list[str]


_READ = """
    SELECT m.id, m.name, array_remove(m.phone || ARRAY(SELECT k.phone FROM member k WHERE k.merged_into = m.id), NULL)
    FROM member m WHERE m.id = ANY(%s) AND m.merged_into IS NULL"""

_SAVE = """
    INSERT INTO member_terms (member_id, terms)
    SELECT r.member_id, array_to_tsvector(ARRAY(SELECT jsonb_array_elements_text(r.terms)))
    FROM json_to_recordset(%s::json) AS r(member_id bigint, terms jsonb)
    ON CONFLICT (member_id) DO UPDATE SET terms = excluded.terms"""

_DUE = "SELECT member_id FROM member_terms WHERE terms IS NULL ORDER BY member_id LIMIT %s"


async def index_members(connection: AsyncConnection[Any], member_ids: list[int]) -> None:
    """Make the terms of members anew; whoever was merged is found through the one who lives on."""
    found = await (await connection.execute(_READ, (member_ids,))).fetchall()
    await save_terms(connection, [TermsRow(member_id, terms_of(name, phones)) for member_id, name, phones in found])
    # Those who have no name and no phone any more, or were merged.
    await connection.execute("DELETE FROM member_terms WHERE member_id = ANY(%s) AND terms IS NULL", (member_ids,))


async def save_terms(connection: AsyncConnection[Any], rows: list[TermsRow]) -> None:
    """Write terms; members without any have no row."""
    rows = [row for row in rows if row.terms]
    if rows:
        await connection.execute(_SAVE, (encode_rows(rows),))


async def index_due(connection: AsyncConnection[Any]) -> int:
    """Make all terms anew that are due, in portions; how many. The connection must be in no transaction."""
    indexed = 0
    while True:
        async with connection.transaction():
            due = [row[0] for row in await (await connection.execute(_DUE, (PORTION,))).fetchall()]
            await index_members(connection, due)
        indexed += len(due)
        if len(due) < PORTION:
            return indexed
