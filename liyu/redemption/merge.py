"""Merging two members 会员合并: each package moves what it keeps, in one transaction (docs/algorithms/merging.md).

The preview is the merge itself, rolled back: what is shown is what would happen.
"""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct
from psycopg import AsyncConnection

from liyu.catalog.evaluation.candidates import move_votes
from liyu.catalog.favourites import move_favourites
from liyu.core.bulk import encode_rows
from liyu.core.database import fetch_all
from liyu.core.errors import InvalidInputError
from liyu.core.i18n import N_, Message
from liyu.core.idempotency import hash_body
from liyu.members.service.errors import ChangedMeanwhileError
from liyu.members.service.merge import MembersMoved, Party, close_source, lock_party, merge_members
from liyu.redemption.drops.merge import move_places
from liyu.redemption.persons import join_persons
from liyu.redemption.save import hash_for_member
from liyu.vouchers.merge import VouchersMoved, count_vouchers, move_held_vouchers

LONGEST_REASON = 200

_LOCK_REDEMPTIONS = "SELECT id FROM redemption WHERE member_id = %(source)s ORDER BY id FOR UPDATE"
_MOVE_REDEMPTIONS = "UPDATE redemption SET member_id = %(target)s WHERE member_id = %(source)s"

# Together they have used what both have used, also where that is more than the limit: then nothing is left, and nothing is
# taken away.
_ADD_LIMITS = """
    WITH gone AS (DELETE FROM limit_use WHERE member_id = %(source)s RETURNING item_id, period, used, cap),
    added AS (
        INSERT INTO limit_use AS mine (item_id, member_id, period, used, cap)
        SELECT item_id, %(target)s, period, used, cap FROM gone
        ON CONFLICT (item_id, member_id, period) DO UPDATE
        SET used = mine.used + excluded.used, cap = greatest(mine.cap, excluded.cap, mine.used + excluded.used)
        RETURNING item_id, period, used)
    SELECT i.sku, i.name_zh, i.name_en, a.period, a.used,
        CASE a.period WHEN '' THEN i.per_member_limit ELSE i.per_day_limit END AS cap
    FROM added a JOIN item i ON i.id = a.item_id
    WHERE a.period <> 'person' AND a.used > CASE a.period WHEN '' THEN i.per_member_limit ELSE i.per_day_limit END
    ORDER BY i.sku, a.period"""

_ANSWERS = """
    SELECT a.key, a.body_hash FROM idempotent_answer a WHERE a.scope = %(own)s
        AND NOT EXISTS (SELECT FROM idempotent_answer t WHERE t.scope = %(new)s AND t.key = a.key)"""

_MOVE_ANSWERS = """
    UPDATE idempotent_answer a
    SET scope = %(new)s, body_hash = r.body_hash
    FROM json_to_recordset(%(rows)s::json) AS r(key text, body_hash text) WHERE a.scope = %(own)s AND a.key = r.key"""


class LimitPassed(Struct, frozen=True):
    """A limit that the two have used up together, and more; `period` is empty for a lifetime."""

    sku: str
    name_zh: str
    name_en: str
    period: str
    used: int
    cap: int


class Merged(Struct):
    """What went over."""

    members: MembersMoved
    redemptions: int
    vouchers: VouchersMoved
    answers: int
    passed: list[LimitPassed]

    @property
    def fingerprint(self) -> str:
        """Tells whether what is merged is what was looked at."""
        return hash_body(msgspec.json.encode(self))


class _AnswerRow(Struct):
    key: str
    body_hash: str


async def merge(
    connection: AsyncConnection[Any],
    source: str,
    target: str,
    *,
    reason: str,
    actor: str,
    now: datetime,
    zone: ZoneInfo,
    seen: str | None = None,
) -> Merged:
    """Merge the source into the target, in the caller's transaction; for ever.

    `seen` is the fingerprint of the preview that was looked at. Raises InvalidInputError, UnknownMemberError,
    NotMergeableError with every reason, or ChangedMeanwhileError.
    """
    if not reason.strip() or len(reason) > LONGEST_REASON:
        words = Message(N_("Must have 1 to %(most)s characters."), {"most": LONGEST_REASON})
        raise InvalidInputError.of_fields({"reason": words})
    party = await lock_party(connection, source, target, reason=reason, actor=actor, now=now, zone=zone)
    merged = await _move(connection, party)
    if seen is not None and seen != merged.fingerprint:
        raise ChangedMeanwhileError
    await close_source(connection, party, merged)
    return merged


async def preview_merge(
    connection: AsyncConnection[Any], source: str, target: str, *, actor: str, now: datetime, zone: ZoneInfo
) -> tuple[Party, Merged]:
    """What merging would do: it is done and rolled back. Raises as `merge` does."""
    async with connection.transaction(force_rollback=True):
        party = await lock_party(connection, source, target, reason="preview", actor=actor, now=now, zone=zone)
        merged = await _move(connection, party)
        await close_source(connection, party, merged)
    return party, merged


async def _move(connection: AsyncConnection[Any], party: Party) -> Merged:
    vouchers = await count_vouchers(connection, party.values)
    members = await merge_members(connection, party)
    await connection.execute(_LOCK_REDEMPTIONS, party.values)
    redemptions = (await connection.execute(_MOVE_REDEMPTIONS, party.values)).rowcount
    await move_held_vouchers(connection, party.values)
    await move_favourites(connection, source=party.source.id, target=party.target.id)
    await move_votes(connection, source=party.source.id, target=party.target.id)
    await move_places(connection, source=party.source.id, target=party.target.id)
    await join_persons(connection, party.source.id, party.target.id)
    passed = await fetch_all(connection, LimitPassed, _ADD_LIMITS, party.values)
    return Merged(members, redemptions, vouchers, await _move_answers(connection, party), passed)


async def _move_answers(connection: AsyncConnection[Any], party: Party) -> int:
    """First answers of the source's own requests answer the target's: the body is the same but for who asked."""
    scopes = {"own": f"member:{party.source.id}", "new": f"member:{party.target.id}"}
    found = await (await connection.execute(_ANSWERS, scopes)).fetchall()
    rows = [_AnswerRow(key, hash_for_member(body, party.target.external_id)) for key, body in found]
    await connection.execute(_MOVE_ANSWERS, {**scopes, "rows": encode_rows(rows)})
    return len(rows)
