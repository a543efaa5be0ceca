"""Comparing the rows of a file with the members: one statement, for the dry run and again when the rows are applied."""

from typing import Any

from psycopg import AsyncConnection

from liyu.core.i18n import N_
from liyu.members.errors import MemberClosedError, PhoneTakenError

ANSWERS = """
    (SELECT coalesce(jsonb_object_agg('answer_' || p.key, v.value), '{}')
        FROM profile_value v JOIN profile_field p ON p.id = v.field_id WHERE v.member_id = m.id)"""
"""In SQL: the answers of the member `m` to the operator's own questions, by the columns that bring them."""

# One pass over the rows with windows instead of joins among themselves: the planner knows nothing of rows just read, and guesses
# that there is one of each. An import raises growth, once, and tiers, and never lowers them.
_PLAN = """
    WITH found AS (
        SELECT r.row, r.lead, r.external_id, r.fields || jsonb_strip_nulls(jsonb_build_object('phone', r.phone)) AS wanted, r.tags,
            r.points, r.expires_on, r.faults, r.fields::text LIKE '%%"answer_%%' AS asks,
            coalesce(p.merged_into, p.id) AS phone_owner,
            max(coalesce(e.merged_into, e.id, CASE WHEN r.external_id IS NULL THEN coalesce(p.merged_into, p.id) END))
                OVER (PARTITION BY r.lead) AS member_id
        FROM member_import_row r
        LEFT JOIN member e ON r.row = r.lead AND e.external_id = r.external_id
        LEFT JOIN member p ON r.row = r.lead AND p.phone = r.phone
        WHERE r.import_id = %(import)s AND r.lead BETWEEN %(first)s AND %(last)s AND r.applied_at IS NULL),
    judged AS (
        SELECT f.row, f.lead, f.member_id, f.faults, f.points IS NOT NULL AND o.id IS NULL AS opens,
            CASE WHEN f.row = f.lead THEN (
                SELECT coalesce(jsonb_agg(jsonb_build_object('field', w.key, 'old', n.record ->> w.key, 'new', w.value)
                    ORDER BY w.key), '[]')
                FROM jsonb_each_text(f.wanted) AS w
                WHERE (n.record ->> w.key) IS DISTINCT FROM w.value AND (m.id IS NULL OR CASE
                    WHEN w.key = 'growth' THEN w.value::bigint > m.growth AND NOT EXISTS (
                        SELECT FROM growth_entry g WHERE g.member_id = m.id AND g.source LIKE 'import%%'
                        HAVING sum(g.amount) > 0)
                    WHEN w.key IN ('tier_id', 'tier_until') THEN
                        (SELECT rank FROM tier WHERE id = (f.wanted ->> 'tier_id')::bigint)
                        > (SELECT rank FROM tier WHERE id = coalesce(m.tier_earned_id, m.tier_id))
                    ELSE w.key <> 'state' END))
            || (SELECT coalesce(jsonb_agg(jsonb_build_object('field', 'tag', 'old', NULL, 'new', t.value) ORDER BY t.value), '[]')
                FROM jsonb_array_elements_text(f.tags) AS t
                WHERE NOT EXISTS (SELECT FROM member_tag h WHERE h.member_id = m.id AND h.tag_id = t.value::bigint))
            ELSE '[]' END
            || CASE WHEN f.points IS NOT NULL AND o.id IS NULL THEN jsonb_build_array(jsonb_build_object('field', 'points',
                'old', NULL, 'new', f.points::text, 'day', f.expires_on::text)) ELSE '[]' END AS changes,
            (SELECT coalesce(jsonb_agg(jsonb_build_object('column', c.place, 'text', c.words, 'values', c.figures)), '[]') FROM (
                SELECT 'phone' AS place, %(phone_taken)s::text AS words, '{}'::jsonb AS figures
                    WHERE f.phone_owner IS NOT NULL AND f.phone_owner IS DISTINCT FROM f.member_id
                UNION ALL SELECT '', %(closed)s, '{}' WHERE f.row = f.lead AND m.state = 'closed'
                UNION ALL SELECT 'points', %(differs)s, jsonb_build_object('points', o.points) WHERE o.points <> f.points
                UNION ALL SELECT 'state', %(begun)s, '{}' WHERE f.wanted ->> 'state' = 'pre_registered'
                    AND m.state <> 'pre_registered' AND f.points IS NOT NULL AND o.id IS NULL
                UNION ALL SELECT 'points', %(waits)s, '{}' WHERE m.state = 'pre_registered' AND f.expires_on IS NOT NULL
                    AND o.id IS NULL
                UNION ALL SELECT 'answer_' || q.key, %(option)s, '{}' FROM profile_field q
                    WHERE f.row = f.lead AND f.asks AND q.kind = 'choice' AND NOT q.options @> jsonb_build_array(
                        jsonb_build_object('value', f.wanted ->> ('answer_' || q.key)))
                        AND f.wanted ? ('answer_' || q.key)
                UNION ALL SELECT 'external_id', %(zeros)s, jsonb_build_object('number', min(z.external_id)) FROM member z
                    WHERE f.row = f.lead AND f.member_id IS NULL AND f.external_id ~ '^[1-9][0-9]*$'
                        AND z.external_id >= '0' AND z.external_id < '1' AND ltrim(z.external_id, '0') = f.external_id
                    HAVING count(*) > 0
            ) AS c) AS conflicts
        FROM found f LEFT JOIN member m ON m.id = f.member_id
        -- Without the OFFSET the record would be made again for each of its fields.
        CROSS JOIN LATERAL (
            SELECT CASE WHEN f.row = f.lead THEN to_jsonb(m) || CASE WHEN f.asks THEN {answers} ELSE '{}' END END AS record
            OFFSET 0) AS n
        LEFT JOIN opening_balance o ON f.points IS NOT NULL AND o.member_id = f.member_id
            AND o.expires_on IS NOT DISTINCT FROM f.expires_on AND o.reversed_at IS NULL),
    grouped AS (
        SELECT *, faults <> '[]' OR conflicts <> '[]' AS guilty,
            min(CASE WHEN faults <> '[]' OR conflicts <> '[]' THEN row END) OVER (PARTITION BY lead) AS culprit
        FROM judged),
    verdict AS (
        SELECT row, member_id, opens AND culprit IS NULL AS opens, CASE WHEN culprit IS NULL THEN changes ELSE '[]' END AS changes,
            conflicts || CASE WHEN culprit IS NOT NULL AND NOT guilty THEN jsonb_build_array(jsonb_build_object(
                'column', '', 'text', %(together)s::text, 'values', jsonb_build_object('row', culprit))) ELSE '[]' END AS conflicts,
            CASE WHEN culprit IS NOT NULL THEN 'faulty' WHEN member_id IS NULL THEN 'new' WHEN changes <> '[]' THEN 'changed'
                ELSE 'unchanged' END AS status
        FROM grouped)
    UPDATE member_import_row r
    SET member_id = v.member_id, opens = v.opens, status = v.status, changes = v.changes, conflicts = v.conflicts
    FROM verdict v WHERE r.import_id = %(import)s AND r.row = v.row
        AND (r.member_id, r.opens, r.status, r.changes, r.conflicts)
            IS DISTINCT FROM (v.member_id, v.opens, v.status, v.changes, v.conflicts)""".replace("{answers}", ANSWERS)

_WORDS = {
    "phone_taken": PhoneTakenError.message,
    "closed": MemberClosedError.message,
    "begun": N_("This member has joined already: only somebody new can be pre-registered."),
    "waits": N_(
        "This member is pre-registered: say so in the column “state”, then the points have no last day before the activation."
    ),
    "option": N_("Choose one of the values offered."),
    "differs": N_(
        "An opening balance of %(points)s points with this last day was imported before. Undo that import first."
    ),
    "zeros": N_("There is a member %(number)s: a spreadsheet has cut off the zeros in front."),
    "together": N_("Row %(row)s of the same member is faulty; both wait."),
}


async def compare(connection: AsyncConnection[Any], import_id: int, first: int, last: int) -> None:
    """Find out what the rows whose lead is from `first` to `last` would change, in the caller's transaction.

    Rows that were applied stay as they are.
    """
    await connection.execute(_PLAN, {**_WORDS, "import": import_id, "first": first, "last": last})
