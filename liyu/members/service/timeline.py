"""What happened to a member, as far as the members package and those below it know: one query for each kind of event.

Each gives `at`, an `id` of its own kind, `actor` (or null) and `data`, over the member and those merged into them. The points,
of which there are many, are cut to the page before the events that gave them are looked up.
"""

from liyu.members.leads import PERSON
from liyu.members.points.history import SIDES, TRANSFERS

_AUDIT_NOUN = "member:"

_MOVES = f"""
        WITH mine AS (SELECT id, kind FROM account WHERE member_id IN {PERSON}),
        moves AS (
            SELECT t.id, t.at, t.event, t.source, t.reason, t.amount, t.actor, c.id IS NOT NULL AS came, {SIDES}
            FROM (
                {TRANSFERS}) AS t
            LEFT JOIN mine c ON c.id = t.credit_account_id LEFT JOIN mine d ON d.id = t.debit_account_id)"""

EVENTS: dict[str, str] = {
    "points": f"""{_MOVES},
        page AS (
            SELECT * FROM moves WHERE event <> 'adjust'
                AND (%(at)s::timestamptz IS NULL OR (at, 'points', id) < (%(at)s, %(kind)s::text, %(id)s::bigint))
            ORDER BY at DESC, id DESC LIMIT %(most)s)
        SELECT m.at, m.id, m.actor, jsonb_build_object('id', m.id, 'event', m.event, 'source', m.source, 'reason', m.reason,
            'at', m.at, 'amount', m.amount, 'points', m.points, 'pending', m.pending, 'debt', m.debt, 'event_type', e.type,
            'amount_minor', e.amount_minor, 'currency', e.currency, 'lines', coalesce(e.lines, '[]'), 'balance', 0) AS data
        FROM page m LEFT JOIN earning_event e
            ON e.type = split_part(m.source, ':', 1) AND e.reference = substr(m.source, strpos(m.source, ':') + 1)""",
    "adjustments": f"""{_MOVES}
        SELECT m.at, m.id, m.actor, jsonb_build_object('step', 'moved', 'reason', m.reason,
            'points', CASE WHEN m.came THEN m.amount ELSE -m.amount END) AS data
        FROM moves m WHERE m.event = 'adjust'
        UNION ALL SELECT requested_at, -2 * id, requested_by,
            jsonb_build_object('step', 'requested', 'points', points, 'reason', reason)
        FROM adjustment_request WHERE member_id IN {PERSON}
        UNION ALL SELECT decided_at, -2 * id - 1, decided_by,
            jsonb_build_object('step', state, 'points', points, 'reason', decision)
        FROM adjustment_request WHERE member_id IN {PERSON} AND decided_at IS NOT NULL""",
    "tier": f"""
        SELECT c.at, c.id, c.actor, jsonb_build_object('from_zh', f.name_zh, 'from_en', f.name_en, 'to_zh', t.name_zh,
            'to_en', t.name_en, 'reason', c.reason, 'growth', c.growth, 'note', c.note, 'until', c.until) AS data
        FROM tier_change c JOIN tier t ON t.id = c.to_tier_id LEFT JOIN tier f ON f.id = c.from_tier_id
        WHERE c.member_id IN {PERSON}""",
    "state": f"""
        SELECT s.at, s.id, s.actor, jsonb_build_object('state', s.to_state, 'reason', s.reason, 'member', m.external_id) AS data
        FROM member_state_change s JOIN member m ON m.id = s.member_id WHERE s.member_id IN {PERSON}
        UNION ALL SELECT c.at, -c.id, c.actor, jsonb_build_object('card', c.number, 'change', c.change, 'reason', c.reason)
        FROM card_change c WHERE c.member_id IN {PERSON}""",
    "logins": f"""
        SELECT created_at AS at, ('x' || substr(encode(token_hash, 'hex'), 1, 15))::bit(60)::bigint AS id, NULL::text AS actor,
            jsonb_build_object('address', address, 'agent', user_agent, 'ended', revoked_at) AS data
        FROM session WHERE member_id IN {PERSON}""",
    "notes": f"""
        SELECT at, id, author AS actor, jsonb_build_object('text', text) AS data FROM member_note WHERE member_id IN {PERSON}""",
    "tags": f"""
        SELECT c.at, c.id, c.actor, jsonb_build_object('given', c.given, 'name_zh', t.name_zh, 'name_en', t.name_en,
            'reason', c.reason) AS data
        FROM member_tag_change c JOIN tag t ON t.id = c.tag_id WHERE c.member_id IN {PERSON}""",
    "audit": f"""
        SELECT a.at, a.id, a.actor, jsonb_build_object('action', a.action, 'address', a.address) AS data
        FROM audit_event a JOIN member m ON a.object = '{_AUDIT_NOUN}' || m.external_id WHERE m.id IN {PERSON}""",
}
