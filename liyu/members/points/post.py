"""Posting earning events: the same path for the API, its batches, file imports and the demo."""

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
from liyu.members.tiers.save import save_tiers

FUNDER = "program"
"""Who stands for the points; partners that fund points of their own get funders of their own."""

# A use moves by what is added, so that the CHECK on it holds whatever the process believed. A cap that was lowered below what
# is used already stays where the use is.
_SAVE_USES = """
    INSERT INTO earning_use (member_id, rule_code, period, used, cap)
    SELECT member_id, rule_code, period, added, cap FROM json_to_recordset(%s::json)
        AS r(member_id bigint, rule_code text, period text, added bigint, cap bigint)
    ON CONFLICT (member_id, rule_code, period)
    DO UPDATE SET used = earning_use.used + excluded.used, cap = greatest(excluded.cap, earning_use.used)"""


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
    state = await load_state(connection, sound, members, now, zone, terms)
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
    opened = {lot.id for lot in writes.new_lots.values()}
    if changes := net_lot_changes([entry for entry in entries if entry.lot_id not in opened]):
        await connection.execute(MOVE_LOTS, (encode_rows(changes),))
    await connection.execute(insert_of("earning_event", EventRow), (encode_rows(writes.events),))
    await save_tiers(connection, writes.tiers)
    if writes.uses:
        uses = [
            {"member_id": member, "rule_code": code, "period": period, "added": added, "cap": cap}
            for (member, code, period), (added, cap) in writes.uses.items()
        ]
        await connection.execute(_SAVE_USES, (encode_rows(uses),))


async def _open_lots(connection: AsyncConnection[Any], writes: Writes) -> None:
    if not writes.new_lots:
        return
    ids = await reserve_ids(connection, "lot", len(writes.new_lots))
    rows = []
    for lot, lot_id in zip(writes.new_lots.values(), ids, strict=True):
        rows.append(LotRow(lot_id, lot.account_id, FUNDER, lot.expires_on, lot.matures_on, lot.remaining))
    opened = await connection.execute(OPEN_LOTS, (encode_rows(rows),))
    # A lot of the same key that was emptied before keeps its own id.
    for lot_id, account_id, _, expires_on, matures_on in await opened.fetchall():
        writes.new_lots[account_id, expires_on, matures_on].id = lot_id
