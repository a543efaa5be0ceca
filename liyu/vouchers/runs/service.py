"""Making a run, and deciding about ranges of its numbers.

A run's vouchers are without a member and worth nothing until their numbers are activated; then whoever bears one may use it.
Its last day stands on its paper, so it is fixed when the run is made. Locks: the item's stock, then the vouchers.
"""

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from psycopg import AsyncConnection
from psycopg.errors import UniqueViolation

from liyu.catalog.stock import read_stock, take_stock
from liyu.core.clock import local_date, start_of_day
from liyu.core.errors import InvalidInputError, NotFoundError
from liyu.core.i18n import N_, Message
from liyu.members.program import load_terms
from liyu.vouchers.office import faults_of_day
from liyu.vouchers.runs.errors import (
    ItemNotForRunsError,
    NotEnoughStockError,
    NothingInRangeError,
    OwnRunError,
    RunNameTakenError,
)

MOST = 20_000
ACTS = ("activated", "withdrawn")
_STATES = {"activated": "issued", "withdrawn": "cancelled"}

PRINTED = """
    SELECT coalesce(sum(n.total - (
        SELECT coalesce(sum(a.vouchers), 0) FROM voucher_run_activation a WHERE a.run_id = n.id AND a.act = 'withdrawn')), 0)
    FROM voucher_run n WHERE n.item_id = s.item_id"""
"""Units of the item of a stock `s` that runs have taken and kept: what the proof of the books adds to the redemptions."""
FITS = "i.state = 'live' AND i.kind IN ('partner_right', 'coupon') AND NOT i.is_drop"
"""Items `i` that may be printed for a campaign."""

_ITEM = f"SELECT i.id, {FITS} FROM item i WHERE i.sku = %(sku)s"
# One after the other: tills without a network ask for the runs above the last one that they know.
_ALONE = "SELECT pg_advisory_xact_lock(hashtextextended('voucher run', 0))"
_RUN = """
    INSERT INTO voucher_run (item_id, name, total, last_day, made_by, made_at)
    VALUES (%(item)s, %(name)s, %(total)s, %(last_day)s, %(actor)s, %(now)s) RETURNING id"""
_VOUCHERS = """
    INSERT INTO voucher (item_id, partner_id, agreement_line_id, state, uses, uses_allowed, issued_at, expires_at, run_id,
        run_number)
    SELECT i.id, i.partner_id, i.agreement_line_id, 'printed', 0, i.uses, %(now)s, %(until)s, %(run)s, n
    FROM item i, generate_series(1, %(total)s) AS n WHERE i.id = %(item)s ORDER BY n"""
_LOCK_STOCK = """
    SELECT s.item_id FROM item_stock s JOIN voucher_run r ON r.item_id = s.item_id WHERE r.id = %(run)s FOR UPDATE OF s"""
_MOVE = """
    WITH due AS (
        SELECT id FROM voucher WHERE run_id = %(run)s AND run_number BETWEEN %(first)s AND %(last)s AND state = 'printed'
            AND expires_at > %(now)s ORDER BY id FOR UPDATE),
    moved AS (UPDATE voucher v SET state = %(state)s FROM due WHERE v.id = due.id RETURNING v.id)
    INSERT INTO voucher_transition (voucher_id, from_state, to_state, reason, actor, at)
    SELECT id, 'printed', %(state)s, %(reason)s, %(actor)s, %(now)s FROM moved ORDER BY id"""
_ALONE_TODAY = """
    SELECT coalesce(sum(a.vouchers), 0)::bigint FROM voucher_run_activation a JOIN voucher_run r ON r.id = a.run_id
    WHERE a.act = 'activated' AND a.actor = %(actor)s AND r.made_by = %(actor)s AND a.at >= %(since)s"""
_NOTE = """
    INSERT INTO voucher_run_activation (run_id, act, first, last, vouchers, reason, actor, at)
    VALUES (%(run)s, %(act)s, %(first)s, %(last)s, %(vouchers)s, %(reason)s, %(actor)s, %(now)s)"""


async def make_run(
    connection: AsyncConnection[Any],
    sku: str,
    *,
    name: str,
    total: int,
    last_day: date,
    actor: str,
    now: datetime,
    zone: ZoneInfo,
) -> int:
    """Number `total` vouchers of an item from 1 on and take them from its stock, in the caller's transaction; the run's id.

    No till takes them yet. Raises InvalidInputError naming every fault, NotFoundError, ItemNotForRunsError, NotEnoughStockError,
    RunNameTakenError.
    """
    faults = faults_of_day(last_day, local_date(now, zone))
    if not 1 <= total <= MOST:
        faults["total"] = Message(
            N_("Enter a number from %(minimum)s to %(maximum)s."), {"minimum": 1, "maximum": MOST}
        )
    if faults:
        raise InvalidInputError.of_fields(faults)
    row = await (await connection.execute(_ITEM, {"sku": sku})).fetchone()
    if row is None:
        raise NotFoundError
    item_id, fits = row
    if not fits:
        raise ItemNotForRunsError
    if not await take_stock(connection, item_id, total):
        raise NotEnoughStockError(left=(await read_stock(connection, item_id)).left)
    values = {
        "item": item_id, "name": name, "total": total, "last_day": last_day, "actor": actor, "now": now,
        "until": start_of_day(last_day + timedelta(days=1), zone),
    }  # fmt: skip
    await connection.execute(_ALONE)
    try:
        made = await (await connection.execute(_RUN, values)).fetchone()
    except UniqueViolation:
        raise RunNameTakenError from None
    assert made is not None
    await connection.execute(_VOUCHERS, values | {"run": made[0]})
    return int(made[0])


async def decide_range(
    connection: AsyncConnection[Any],
    run_id: int,
    act: str,
    *,
    first: int,
    last: int,
    reason: str,
    actor: str,
    now: datetime,
    zone: ZoneInfo,
) -> int:
    """Let numbers of a run be used (`activated`) or never (`withdrawn`), in the caller's transaction; how many it changed.

    Each number is decided once. What is withdrawn goes back into the item's stock. Raises NothingInRangeError; OwnRunError when it
    takes somebody else.
    """
    values = {"run": run_id, "first": first, "last": last, "reason": reason, "actor": actor, "now": now}
    locked = await (await connection.execute(_LOCK_STOCK, values)).fetchone() if act == "withdrawn" else None
    moved = (await connection.execute(_MOVE, values | {"state": _STATES[act]})).rowcount
    if not moved:
        raise NothingInRangeError
    if act == "activated":
        await _check_alone(connection, values, moved, start_of_day(local_date(now, zone), zone))
    if locked is not None:
        await take_stock(connection, locked[0], -moved)
    await connection.execute(_NOTE, values | {"act": act, "vouchers": moved})
    return moved


async def _check_alone(connection: AsyncConnection[Any], values: dict[str, Any], moved: int, since: datetime) -> None:
    """Activating is giving away: of runs of their own making one person does so much a day, as with campaigns (`issue_limit`).

    Raises OwnRunError above it.
    """
    run = await (await connection.execute("SELECT made_by FROM voucher_run WHERE id = %(run)s", values)).fetchone()
    if run != (values["actor"],):
        return
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"runs:{values['actor']}",))
    (already,) = await (await connection.execute(_ALONE_TODAY, values | {"since": since})).fetchone() or (0,)
    limit = (await load_terms(connection)).issue_limit
    if already + moved > limit:
        raise OwnRunError(units=limit)
