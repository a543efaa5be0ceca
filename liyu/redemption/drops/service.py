"""Planning, announcing, ending and calling off drops. The caller writes the audit event."""

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection
from psycopg.errors import UniqueViolation

from liyu.catalog.notify import STOCK_CHANNEL, announce_items
from liyu.catalog.plan import ONE_WRITER_AT_A_TIME
from liyu.catalog.publish import note_versions
from liyu.core.bulk import encode_rows
from liyu.core.database import fetch_all, fetch_one
from liyu.core.errors import Reason
from liyu.core.i18n import N_, Message
from liyu.core.ids import make_number
from liyu.members.notices import NoticeRow, tell_members
from liyu.redemption.drops.channel import announce_drops
from liyu.redemption.drops.errors import DropStateError, NotPlannableError, UnknownDropError
from liyu.redemption.drops.hand_on import lock_stock
from liyu.redemption.drops.notes import NoteRow, write_notes
from liyu.redemption.drops.states import may_become

MOST_WAVES = 12
LONGEST = timedelta(days=92)
LONGEST_OFFER_MINUTES = 7 * 24 * 60


class WavePlan(Struct, frozen=True):
    """Units that become available at one instant."""

    opens_at: datetime
    units: int


class DropPlan(Struct, frozen=True):
    """What an operator plans. `offer_minutes`: how long a released unit is kept for whom it is handed on to."""

    sku: str
    waves: list[WavePlan]
    ends_at: datetime
    offer_minutes: int = 60
    asks_attention: bool = True


class _ItemNow(Struct):
    id: int
    kind: str
    state: str
    is_limited: bool


class _DropNow(Struct):
    id: int
    item_id: int
    state: str
    ends_at: datetime


FAULTS: dict[str, str] = {
    "unknown_item": N_("No item has this number."),
    "item_not_limited": N_("Only an item with a limited stock of its own can be dropped."),
    "item_not_live": N_("The item is not live: publish it first."),
    "no_wave": N_("A drop needs at least one wave."),
    "too_many_waves": N_("A drop has at most 12 waves."),
    "waves_out_of_order": N_("Each wave opens after the one before it."),
    "no_units": N_("Each wave has at least one unit."),
    "opens_in_the_past": N_("The first wave opens in the past."),
    "ends_too_early": N_("The drop ends before its last wave opens."),
    "too_long": N_("A drop lasts at most 92 days."),
    "offer_minutes": N_("Released units are kept from one minute to seven days."),
    "another_drop": N_("Another drop of this item is planned or running."),
}
"""Why a plan is refused, by name."""


async def plan_drop(connection: AsyncConnection[Any], plan: DropPlan, *, actor: str, now: datetime) -> str:
    """Plan a drop, in the caller's transaction; returns its number. Raises NotPlannableError with every reason."""
    item = await _find_item(connection, plan.sku)
    faults = [*([] if item else ["unknown_item"]), *_check_plan(plan, now)]
    if item is not None and (not item.is_limited or item.kind == "code"):
        faults.append("item_not_limited")
    if faults or item is None:
        raise _refusal(faults)
    number = make_number("D")
    try:
        async with connection.transaction():
            made = await connection.execute(
                "INSERT INTO drop (number, item_id, state, ends_at, offer_minutes, asks_attention, created_by, created_at) "
                "VALUES (%s, %s, 'planned', %s, %s, %s, %s, %s) RETURNING id",
                (number, item.id, plan.ends_at, plan.offer_minutes, plan.asks_attention, actor, now),
            )
    except UniqueViolation:
        raise _refusal(["another_drop"]) from None
    drop_id = (await made.fetchone() or (0,))[0]
    await _write_waves(connection, drop_id, plan.waves)
    await _note_state(connection, drop_id, None, "planned", "", actor, now)
    return number


async def change_plan(connection: AsyncConnection[Any], number: str, plan: DropPlan, *, now: datetime) -> None:
    """Replace what was planned, as long as it is not announced. Raises UnknownDropError, DropStateError, NotPlannableError."""
    drop = await _lock_drop(connection, number)
    if drop.state != "planned":
        raise DropStateError
    faults = _check_plan(plan, now)
    if faults:
        raise _refusal(faults)
    await connection.execute(
        "UPDATE drop SET ends_at = %s, offer_minutes = %s, asks_attention = %s WHERE id = %s",
        (plan.ends_at, plan.offer_minutes, plan.asks_attention, drop.id),
    )
    await connection.execute("DELETE FROM drop_wave WHERE drop_id = %s", (drop.id,))
    await _write_waves(connection, drop.id, plan.waves)


async def announce_drop(connection: AsyncConnection[Any], number: str, *, actor: str, now: datetime) -> None:
    """Announce a drop: its rule and waves are fixed from here on, and the item is its alone.

    The first wave joins the stock at once, since the sale opens with it; later ones join at their instants. What was left
    of the item before leaves the stock. Raises UnknownDropError, DropStateError or NotPlannableError.
    """
    await connection.execute(ONE_WRITER_AT_A_TIME)
    drop = await _lock_drop(connection, number)
    if not may_become(drop.state, "announced"):
        raise DropStateError
    found = await connection.execute("SELECT state FROM item WHERE id = %s", (drop.item_id,))
    waves = await _read_waves(connection, drop.id)
    faults = []
    if await found.fetchone() != ("live",):
        faults.append("item_not_live")
    if waves[0].opens_at <= now:
        faults.append("opens_in_the_past")
    if faults:
        raise _refusal(faults)
    await connection.execute("UPDATE drop SET state = 'announced' WHERE id = %s", (drop.id,))
    await connection.execute(
        "UPDATE item SET is_drop = true, on_sale_from = %s, on_sale_to = %s, changed_at = %s WHERE id = %s",
        (waves[0].opens_at, drop.ends_at, now, drop.item_id),
    )
    await connection.execute(
        "UPDATE item_stock SET total = taken + %s WHERE item_id = %s", (waves[0].units, drop.item_id)
    )
    await connection.execute("UPDATE drop_wave SET stocked_at = %s WHERE drop_id = %s AND number = 1", (now, drop.id))
    await _note_state(connection, drop.id, drop.state, "announced", "", actor, now)
    await note_versions(connection, [drop.item_id], actor=actor, now=now, reason="drop")
    await announce_items(connection, [drop.item_id])
    await announce_drops(connection)


async def call_off(connection: AsyncConnection[Any], number: str, reason: str, *, actor: str, now: datetime) -> None:
    """Call a drop off: nobody gets more of it, and who waits is told why. What was redeemed stays redeemed.

    Raises UnknownDropError or DropStateError.
    """
    drop = await _lock_drop(connection, number)
    if not may_become(drop.state, "called_off"):
        raise DropStateError
    await _close(connection, drop, "called_off", reason, actor=actor, now=now)


async def end_due(connection: AsyncConnection[Any], *, actor: str, now: datetime) -> int:
    """End the drops whose time is over; returns how many. The connection is in no transaction."""
    found = await connection.execute(
        "SELECT number FROM drop WHERE state = 'announced' AND ends_at <= %s ORDER BY item_id", (now,)
    )
    ended = 0
    for (number,) in await found.fetchall():
        async with connection.transaction():
            drop = await _lock_drop(connection, number)
            if drop.state == "announced" and drop.ends_at <= now:
                await _close(connection, drop, "ended", "time", actor=actor, now=now)
                ended += 1
    return ended


async def _close(
    connection: AsyncConnection[Any], drop: _DropNow, state: str, reason: str, *, actor: str, now: datetime
) -> None:
    await connection.execute("UPDATE drop SET state = %s WHERE id = %s", (state, drop.id))
    await _note_state(connection, drop.id, drop.state, state, reason, actor, now)
    if drop.state == "announced":
        await _send_home(connection, drop, state, reason, now)
    if drop.state == "announced" and state == "called_off":
        await connection.execute("UPDATE item_stock SET total = taken WHERE item_id = %s", (drop.item_id,))
        await announce_items(connection, [drop.item_id])
    await connection.execute("SELECT pg_notify(%s, %s)", (STOCK_CHANNEL, str(drop.item_id)))
    await announce_drops(connection)


async def _send_home(connection: AsyncConnection[Any], drop: _DropNow, state: str, reason: str, now: datetime) -> None:
    """End the list and what was kept; those units are free again, or gone with the drop."""
    lapsed = await connection.execute(
        "UPDATE drop_offer SET state = 'lapsed', decided_at = %s WHERE drop_id = %s AND state = 'open' RETURNING units",
        (now, drop.id),
    )
    units = sum(row[0] for row in await lapsed.fetchall())
    await connection.execute("UPDATE item_stock SET taken = taken - %s WHERE item_id = %s", (units, drop.item_id))
    found = await connection.execute(
        "UPDATE drop_entry SET state = 'over' WHERE drop_id = %s AND state IN ('waiting', 'offered') RETURNING member_id",
        (drop.id,),
    )
    members = [row[0] for row in await found.fetchall()]
    what = "called_off" if state == "called_off" else "over"
    details = {"reason": reason} if state == "called_off" else {}
    await write_notes(connection, [NoteRow(drop.id, member, what, details, now) for member in members])
    named = await (
        await connection.execute(
            "SELECT d.number, i.name_zh, i.name_en FROM drop d JOIN item i ON i.id = d.item_id WHERE d.id = %s",
            (drop.id,),
        )
    ).fetchone()
    assert named is not None
    told = {"item": {"zh": named[1], "en": named[2]}, **details}
    await tell_members(connection, [NoticeRow(member, f"drop_{what}", named[0], told, now) for member in members])


def _check_plan(plan: DropPlan, now: datetime) -> list[str]:
    faults = []
    if not plan.waves:
        return ["no_wave"]
    if len(plan.waves) > MOST_WAVES:
        faults.append("too_many_waves")
    if any(before.opens_at >= after.opens_at for before, after in pairwise(plan.waves)):
        faults.append("waves_out_of_order")
    if any(wave.units < 1 for wave in plan.waves):
        faults.append("no_units")
    if plan.waves[0].opens_at <= now:
        faults.append("opens_in_the_past")
    if plan.ends_at <= max(wave.opens_at for wave in plan.waves):
        faults.append("ends_too_early")
    if plan.ends_at - plan.waves[0].opens_at > LONGEST:
        faults.append("too_long")
    if not 1 <= plan.offer_minutes <= LONGEST_OFFER_MINUTES:
        faults.append("offer_minutes")
    return faults


def _refusal(faults: list[str]) -> NotPlannableError:
    return NotPlannableError(reasons=[Reason(name, Message(FAULTS[name])) for name in faults])


async def _find_item(connection: AsyncConnection[Any], sku: str) -> _ItemNow | None:
    return await fetch_one(
        connection,
        _ItemNow,
        "SELECT i.id, i.kind, i.state, s.total IS NOT NULL AS is_limited "
        "FROM item i JOIN item_stock s ON s.item_id = i.id WHERE i.sku = %s",
        (sku,),
    )


async def _lock_drop(connection: AsyncConnection[Any], number: str) -> _DropNow:
    """Lock the stock of the drop's item, under which everything about a drop is decided, and read the drop."""
    found = await (await connection.execute("SELECT item_id FROM drop WHERE number = %s", (number,))).fetchone()
    if found is None:
        raise UnknownDropError
    await lock_stock(connection, found[0])
    drop = await fetch_one(
        connection, _DropNow, "SELECT id, item_id, state, ends_at FROM drop WHERE number = %s FOR UPDATE", (number,)
    )
    assert drop is not None
    return drop


async def _read_waves(connection: AsyncConnection[Any], drop_id: int) -> list[WavePlan]:
    return await fetch_all(
        connection, WavePlan, "SELECT opens_at, units FROM drop_wave WHERE drop_id = %s ORDER BY number", (drop_id,)
    )


async def _write_waves(connection: AsyncConnection[Any], drop_id: int, waves: list[WavePlan]) -> None:
    await connection.execute(
        "INSERT INTO drop_wave (drop_id, number, opens_at, units) "
        "SELECT %s, row_number() OVER (ORDER BY opens_at), opens_at, units "
        "FROM json_to_recordset(%s::json) AS r(opens_at timestamptz, units bigint)",
        (drop_id, encode_rows(waves)),
    )


async def _note_state(
    connection: AsyncConnection[Any],
    drop_id: int,
    before: str | None,
    after: str,
    reason: str,
    actor: str,
    now: datetime,
) -> None:
    await connection.execute(
        "INSERT INTO drop_transition (drop_id, from_state, to_state, reason, actor, at) VALUES (%s, %s, %s, %s, %s, %s)",
        (drop_id, before, after, reason, actor, now),
    )
