"""What operators do to vouchers: freeze and unfreeze one, give one or many a later last day. Each with who and why.

More vouchers than one person may extend in a day (`voucher_rule.extensions_alone`) wait for a second one. That the two are not the
same is held here by the condition of the update; that a request is decided once, too.
"""

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.clock import local_date, start_of_day
from liyu.core.database import fetch_all, fetch_one
from liyu.core.errors import DomainError, InvalidInputError, NotFoundError
from liyu.core.i18n import N_, Message
from liyu.vouchers.rules import load_rules

FARTHEST = timedelta(days=2 * 366)
"""So far ahead a last day may be moved; farther is a slip of the pen."""


_LATER = Message(N_("The new last day must be later."))


class VoucherMovedOnError(DomainError):
    """Somebody was quicker, or the voucher is in a state that does not allow it."""

    code = "voucher_moved_on"
    message = N_("This voucher has moved on meanwhile, or its state does not allow this. Please look again.")


class NothingToExtendError(DomainError):
    """No voucher that can be extended fits."""

    code = "nothing_to_extend"
    message = N_("No voucher fits: none of the item runs out in these days before the new last day.")


class OwnExtensionError(DomainError):
    """The one who asks does not decide (docs/rules.md 14)."""

    code = "own_request"
    message = N_("You asked for this: somebody else decides about it.")


class ExtensionDecidedError(DomainError):
    """Somebody has decided about it already."""

    code = "decided_already"
    message = N_("Somebody has decided about this already.")


class ExtensionWish(Struct, frozen=True):
    """All vouchers of an item whose last day lies in a span, and the new last day; days of the program's zone."""

    item_id: int
    runs_out_from: date
    runs_out_to: date
    last_day: date

    def check(self, today: date) -> None:
        """Raises InvalidInputError naming every fault."""
        faults = {}
        if self.runs_out_from > self.runs_out_to:
            faults["runs_out_to"] = Message(N_("The span ends before it begins."))
        if self.last_day <= self.runs_out_from:
            faults["last_day"] = _LATER
        faults |= faults_of_day(self.last_day, today)
        if faults:
            raise InvalidInputError.of_fields(faults)


class Extension(Struct, frozen=True):
    """An extension of many vouchers, with its item."""

    id: int
    sku: str
    item_zh: str
    item_en: str
    item_id: int
    runs_out_from: date
    runs_out_to: date
    last_day: date
    vouchers: int
    reason: str
    state: str
    asked_by: str
    asked_at: datetime
    decided_by: str | None
    decided_at: datetime | None

    @property
    def wish(self) -> ExtensionWish:
        """What was asked for."""
        return ExtensionWish(self.item_id, self.runs_out_from, self.runs_out_to, self.last_day)


_FREEZE = """
    UPDATE voucher SET frozen_at = %(now)s
    WHERE id = %(voucher)s AND frozen_at IS NULL AND state IN ('printed', 'issued', 'offered', 'partly_used')"""
_UNFREEZE = "UPDATE voucher SET frozen_at = NULL WHERE id = %(voucher)s AND frozen_at IS NOT NULL"
_CHANGE = """
    INSERT INTO voucher_change (voucher_id, change, reason, actor, at)
    VALUES (%(voucher)s, %(change)s, %(reason)s, %(actor)s, %(now)s)"""

# The last day of a printed run stands on its paper; what ran out there without being activated stays so.
_EXTENDABLE = """
    v.run_id IS NULL AND v.state IN ('issued', 'offered', 'partly_used', 'expired') AND v.expires_at < %(until)s"""
_OF_ITEM = "v.item_id = %(item)s AND v.expires_at > %(from)s AND v.expires_at <= %(to)s"

_EXTEND = """
    WITH due AS (
        SELECT id, state, uses, expires_at FROM voucher v WHERE {which} AND {extendable} ORDER BY id FOR UPDATE),
    moved AS (
        UPDATE voucher v SET expires_at = %(until)s, state = CASE
            WHEN due.state <> 'expired' THEN due.state WHEN due.uses = 0 THEN 'issued' ELSE 'partly_used' END
        FROM due WHERE v.id = due.id
        RETURNING v.id, due.state AS before, v.state AS after, due.expires_at AS expired_at),
    steps AS (
        INSERT INTO voucher_transition (voucher_id, from_state, to_state, reason, actor, at)
        SELECT id, before, after, 'extended', %(actor)s, %(now)s FROM moved WHERE before <> after ORDER BY id)
    INSERT INTO voucher_change (voucher_id, change, expires_before, expires_after, reason, actor, at)
    SELECT id, 'extended', expired_at, %(until)s, %(reason)s, %(actor)s, %(now)s FROM moved ORDER BY id"""
_EXTEND_ONE = _EXTEND.format(which="v.id = %(voucher)s", extendable=_EXTENDABLE)
_EXTEND_MANY = _EXTEND.format(which=_OF_ITEM, extendable=_EXTENDABLE)
_LASTS_LONGER = "SELECT FROM voucher WHERE id = %(voucher)s AND expires_at >= %(until)s"
_COUNT = f"SELECT count(*) FROM voucher v WHERE {_OF_ITEM} AND {_EXTENDABLE}"

# Of one person one after the other: two at once would not see each other's.
_ONE_BY_ONE = "SELECT pg_advisory_xact_lock(hashtextextended('extension ' || %(actor)s, 0))"
_ALONE_TODAY = """
    SELECT coalesce(sum(vouchers), 0)::bigint FROM voucher_extension
    WHERE state = 'done' AND asked_by = %(actor)s AND decided_by = %(actor)s AND asked_at >= %(since)s"""

_KEEP = """
    INSERT INTO voucher_extension (item_id, runs_out_from, runs_out_to, last_day, vouchers, reason, state, asked_by, asked_at,
        decided_by, decided_at)
    VALUES (%(item)s, %(first)s, %(final)s, %(last_day)s, %(vouchers)s, %(reason)s, %(state)s, %(actor)s, %(now)s,
        %(decided_by)s, %(decided_at)s) RETURNING id"""
_DECIDE = """
    UPDATE voucher_extension SET state = %(state)s, decided_by = %(actor)s, decided_at = %(now)s
    WHERE id = %(id)s AND state = 'waiting' AND asked_by <> %(actor)s"""
_LIST = """
    SELECT e.id, i.sku, i.name_zh AS item_zh, i.name_en AS item_en, e.item_id, e.runs_out_from, e.runs_out_to, e.last_day,
        e.vouchers, e.reason, e.state, e.asked_by, e.asked_at, e.decided_by, e.decided_at
    FROM voucher_extension e JOIN item i ON i.id = e.item_id"""


def faults_of_day(last_day: date, today: date) -> dict[str, Message]:
    """What is wrong with a new last day, by field."""
    if last_day < today:
        return {"last_day": Message(N_("This day is over."))}
    if last_day > today + FARTHEST:
        return {"last_day": Message(N_("That is more than two years ahead."))}
    return {}


async def freeze_voucher(
    connection: AsyncConnection[Any], voucher_id: int, *, reason: str, actor: str, now: datetime
) -> None:
    """Stop a voucher from being used and given, until it is unfrozen. Raises VoucherMovedOnError."""
    await _change(connection, _FREEZE, voucher_id, "frozen", reason, actor, now)


async def unfreeze_voucher(
    connection: AsyncConnection[Any], voucher_id: int, *, reason: str, actor: str, now: datetime
) -> None:
    """Let a frozen voucher be used again. Raises VoucherMovedOnError."""
    await _change(connection, _UNFREEZE, voucher_id, "unfrozen", reason, actor, now)


async def extend_voucher(
    connection: AsyncConnection[Any],
    voucher_id: int,
    *,
    last_day: date,
    reason: str,
    actor: str,
    now: datetime,
    zone: ZoneInfo,
) -> None:
    """Give one voucher a later last day; one that ran out can be used again. Raises InvalidInputError, VoucherMovedOnError."""
    faults = faults_of_day(last_day, local_date(now, zone))
    if faults:
        raise InvalidInputError.of_fields(faults)
    values = {"voucher": voucher_id, "until": _end_of(last_day, zone), "reason": reason, "actor": actor, "now": now}
    if not (await connection.execute(_EXTEND_ONE, values)).rowcount:
        if (await connection.execute(_LASTS_LONGER, values)).rowcount:
            raise InvalidInputError.of_fields({"last_day": _LATER})
        raise VoucherMovedOnError


async def count_extendable(connection: AsyncConnection[Any], wish: ExtensionWish, zone: ZoneInfo) -> int:
    """How many vouchers a wish would extend now."""
    found = await connection.execute(_COUNT, _values_of(wish, zone))
    return int((await found.fetchone() or (0,))[0])


async def count_left_alone(connection: AsyncConnection[Any], actor: str, *, now: datetime, zone: ZoneInfo) -> int:
    """How many vouchers somebody may still extend today without a second person."""
    since = start_of_day(local_date(now, zone), zone)
    (already,) = await (await connection.execute(_ALONE_TODAY, {"actor": actor, "since": since})).fetchone() or (0,)
    return max((await load_rules(connection)).extensions_alone - int(already), 0)


async def extend_or_ask(
    connection: AsyncConnection[Any], wish: ExtensionWish, *, reason: str, actor: str, now: datetime, zone: ZoneInfo
) -> Extension:
    """Extend all that fit, or ask for a second person when they are more than one may extend alone in a day.

    The state of the answer says which: `done` or `waiting`. Raises InvalidInputError, NothingToExtendError.
    """
    wish.check(local_date(now, zone))
    vouchers = await count_extendable(connection, wish, zone)
    if not vouchers:
        raise NothingToExtendError
    await connection.execute(_ONE_BY_ONE, {"actor": actor})
    waits = vouchers > await count_left_alone(connection, actor, now=now, zone=zone)
    if not waits:
        vouchers = await _extend_many(connection, wish, reason, actor, now, zone)
    kept = await connection.execute(
        _KEEP,
        {
            "item": wish.item_id, "first": wish.runs_out_from, "final": wish.runs_out_to, "last_day": wish.last_day,
            "vouchers": vouchers, "reason": reason, "state": "waiting" if waits else "done", "actor": actor, "now": now,
            "decided_by": None if waits else actor, "decided_at": None if waits else now,
        },
    )  # fmt: skip
    (extension_id,) = await kept.fetchone() or (0,)
    return await load_extension(connection, extension_id)


async def decide_extension(
    connection: AsyncConnection[Any], extension_id: int, *, approved: bool, actor: str, now: datetime, zone: ZoneInfo
) -> int:
    """Approve what somebody else asked for, which extends what fits now, or refuse it; how many vouchers were extended.

    Raises NotFoundError, OwnExtensionError, ExtensionDecidedError; InvalidInputError when its last day has gone by meanwhile.
    """
    found = await load_extension(connection, extension_id)
    if approved:
        found.wish.check(local_date(now, zone))
    values = {"id": extension_id, "state": "done" if approved else "refused", "actor": actor, "now": now}
    if not (await connection.execute(_DECIDE, values)).rowcount:
        raise OwnExtensionError if found.asked_by == actor and found.state == "waiting" else ExtensionDecidedError
    if not approved:
        return 0
    return await _extend_many(connection, found.wish, found.reason, actor, now, zone)


async def load_extension(connection: AsyncConnection[Any], extension_id: int) -> Extension:
    """One extension of many vouchers. Raises NotFoundError."""
    found = await fetch_one(connection, Extension, f"{_LIST} WHERE e.id = %s", (extension_id,))
    if found is None:
        raise NotFoundError
    return found


async def list_extensions(connection: AsyncConnection[Any], *, limit: int = 50) -> list[Extension]:
    """The latest extensions of many vouchers, those that wait first."""
    return await fetch_all(
        connection, Extension, f"{_LIST} ORDER BY (e.state = 'waiting') DESC, e.id DESC LIMIT %s", (limit,)
    )


async def _change(
    connection: AsyncConnection[Any],
    statement: str,
    voucher_id: int,
    change: str,
    reason: str,
    actor: str,
    now: datetime,
) -> None:
    values = {"voucher": voucher_id, "change": change, "reason": reason, "actor": actor, "now": now}
    if not (await connection.execute(statement, values)).rowcount:
        raise VoucherMovedOnError
    await connection.execute(_CHANGE, values)


async def _extend_many(
    connection: AsyncConnection[Any], wish: ExtensionWish, reason: str, actor: str, now: datetime, zone: ZoneInfo
) -> int:
    values = _values_of(wish, zone) | {"reason": reason, "actor": actor, "now": now}
    return (await connection.execute(_EXTEND_MANY, values)).rowcount


def _values_of(wish: ExtensionWish, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "item": wish.item_id,
        "from": start_of_day(wish.runs_out_from, zone),
        "to": _end_of(wish.runs_out_to, zone),
        "until": _end_of(wish.last_day, zone),
    }


def _end_of(day: date, zone: ZoneInfo) -> datetime:
    """The midnight that ends a day."""
    return start_of_day(day + timedelta(days=1), zone)
