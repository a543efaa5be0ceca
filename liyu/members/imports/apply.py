"""Applying an import to the members, portion by portion, each of them one transaction under the members' locks."""

from typing import Any
from zoneinfo import ZoneInfo

from msgspec import convert
from psycopg import AsyncConnection
from psycopg.errors import UniqueViolation
from psycopg.rows import dict_row

from liyu.core.bulk import encode_rows
from liyu.core.clock import local_date
from liyu.core.ids import make_number
from liyu.members.enrol import NewMember, enrol_members
from liyu.members.imports.errors import NothingToImportError
from liyu.members.imports.openings import post_openings
from liyu.members.imports.plan import compare
from liyu.members.imports.service import Work, move, portions
from liyu.members.imports.standings import raise_standings
from liyu.members.service.index import index_members

TRIES = 5
REASON = "imported"

_COUNT_WORK = """
    SELECT count(*) FROM member_import_row WHERE import_id = %(import)s AND status IN ('new', 'changed') AND applied_at IS NULL"""

_LOCK_FOUND = """
    SELECT FROM account WHERE kind = 'member_points' AND member_id IN (
        SELECT coalesce(m.merged_into, m.id) FROM member_import_row r JOIN member m ON m.external_id = r.external_id
        WHERE r.import_id = %(import)s AND r.lead BETWEEN %(first)s AND %(last)s
        UNION SELECT coalesce(m.merged_into, m.id) FROM member_import_row r JOIN member m ON m.phone = r.phone
        WHERE r.import_id = %(import)s AND r.lead BETWEEN %(first)s AND %(last)s)
    ORDER BY id FOR UPDATE"""

_NEWCOMERS = """
    SELECT row, external_id, phone, fields ->> 'email' AS email, fields ->> 'name' AS name, fields ->> 'birthday' AS birthday,
        fields ->> 'city' AS city, fields ->> 'locale' AS locale, coalesce(fields ->> 'state', 'active') AS state,
        joined_on::timestamp AT TIME ZONE %(zone)s AS joined_at
    FROM member_import_row
    WHERE import_id = %(import)s AND lead BETWEEN %(first)s AND %(last)s AND status = 'new' AND row = lead AND applied_at IS NULL"""

_BIND = """
    WITH made AS (
        SELECT r.row, n.member_id FROM member_import_row r
        JOIN json_to_recordset(%(bound)s::json) AS n(row bigint, member_id bigint) ON n.row = r.lead
        WHERE r.import_id = %(import)s)
    UPDATE member_import_row r SET member_id = made.member_id, created = true FROM made
    WHERE r.import_id = %(import)s AND r.row = made.row"""

_CHANGE = """
    WITH patches AS (
        SELECT r.member_id, jsonb_object_agg(c.change ->> 'field', c.change ->> 'new') AS patch
        FROM member_import_row r CROSS JOIN LATERAL jsonb_array_elements(r.changes) AS c(change)
        WHERE r.import_id = %(import)s AND r.lead BETWEEN %(first)s AND %(last)s AND r.row = r.lead AND r.applied_at IS NULL
            AND NOT r.created AND c.change ->> 'field' IN ('phone', 'email', 'name', 'birthday', 'city', 'locale')
        GROUP BY 1)
    UPDATE member m SET phone = n.phone, email = n.email, name = n.name, birthday = n.birthday, city = n.city, locale = n.locale
    FROM patches p, member o, LATERAL jsonb_populate_record(o, p.patch) AS n WHERE o.id = p.member_id AND m.id = p.member_id
    RETURNING m.id"""

# As long as rows are compared and applied, no option goes that they choose.
_HOLD_QUESTIONS = "SELECT FROM profile_field WHERE active FOR SHARE"

_ANSWERS = """
    INSERT INTO profile_value (member_id, field_id, value)
    SELECT r.member_id, p.id, c.change ->> 'new'
    FROM member_import_row r CROSS JOIN LATERAL jsonb_array_elements(r.changes) AS c(change)
    JOIN profile_field p ON c.change ->> 'field' = 'answer_' || p.key
    WHERE r.import_id = %(import)s AND r.lead BETWEEN %(first)s AND %(last)s AND r.row = r.lead AND r.applied_at IS NULL
    ON CONFLICT (member_id, field_id) DO UPDATE SET value = excluded.value"""

_TAGS = """
    WITH given AS (
        INSERT INTO member_tag (member_id, tag_id, by_rule, import_id, actor, at)
        SELECT r.member_id, (c.change ->> 'new')::bigint, false, r.import_id, %(actor)s, %(now)s
        FROM member_import_row r CROSS JOIN LATERAL jsonb_array_elements(r.changes) AS c(change)
        WHERE r.import_id = %(import)s AND r.lead BETWEEN %(first)s AND %(last)s AND r.applied_at IS NULL
            AND c.change ->> 'field' = 'tag'
        ON CONFLICT DO NOTHING RETURNING member_id, tag_id)
    INSERT INTO member_tag_change (member_id, tag_id, given, reason, actor, at)
    SELECT member_id, tag_id, true, %(reason)s, %(actor)s, %(now)s FROM given"""

_DONE = """
    WITH done AS (
        UPDATE member_import_row SET applied_at = %(now)s
        WHERE import_id = %(import)s AND lead BETWEEN %(first)s AND %(last)s AND applied_at IS NULL AND status <> 'faulty'
        RETURNING row)
    UPDATE member_import SET done = done + (SELECT count(*) FROM done) WHERE id = %(import)s RETURNING done"""


async def confirm(connection: AsyncConnection[Any], work: Work) -> None:
    """Say yes to the dry run, in the caller's transaction; applying comes next.

    Raises NothingToImportError, UnknownImportError or ImportNotReadyError.
    """
    await move(connection, work, "applying")
    found = await connection.execute(_COUNT_WORK, {"import": work.import_id})
    if await found.fetchone() == (0,):
        raise NothingToImportError  # the state stays, as the transaction is rolled back


async def apply_import(connection: AsyncConnection[Any], work: Work, zone: ZoneInfo) -> None:
    """Apply what was confirmed and not applied yet. The connection is in autocommit; killed at any point, it goes on.

    Each portion is compared again under the members' locks: what has happened since the dry run is respected.
    """
    for first, last in await portions(connection, work.import_id):
        for attempt in range(1, TRIES + 1):
            try:
                async with connection.transaction():
                    await move(connection, work, "applying", resume=True)
                    done = await _apply_portion(connection, work, first, last, zone)
                break
            except UniqueViolation:
                # Somebody has joined with the same number or phone a moment ago, and is seen in the next comparison.
                if attempt == TRIES:
                    raise
        work.tell(done)
    async with connection.transaction():
        await move(connection, work, "applied")


async def _apply_portion(connection: AsyncConnection[Any], work: Work, first: int, last: int, zone: ZoneInfo) -> int:
    values = {
        "import": work.import_id, "first": first, "last": last, "now": work.now, "actor": work.actor, "zone": str(zone),
        "reason": REASON,
    }  # fmt: skip
    await connection.execute(_LOCK_FOUND, values)
    await connection.execute(_HOLD_QUESTIONS)
    await compare(connection, work.import_id, first, last)
    await _enrol(connection, work, values)
    changed = await (await connection.execute(_CHANGE, values)).fetchall()
    await index_members(connection, [row[0] for row in changed])
    await connection.execute(_ANSWERS, values)
    await connection.execute(_TAGS, values)
    await raise_standings(connection, values, local_date(work.now, zone))
    await post_openings(connection, values)
    done = await (await connection.execute(_DONE, values)).fetchone()
    assert done is not None
    return int(done[0])


async def _enrol(connection: AsyncConnection[Any], work: Work, values: dict[str, Any]) -> None:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_NEWCOMERS, values)
        found = await cursor.fetchall()
    newcomers = {
        row.pop("row"): convert({**row, "external_id": row["external_id"] or make_number("M")}, NewMember)
        for row in found
    }
    ids = await enrol_members(connection, list(newcomers.values()), actor=work.actor, now=work.now)
    bound = [{"row": row, "member_id": ids[one.external_id]} for row, one in newcomers.items()]
    await connection.execute(_BIND, values | {"bound": encode_rows(bound)})
