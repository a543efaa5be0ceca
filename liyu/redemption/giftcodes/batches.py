"""Batches of gift codes: made, their list fetched once, activated and cancelled by ranges of serial numbers.

A code counts only once its range is activated, so that a parcel of cards that goes astray is worth nothing. The list of codes lies
sealed in storage until somebody fetches it, which is written down, or until its days are over; the codes stand nowhere else. The
name of the file is forgotten after the file is deleted: what a kill leaves lying, the hourly job finds.
"""

import asyncio
import csv
import io
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from psycopg import AsyncConnection
from psycopg.errors import UniqueViolation

from liyu.core.bulk import encode_rows
from liyu.core.clock import local_date, start_of_day
from liyu.core.database import fetch_all
from liyu.core.errors import InvalidInputError
from liyu.core.i18n import N_, Message
from liyu.core.ids import make_token
from liyu.core.sealing import seal, unseal
from liyu.core.storage import Storage
from liyu.members.program import load_terms
from liyu.redemption.errors import NameTakenError
from liyu.redemption.giftcodes.codes import digest_of, draw_code, read_code
from liyu.redemption.giftcodes.errors import ListGoneError, NothingInRangeError, OwnBatchError, UnknownBatchError
from liyu.redemption.giving import LARGEST_QUANTITY, find_givable

MOST_CODES = 50_000
LARGEST_POINTS = 100_000
LONGEST_NAME = 100
LIST_DAYS = 7
"""How long the sealed list waits to be fetched."""
PAGE = 50
CODE_STATES = ("made", "active", "redeemed", "cancelled")
_SEALING = "gift code list"


class BatchDraft(Struct, frozen=True, kw_only=True):
    """What is to be made: either units of an item or points, for each code."""

    name: str
    codes: int
    valid_from: datetime
    valid_to: datetime
    sku: str | None = None
    quantity: int = 1
    points: int | None = None
    per_member_limit: int | None = None


class Batch(Struct, frozen=True, kw_only=True):
    """A batch, and how many of its codes are in which state."""

    id: int
    name: str
    sku: str | None
    item_zh: str | None
    item_en: str | None
    quantity: int | None
    points: int | None
    codes: int
    valid_from: datetime
    valid_to: datetime
    per_member_limit: int | None
    has_list: bool
    made_by: str
    made_at: datetime
    fetched_by: str | None
    fetched_at: datetime | None
    made: int
    active: int
    redeemed: int
    cancelled: int

    @property
    def last_moment(self) -> datetime:
        """The end of the last day on which codes can be redeemed."""
        return self.valid_to - timedelta(microseconds=1)


class CodeLine(Struct, frozen=True):
    """One code by its number, and what became of it."""

    serial: int
    state: str
    external_id: str | None
    member_name: str | None
    redeemed_at: datetime | None
    order: str | None


class Act(Struct, frozen=True):
    """Something that was done with a range."""

    act: str
    first_serial: int
    last_serial: int
    codes: int
    reason: str
    actor: str
    at: datetime


_SELECT = """
    SELECT b.id, b.name, i.sku, i.name_zh AS item_zh, i.name_en AS item_en, b.quantity, b.points, b.codes, b.valid_from, b.valid_to,
        b.per_member_limit, b.storage_name IS NOT NULL AND b.fetched_at IS NULL AS has_list, b.made_by, b.made_at,
        b.fetched_by, b.fetched_at,
        n.made, n.active, n.redeemed, n.cancelled
    FROM gift_batch b LEFT JOIN item i ON i.id = b.item_id CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE state = 'made') AS made, count(*) FILTER (WHERE state = 'active') AS active,
            count(*) FILTER (WHERE state = 'redeemed') AS redeemed, count(*) FILTER (WHERE state = 'cancelled') AS cancelled
        FROM gift_code c WHERE c.batch_id = b.id) AS n"""

_MAKE = """
    INSERT INTO gift_batch (name, item_id, quantity, points, codes, valid_from, valid_to, per_member_limit, storage_name, made_by,
        made_at)
    VALUES (%(name)s, %(item)s, %(quantity)s, %(points)s, %(codes)s, %(from)s, %(to)s, %(limit)s, %(storage)s, %(actor)s, %(now)s)
    RETURNING id"""
_ADD = """
    INSERT INTO gift_code (batch_id, serial, digest, state)
    SELECT %s, r.serial, decode(r.digest, 'hex'), 'made' FROM json_to_recordset(%s::json) AS r(serial bigint, digest text)"""
_NOTE = """
    INSERT INTO gift_batch_act (batch_id, act, first_serial, last_serial, codes, reason, actor, at)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"""
_STEPS = {"activated": (("made",), "active"), "cancelled": (("made", "active"), "cancelled")}
_STEP = """
    UPDATE gift_code SET state = %s WHERE batch_id = %s AND serial BETWEEN %s AND %s AND state = ANY(%s)"""
_WAITING = "SELECT storage_name FROM gift_batch WHERE id = %s AND fetched_at IS NULL AND storage_name IS NOT NULL"
_ALONE = """
    SELECT (SELECT count(*) FROM gift_code
            WHERE batch_id = %(batch)s AND serial BETWEEN %(first)s AND %(last)s AND state = 'made'),
        coalesce(sum(a.codes * b.quantity), 0)::bigint, coalesce(sum(a.codes * b.points), 0)::bigint
    FROM gift_batch_act a JOIN gift_batch b ON b.id = a.batch_id
    WHERE a.act = 'activated' AND a.actor = %(actor)s AND b.made_by = %(actor)s AND a.at >= %(since)s"""
_FETCH = """
    UPDATE gift_batch SET fetched_by = %s, fetched_at = %s
    WHERE id = %s AND fetched_at IS NULL AND storage_name IS NOT NULL"""
_OVER = "SELECT id, storage_name FROM gift_batch WHERE storage_name IS NOT NULL AND (fetched_at IS NOT NULL OR made_at < %s)"
_FORGET = "UPDATE gift_batch SET storage_name = NULL WHERE id = %s"
_CODES = """
    SELECT c.serial, c.state, m.external_id, m.name AS member_name, c.redeemed_at, r.number AS "order"
    FROM gift_code c LEFT JOIN member k ON k.id = c.member_id LEFT JOIN member m ON m.id = coalesce(k.merged_into, k.id)
    LEFT JOIN redemption r ON r.id = c.redemption_id
    WHERE c.batch_id = %(id)s AND (%(state)s::text IS NULL OR c.state = %(state)s) AND c.serial > %(after)s
    ORDER BY c.serial LIMIT %(most)s"""


async def make_batch(
    connection: AsyncConnection[Any], storage: Storage, draft: BatchDraft, *, secret_key: str, actor: str, now: datetime
) -> int:
    """Make codes, seal their list into storage, and note the batch; its id. Nothing is activated.

    The connection is in autocommit: the list is stored before the transaction begins. Raises InvalidInputError, UnknownItemError,
    ItemDoesNotFitError, NameTakenError.
    """
    _check(draft)
    item_id = await find_givable(connection, draft.sku) if draft.sku else None
    # Half a second for a large one, in which nobody else should wait.
    sealed, rows = await asyncio.to_thread(_draw_codes, draft.codes, secret_key)
    name = f"giftcodes/{make_token()}"
    await storage.put(name, sealed, "application/octet-stream")
    values = {
        "name": draft.name, "item": item_id, "quantity": draft.quantity if item_id else None, "points": draft.points,
        "codes": draft.codes, "from": draft.valid_from, "to": draft.valid_to, "limit": draft.per_member_limit, "storage": name,
        "actor": actor, "now": now,
    }  # fmt: skip
    try:
        async with connection.transaction():
            made = await (await connection.execute(_MAKE, values)).fetchone()
            assert made is not None
            await connection.execute(_ADD, (made[0], rows))
            await connection.execute(_NOTE, (made[0], "made", 1, draft.codes, draft.codes, "", actor, now))
    except UniqueViolation:
        await storage.delete(name)
        raise NameTakenError from None
    return int(made[0])


async def change_range(
    connection: AsyncConnection[Any],
    batch_id: int,
    act: str,
    first: int,
    last: int,
    *,
    reason: str = "",
    actor: str,
    now: datetime,
    zone: ZoneInfo,
) -> int:
    """Take the codes of a range a step on (`activated`, `cancelled`), in the caller's transaction; how many that were.

    Codes that cannot take the step stay as they are: what is redeemed stays redeemed. Raises UnknownBatchError,
    NothingInRangeError, OwnBatchError when it takes somebody else.
    """
    batch = await load_batch(connection, batch_id)
    was, to = _STEPS[act]
    last = min(last, batch.codes)
    if act == "activated" and actor == batch.made_by:
        await _check_alone(connection, batch, first, last, actor, start_of_day(local_date(now, zone), zone))
    changed = (await connection.execute(_STEP, (to, batch_id, first, last, list(was)))).rowcount
    if not changed:
        raise NothingInRangeError
    await connection.execute(_NOTE, (batch_id, act, first, last, changed, reason, actor, now))
    return changed


async def _check_alone(
    connection: AsyncConnection[Any], batch: Batch, first: int, last: int, actor: str, since: datetime
) -> None:
    """Activating is giving away, so one person does so much of it a day with batches of their own, as with campaigns
    (`issue_limit`, units) and with points by hand (`adjustment_limit`). Raises OwnBatchError above it.
    """
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"giftcodes:{actor}",))
    values = {"batch": batch.id, "first": first, "last": last, "actor": actor, "since": since}
    codes, units, points = await (await connection.execute(_ALONE, values)).fetchone() or (0, 0, 0)
    terms = await load_terms(connection)
    if (
        units + codes * (batch.quantity or 0) > terms.issue_limit
        or points + codes * (batch.points or 0) > terms.adjustment_limit
    ):
        raise OwnBatchError(units=terms.issue_limit, points=terms.adjustment_limit)


async def take_list(
    connection: AsyncConnection[Any], storage: Storage, batch_id: int, *, secret_key: str, actor: str, now: datetime
) -> bytes:
    """The list of codes as CSV, once: it is noted who took it, and the file is deleted. The connection is in autocommit.

    Raises UnknownBatchError, ListGoneError.
    """
    batch = await load_batch(connection, batch_id)
    waiting = await (await connection.execute(_WAITING, (batch_id,))).fetchone()
    if waiting is None:
        raise ListGoneError
    name = waiting[0]
    try:
        content = unseal(secret_key, _SEALING, await storage.get(name))
    except FileNotFoundError:
        raise ListGoneError from None
    async with connection.transaction():
        if not (await connection.execute(_FETCH, (actor, now, batch_id))).rowcount:
            raise ListGoneError
        await connection.execute(_NOTE, (batch_id, "fetched", 1, batch.codes, batch.codes, "", actor, now))
    await _forget(connection, storage, batch_id, name)
    return content.encode()


async def forget_lists(connection: AsyncConnection[Any], storage: Storage, *, now: datetime) -> int:
    """Delete lists that were fetched, or that nobody has fetched in their days; how many. The connection is in autocommit."""
    over = await (await connection.execute(_OVER, (now - timedelta(days=LIST_DAYS),))).fetchall()
    for batch_id, name in over:
        await _forget(connection, storage, batch_id, name)
    return len(over)


async def _forget(connection: AsyncConnection[Any], storage: Storage, batch_id: int, name: str) -> None:
    await storage.delete(name)
    await connection.execute(_FORGET, (batch_id,))


async def load_batch(connection: AsyncConnection[Any], batch_id: int) -> Batch:
    """One batch. Raises UnknownBatchError."""
    found = await _fetch(connection, f"{_SELECT} WHERE b.id = %(id)s", {"id": batch_id})
    if not found:
        raise UnknownBatchError
    return found[0]


async def list_batches(
    connection: AsyncConnection[Any], *, before: int | None = None, size: int = PAGE
) -> tuple[list[Batch], int | None]:
    """One page of batches, the newest first, and the id before which the next begins."""
    values = {"before": before, "most": size + 1}
    found = await _fetch(
        connection,
        f"{_SELECT} WHERE (%(before)s::bigint IS NULL OR b.id < %(before)s) ORDER BY b.id DESC LIMIT %(most)s",
        values,
    )
    return found[:size], found[size - 1].id if len(found) > size else None


async def list_codes(
    connection: AsyncConnection[Any], batch_id: int, *, state: str | None = None, after: int = 0, size: int = PAGE
) -> tuple[list[CodeLine], int | None]:
    """One page of a batch's codes by number, and the number behind which the next begins."""
    lines = await fetch_all(
        connection, CodeLine, _CODES, {"id": batch_id, "state": state, "after": after, "most": size + 1}
    )
    return lines[:size], lines[size - 1].serial if len(lines) > size else None


async def list_acts(connection: AsyncConnection[Any], batch_id: int) -> list[Act]:
    """What was done with a batch, the newest first."""
    return await fetch_all(
        connection,
        Act,
        "SELECT act, first_serial, last_serial, codes, reason, actor, at FROM gift_batch_act WHERE batch_id = %s "
        "ORDER BY id DESC",
        (batch_id,),
    )


async def find_code(connection: AsyncConnection[Any], text: str, *, secret_key: str) -> tuple[int, int] | None:
    """Batch and number of a code that somebody reads out; None where there is none."""
    letters = read_code(text)
    if letters is None:
        return None
    found = await connection.execute(
        "SELECT batch_id, serial FROM gift_code WHERE digest = %s", (digest_of(secret_key, letters),)
    )
    row = await found.fetchone()
    return (row[0], row[1]) if row else None


async def _fetch(connection: AsyncConnection[Any], query: str, values: dict[str, Any]) -> list[Batch]:
    return await fetch_all(connection, Batch, query, values)


def _draw_codes(count: int, secret_key: str) -> tuple[bytes, str]:
    """Fresh codes: their sealed list, and their rows for the database."""
    codes = [draw_code() for _ in range(count)]
    digests = (digest_of(secret_key, code.replace("-", "")).hex() for code in codes)
    rows = [{"serial": serial, "digest": digest} for serial, digest in enumerate(digests, 1)]
    return seal(secret_key, _SEALING, _as_csv(codes)), encode_rows(rows)


def _as_csv(codes: list[str]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(("serial", "code"))
    writer.writerows(enumerate(codes, 1))
    return text.getvalue()


def _check(draft: BatchDraft) -> None:
    faults: dict[str, Message] = {}
    if not draft.name.strip() or len(draft.name) > LONGEST_NAME:
        faults["name"] = Message(N_("Must have 1 to %(most)s characters."), {"most": LONGEST_NAME})
    if not 1 <= draft.codes <= MOST_CODES:
        faults["codes"] = Message(N_("Must be from 1 to %(most)s."), {"most": MOST_CODES})
    if (draft.sku is None) == (draft.points is None):
        faults["points"] = Message(N_("Choose an item or points, and not both."))
    if draft.points is not None and not 1 <= draft.points <= LARGEST_POINTS:
        faults["points"] = Message(N_("Must be from 1 to %(most)s."), {"most": LARGEST_POINTS})
    if not 1 <= draft.quantity <= LARGEST_QUANTITY:
        faults["quantity"] = Message(N_("Must be from 1 to %(most)s."), {"most": LARGEST_QUANTITY})
    if draft.valid_from >= draft.valid_to:
        faults["valid_to"] = Message(N_("The last day comes after the first."))
    if draft.per_member_limit is not None and draft.per_member_limit < 1:
        faults["per_member_limit"] = Message(N_("Must be from 1 to %(most)s."), {"most": MOST_CODES})
    if faults:
        raise InvalidInputError.of_fields(faults)
