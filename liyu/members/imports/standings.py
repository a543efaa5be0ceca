"""Tiers and growth value that members bring along, through the same rules as everybody's."""

from datetime import date
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.bulk import encode_rows
from liyu.core.database import fetch_all
from liyu.members.tiers.rules import Standing, adopt
from liyu.members.tiers.save import TierWrites, load_ladder, load_standings, save_tiers

_WISHES = """
    SELECT r.row, r.member_id,
        CASE WHEN r.changes @> '[{"field": "growth"}]' THEN (r.fields ->> 'growth')::bigint END AS growth,
        CASE WHEN r.changes @> '[{"field": "tier_id"}]' THEN (r.fields ->> 'tier_id')::bigint END AS tier_id,
        (r.fields ->> 'tier_until')::date AS until
    FROM member_import_row r
    WHERE r.import_id = %(import)s AND r.lead BETWEEN %(first)s AND %(last)s AND r.row = r.lead AND r.applied_at IS NULL
        AND (r.changes @> '[{"field": "growth"}]' OR r.changes @> '[{"field": "tier_id"}]') ORDER BY r.member_id"""

# The rules may lift the tier beyond what the file says: growth value that reaches a threshold does.
_KEEP = """
    UPDATE member_import_row r SET standing_before = k.before, standing_after = k.after, changes = (
        SELECT coalesce(jsonb_agg(c.change), '[]') FROM (
            SELECT change FROM jsonb_array_elements(r.changes) AS change
            WHERE change ->> 'field' NOT IN ('growth', 'tier_id', 'tier_until')
            UNION ALL SELECT jsonb_build_object('field', f, 'old', k.before ->> f, 'new', k.after ->> f)
            FROM unnest(ARRAY['growth', 'tier_id', 'tier_until']) AS f
            WHERE (k.before ->> f) IS DISTINCT FROM (k.after ->> f)) AS c)
    FROM json_to_recordset(%(kept)s::json) AS k(row bigint, before jsonb, after jsonb)
    WHERE r.import_id = %(import)s AND r.row = k.row"""


class _Wish(Struct):
    row: int
    member_id: int
    growth: int | None
    tier_id: int | None
    until: date | None


async def raise_standings(connection: AsyncConnection[Any], values: dict[str, Any], day: date) -> None:
    """Give the members of a portion the tiers and the growth value that their rows say; the caller holds their locks."""
    wishes = await fetch_all(connection, _Wish, _WISHES, values)
    if not wishes:
        return
    ladder = await load_ladder(connection)
    standings = await load_standings(connection, [wish.member_id for wish in wishes])
    writes, kept = TierWrites(), []
    for wish in wishes:
        before = standing = standings[wish.member_id]
        if wish.tier_id is not None:
            standing, decision = adopt(ladder, standing, wish.tier_id, wish.until, day)
            writes.note(wish.member_id, standing, [decision], values["now"], actor=values["actor"])
        if wish.growth is not None and wish.growth > standing.growth:
            gained = wish.growth - standing.growth
            source = f"import:{values['import']}"
            standing = writes.grow(ladder, wish.member_id, standing, gained, day, values["now"], source)
        kept.append({"row": wish.row, "before": columns_of(before), "after": columns_of(standing)})
    await save_tiers(connection, writes)
    await connection.execute(_KEEP, values | {"kept": encode_rows(kept)})


def columns_of(standing: Standing) -> dict[str, Any]:
    """Where a member stands, by the columns of their row."""
    return {
        "tier_id": standing.tier_id, "tier_period": standing.period, "tier_since": standing.since,
        "tier_until": standing.until, "tier_fallback_id": standing.fallback_id, "growth": standing.growth,
        "period_growth": standing.period_growth, "growth_counted_from": standing.counted_from,
    }  # fmt: skip
