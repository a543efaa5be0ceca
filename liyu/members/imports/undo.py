"""Undoing an import: exactly what it did, as far as nothing has been built on it since; the rest is named row by row."""

from typing import Any

from psycopg import AsyncConnection

from liyu.members.imports.openings import reverse_openings
from liyu.members.imports.plan import ANSWERS
from liyu.members.imports.service import Work, move, portions
from liyu.members.service.index import index_members
from liyu.members.tiers.overlay import lay_over

REASON = "import_undone"
OWN_TRACES = frozenset(
    {
        "account", "growth_entry", "member_import_row", "member_state_change", "member_tag", "member_tag_change", "member_terms",
        "opening_balance", "profile_value", "tier_change",
    }
)  # fmt: skip
"""Tables in which the import itself writes of a member; a row in any other one shows that the member has done something."""

_REFERENCES = """
    SELECT c.conrelid::regclass::text, a.attname FROM pg_constraint c
    JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
    WHERE c.contype = 'f' AND c.confrelid = 'member'::regclass AND cardinality(c.conkey) = 1 ORDER BY 1, 2"""

_LOCK = """
    SELECT FROM account WHERE kind = 'member_points' AND member_id IN (
        SELECT member_id FROM member_import_row
        WHERE import_id = %(import)s AND lead BETWEEN %(first)s AND %(last)s AND applied_at IS NOT NULL)
    ORDER BY id FOR UPDATE"""

# {activity} asks every table that knows members; {answers} joins the record. Values are compared as text, as the changes keep them.
_JUDGE = """
    WITH mine AS (
        SELECT r.*, m.state, m.merged_into,
            to_jsonb(m) || jsonb_build_object('tier_id', coalesce(m.tier_earned_id, m.tier_id)) || {answers} AS record,
            EXISTS (SELECT FROM member_tag_change h WHERE h.member_id = m.id AND h.at > r.applied_at AND h.actor LIKE 'staff:%%')
            OR EXISTS (SELECT FROM member_state_change h WHERE h.member_id = m.id AND h.at > r.applied_at)
            OR EXISTS (SELECT FROM tier_change h WHERE h.member_id = m.id AND h.at > r.applied_at)
            OR EXISTS (SELECT FROM growth_entry h WHERE h.member_id = m.id AND h.source <> 'import:' || r.import_id)
            OR EXISTS (SELECT FROM opening_balance h WHERE h.member_id = m.id AND h.import_id <> r.import_id)
            OR EXISTS (SELECT FROM account a JOIN transfer t ON a.id IN (t.debit_account_id, t.credit_account_id)
                WHERE a.member_id = m.id AND NOT EXISTS (SELECT FROM opening_balance o
                    WHERE o.member_id = m.id AND (t.id IN (o.transfer_id, o.repay_transfer_id)
                        OR t.reversal_of IN (o.transfer_id, o.repay_transfer_id))))
            {activity} AS is_active
        FROM member_import_row r JOIN member m ON m.id = r.member_id
        WHERE r.import_id = %(import)s AND r.lead BETWEEN %(first)s AND %(last)s AND r.applied_at IS NOT NULL
            AND r.undone_at IS NULL AND (r.created OR r.changes <> '[]')),
    judged AS (
        SELECT r.row, (SELECT coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
                'code', c.code, 'field', c.field, 'now', c.present))), '[]') FROM (
            SELECT 'merged' AS code, '' AS field, NULL AS present WHERE r.row = r.lead AND r.merged_into IS NOT NULL
            UNION ALL SELECT 'active', '', NULL WHERE r.row = r.lead AND r.created AND r.merged_into IS NULL AND r.is_active
            UNION ALL SELECT 'changed', w.change ->> 'field', r.record ->> (w.change ->> 'field')
                FROM jsonb_array_elements(r.changes) AS w(change)
                WHERE r.row = r.lead AND r.merged_into IS NULL
                    AND (w.change ->> 'field' IN ('phone', 'email', 'name', 'birthday', 'city', 'locale')
                        OR w.change ->> 'field' LIKE 'answer_%%')
                    AND (r.record ->> (w.change ->> 'field')) IS DISTINCT FROM (w.change ->> 'new')
            UNION ALL SELECT 'phone_taken', 'phone', w.change ->> 'old' FROM jsonb_array_elements(r.changes) AS w(change)
                WHERE r.row = r.lead AND NOT r.created AND r.merged_into IS NULL AND w.change ->> 'field' = 'phone'
                    AND EXISTS (SELECT FROM member o WHERE o.phone = w.change ->> 'old' AND o.id <> r.member_id)
            UNION ALL SELECT 'tier_moved', 'tier_id', NULL WHERE r.row = r.lead AND NOT r.created AND r.merged_into IS NULL
                AND r.standing_after IS NOT NULL AND NOT r.record @> r.standing_after
            UNION ALL SELECT 'points_spent', 'points', l.remaining::text FROM opening_balance o
                LEFT JOIN lot l ON l.id = o.lot_id
                WHERE o.import_id = r.import_id AND o.row = r.row AND o.reversed_at IS NULL
                    AND (l.remaining < o.points - o.repaid OR r.merged_into IS NOT NULL)
        ) AS c) AS refusals
        FROM mine r)
    UPDATE member_import_row r SET refusals = j.refusals FROM judged j
    WHERE r.import_id = %(import)s AND r.row = j.row AND r.refusals <> j.refusals"""

_RESTORE = """
    WITH patches AS (
        SELECT r.member_id, jsonb_object_agg(c.change ->> 'field', c.change -> 'old') AS patch
        FROM member_import_row r CROSS JOIN LATERAL jsonb_array_elements(r.changes) AS c(change)
        WHERE r.import_id = %(import)s AND r.lead BETWEEN %(first)s AND %(last)s AND r.row = r.lead AND NOT r.created
            AND r.applied_at IS NOT NULL AND r.undone_at IS NULL AND NOT r.refusals @> '[{"code": "merged"}]'
            AND c.change ->> 'field' IN ('phone', 'email', 'name', 'birthday', 'city', 'locale')
            AND NOT r.refusals @> jsonb_build_array(jsonb_build_object('field', c.change ->> 'field'))
        GROUP BY 1)
    UPDATE member m SET phone = n.phone, email = n.email, name = n.name, birthday = n.birthday, city = n.city, locale = n.locale
    FROM patches p, member o, LATERAL jsonb_populate_record(o, p.patch) AS n WHERE o.id = p.member_id AND m.id = p.member_id
    RETURNING m.id"""

_RESTORE_ANSWERS = """
    WITH back AS (
        SELECT r.member_id, p.id AS field_id, c.change ->> 'old' AS value
        FROM member_import_row r CROSS JOIN LATERAL jsonb_array_elements(r.changes) AS c(change)
        JOIN profile_field p ON c.change ->> 'field' = 'answer_' || p.key
        WHERE r.import_id = %(import)s AND r.lead BETWEEN %(first)s AND %(last)s AND r.row = r.lead AND NOT r.created
            AND r.applied_at IS NOT NULL AND r.undone_at IS NULL AND NOT r.refusals @> '[{"code": "merged"}]'
            AND NOT r.refusals @> jsonb_build_array(jsonb_build_object('field', c.change ->> 'field'))),
    gone AS (
        DELETE FROM profile_value v USING back
        WHERE back.value IS NULL AND v.member_id = back.member_id AND v.field_id = back.field_id)
    UPDATE profile_value v SET value = back.value FROM back
    WHERE back.value IS NOT NULL AND v.member_id = back.member_id AND v.field_id = back.field_id"""

# The entries stay with their periods and are balanced there, so that both counts of growth are what they were.
_LOWER = f"""
    WITH back AS (
        SELECT r.member_id, r.standing_before AS before, r.standing_after AS after FROM member_import_row r
        WHERE r.import_id = %(import)s AND r.lead BETWEEN %(first)s AND %(last)s AND NOT r.created AND r.undone_at IS NULL
            AND r.standing_after IS NOT NULL AND NOT r.refusals @> '[{{"code": "merged"}}]'
            AND NOT r.refusals @> '[{{"code": "tier_moved"}}]'),
    entries AS (
        INSERT INTO growth_entry (member_id, period, source, amount, at)
        SELECT g.member_id, g.period, 'import_undone:' || %(import)s, -g.amount, %(now)s
        FROM back JOIN growth_entry g ON g.member_id = back.member_id AND g.source = 'import:' || %(import)s),
    changes AS (
        INSERT INTO tier_change (member_id, from_tier_id, to_tier_id, reason, growth, period_growth, period, since, until, at,
            actor)
        SELECT member_id, (after ->> 'tier_id')::bigint, (before ->> 'tier_id')::bigint, %(reason)s,
            (before ->> 'growth')::bigint, (before ->> 'period_growth')::bigint, (before ->> 'tier_period')::bigint,
            (before ->> 'tier_since')::date, (before ->> 'tier_until')::date, %(now)s, %(actor)s
        FROM back WHERE after ->> 'tier_period' <> before ->> 'tier_period')
    UPDATE member m SET {lay_over("n.tier_id", "m.tier_paid_id")}, tier_period = n.tier_period,
        tier_since = n.tier_since, tier_until = n.tier_until,
        tier_fallback_id = n.tier_fallback_id, growth = n.growth, period_growth = n.period_growth,
        growth_counted_from = n.growth_counted_from
    FROM back, member o, LATERAL jsonb_populate_record(o, back.before) AS n WHERE o.id = back.member_id AND m.id = o.id"""

_TAKE_TAGS = """
    WITH taken AS (
        DELETE FROM member_tag h USING member_import_row r
        WHERE r.import_id = %(import)s AND r.lead BETWEEN %(first)s AND %(last)s AND r.applied_at IS NOT NULL
            AND r.undone_at IS NULL AND h.member_id = r.member_id AND h.import_id = r.import_id
        RETURNING h.member_id, h.tag_id)
    INSERT INTO member_tag_change (member_id, tag_id, given, reason, actor, at)
    SELECT member_id, tag_id, false, %(reason)s, %(actor)s, %(now)s FROM taken"""

# The numbers are free again, so that a mended file can bring the same people.
_CLOSE = """
    WITH gone AS (
        SELECT m.id, m.state FROM member_import_row r JOIN member m ON m.id = r.member_id
        WHERE r.import_id = %(import)s AND r.lead BETWEEN %(first)s AND %(last)s AND r.row = r.lead AND r.created
            AND r.undone_at IS NULL AND r.refusals = '[]'),
    noted AS (
        INSERT INTO member_state_change (member_id, from_state, to_state, reason, actor, at)
        SELECT id, state, 'closed', %(reason)s, %(actor)s, %(now)s FROM gone),
    forgotten AS (DELETE FROM member_terms t USING gone WHERE t.member_id = gone.id),
    answers AS (DELETE FROM profile_value v USING gone WHERE v.member_id = gone.id)
    UPDATE member m SET state = 'closed', external_id = 'undone-' || m.id, card_number = NULL, phone = NULL, email = NULL,
        name = NULL, birthday = NULL, city = NULL, locale = NULL, erased_at = %(now)s
    FROM gone WHERE m.id = gone.id"""

_DONE = """
    WITH done AS (
        UPDATE member_import_row SET undone_at = %(now)s
        WHERE import_id = %(import)s AND lead BETWEEN %(first)s AND %(last)s AND applied_at IS NOT NULL AND undone_at IS NULL
        RETURNING row)
    UPDATE member_import SET done = done + (SELECT count(*) FROM done) WHERE id = %(import)s RETURNING done"""


async def judge_undo(connection: AsyncConnection[Any], import_id: int, first: int, last: int) -> None:
    """Find out, in the caller's transaction, what of the rows cannot be undone; no member changes."""
    found = await (await connection.execute(_REFERENCES)).fetchall()
    activity = "".join(
        f" OR EXISTS (SELECT FROM {table} h WHERE h.{column} = m.id)"
        for table, column in found
        if table not in OWN_TRACES
    )
    values = {"import": import_id, "first": first, "last": last}
    statement = _JUDGE.format(activity=activity.replace("%", "%%"), answers=ANSWERS)
    await connection.execute(statement, values)


async def preview_undo(connection: AsyncConnection[Any], import_id: int) -> None:
    """Find out of all rows what could not be undone now. The connection is in autocommit or in a transaction."""
    for first, last in await portions(connection, import_id):
        await judge_undo(connection, import_id, first, last)


async def begin_undo(connection: AsyncConnection[Any], work: Work) -> None:
    """Say yes to the undoing, in the caller's transaction. Raises UnknownImportError or ImportNotReadyError."""
    await move(connection, work, "undoing")


async def undo_import(connection: AsyncConnection[Any], work: Work) -> None:
    """Undo what was applied and not undone yet. The connection is in autocommit; killed at any point, it goes on.

    Points go back by reversing transfers; created members who have done nothing since are closed and their numbers are free.
    """
    for first, last in await portions(connection, work.import_id):
        values = {
            "import": work.import_id, "first": first, "last": last, "now": work.now, "actor": work.actor, "reason": REASON,
        }  # fmt: skip
        async with connection.transaction():
            await move(connection, work, "undoing", resume=True)
            await connection.execute(_LOCK, values)
            await judge_undo(connection, work.import_id, first, last)
            await reverse_openings(connection, values)
            restored = await (await connection.execute(_RESTORE, values)).fetchall()
            await index_members(connection, [row[0] for row in restored])
            for statement in (_RESTORE_ANSWERS, _LOWER, _TAKE_TAGS, _CLOSE):
                await connection.execute(statement, values)
            done = await (await connection.execute(_DONE, values)).fetchone()
        work.tell(done[0] if done else 0)
    async with connection.transaction():
        await move(connection, work, "undone")
