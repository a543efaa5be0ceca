"""Posting earning events: the same path for the API, its batches, file imports and the demo (DESIGN §4 "Earn")."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from psycopg import AsyncConnection

from liyu.core.bulk import encode_rows, insert_of
from liyu.core.ledger.posting import post_transfers, reserve_ids
from liyu.members.enrol import NewMember, enrol_members
from liyu.members.points.events import Event, Posted, check_event
from liyu.members.points.post_decide import EventRow, post_event
from liyu.members.points.post_state import PostState, Writes, load_state
from liyu.members.points.rows import INSERT_ENTRIES, MOVE_LOTS, OPEN_LOTS, LotEntryRow, LotRow, net_lot_changes
from liyu.members.program import load_terms

FUNDER = "program"
"""Who stands for the points; partners that fund points of their own get funders of their own."""

_SAVE_MEMBERS = """
    UPDATE member SET growth = r.growth, tier_id = r.tier_id, tier_until = coalesce(r.tier_until, member.tier_until)
    FROM json_to_recordset(%s::json) AS r(id bigint, growth bigint, tier_id bigint, tier_until date) WHERE member.id = r.id"""

_SAVE_TIER_CHANGES = """
    INSERT INTO tier_change (member_id, from_tier_id, to_tier_id, reason, growth, at)
    SELECT member_id, from_tier_id, to_tier_id, reason, growth, at FROM json_to_recordset(%s::json)
        AS r(member_id bigint, from_tier_id bigint, to_tier_id bigint, reason text, growth bigint, at timestamptz)"""

_SAVE_USES = """
    INSERT INTO earning_use (member_id, rule_code, period, used, cap)
    SELECT member_id, rule_code, period, used, cap FROM json_to_recordset(%s::json)
        AS r(member_id bigint, rule_code text, period text, used bigint, cap bigint)
    ON CONFLICT (member_id, rule_code, period) DO UPDATE SET used = excluded.used, cap = excluded.cap"""


async def post_events(
    connection: AsyncConnection[Any],
    events: list[Event],
    *,
    actor: str,
    now: datetime,
    zone: ZoneInfo,
    enrol_unknown: bool = False,
) -> list[Posted]:
    """Post events in their order, in the caller's transaction, and answer each: `ok`, `duplicate` or `failed`.

    Faulty events change nothing and harm no others. With `enrol_unknown`, members that are not known yet are enrolled.
    """
    terms = await load_terms(connection)
    faults = [check_event(event, terms.currency, now) for event in events]
    sound = [event for event, found in zip(events, faults, strict=True) if not found]
    members = sorted({event.member for event in sound})
    if enrol_unknown:
        await enrol_members(connection, [NewMember(external_id=one) for one in members], actor=actor, now=now)
    places = [(event.type, event.reference) for event in sound]
    state = await load_state(connection, places, members, now, zone, terms)
    writes = Writes()
    answers = [
        Posted("failed", code="invalid_event", faults=found) if found else post_event(state, writes, event, actor)
        for event, found in zip(events, faults, strict=True)
    ]
    await _save(connection, state, writes)
    return answers


async def _save(connection: AsyncConnection[Any], state: PostState, writes: Writes) -> None:
    if not writes.events:
        return
    for transfer, transfer_id in zip(
        writes.transfers, await reserve_ids(connection, "transfer", len(writes.transfers)), strict=True
    ):
        transfer.id = transfer_id
    await _open_lots(connection, writes)
    entries = [LotEntryRow(writes.transfers[position].id, lot.id, amount) for position, lot, amount in writes.entries]
    await post_transfers(connection, writes.transfers)
    await connection.execute(INSERT_ENTRIES, (encode_rows(entries),))
    await connection.execute(MOVE_LOTS, (encode_rows(net_lot_changes(entries)),))
    await connection.execute(insert_of("earning_event", EventRow), (encode_rows(writes.events),))
    await _save_members(connection, state, writes)
    if writes.uses:
        uses = [
            {"member_id": member, "rule_code": code, "period": period, "used": used, "cap": cap}
            for (member, code, period), (used, cap) in writes.uses.items()
        ]
        await connection.execute(_SAVE_USES, (encode_rows(uses),))


async def _open_lots(connection: AsyncConnection[Any], writes: Writes) -> None:
    if not writes.new_lots:
        return
    ids = await reserve_ids(connection, "lot", len(writes.new_lots))
    rows = []
    for lot, lot_id in zip(writes.new_lots.values(), ids, strict=True):
        lot.id = lot_id
        rows.append(LotRow(lot_id, lot.account_id, FUNDER, lot.expires_on, lot.matures_on, 0))
    await connection.execute(OPEN_LOTS, (encode_rows(rows),))


async def _save_members(connection: AsyncConnection[Any], state: PostState, writes: Writes) -> None:
    until = {change.member_id: change.until for change in writes.tier_changes}
    earners = [state.earners[external_id] for external_id in sorted(writes.touched)]
    rows = [{"id": e.id, "growth": e.growth, "tier_id": e.tier_id, "tier_until": until.get(e.id)} for e in earners]
    await connection.execute(_SAVE_MEMBERS, (encode_rows(rows),))
    if writes.tier_changes:
        await connection.execute(_SAVE_TIER_CHANGES, (encode_rows(writes.tier_changes),))
