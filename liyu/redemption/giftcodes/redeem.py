"""Redeeming a gift code: what it gives becomes the member's in the transaction in which the code is used, or neither happens.

Locks: the member's account, for an item its stock, for a batch with a limit the person behind the member, then the code. Two
members with one code meet at its row, where a conditional update lets one of them pass; who types two codes of a batch, as one
member or as several, meets at the person, so that the limit is counted. Whoever was not let pass looks at the code again: it may
be their own second tap that was quicker.
"""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.clock import local_date
from liyu.core.database import fetch_one
from liyu.members.errors import UnknownMemberError
from liyu.members.leads import PERSON
from liyu.members.personal.addresses import list_addresses
from liyu.members.points.credit import Gift, credit_points
from liyu.members.points.post_state import load_state
from liyu.members.program import load_terms
from liyu.redemption.addresses import Delivery, snapshot_of
from liyu.redemption.decide import is_posted
from liyu.redemption.errors import RefusedError, make_reason
from liyu.redemption.giftcodes.codes import digest_of, read_code
from liyu.redemption.giftcodes.errors import (
    GiftCodeLimitError,
    GiftCodeOverError,
    GiftCodeTooEarlyError,
    GiftCodeUsedError,
    MistypedCodeError,
    UnknownGiftCodeError,
)
from liyu.redemption.giving import Objections, Outcome, give
from liyu.redemption.load import MergedMeanwhileError
from liyu.redemption.persons import MEMBERSHIPS
from liyu.redemption.save import hash_request
from liyu.redemption.state import RedeemRequest

CHANNEL = "gift_code"
EVENT = "gift_code"
ACCOUNT = "points_gifts"
_AGAINST = {"frozen": "member_frozen", "pre_registered": "member_not_active"}


class MovedOnError(Exception):
    """Somebody used or cancelled the code between the look at it and its lock."""


class Received(Struct, frozen=True):
    """What a code gave: points, or units of an item with their order. `repeated` when it was this member's before."""

    batch: str
    points: int | None
    sku: str | None
    item_zh: str | None
    item_en: str | None
    quantity: int | None
    order: str | None
    repeated: bool = False


class _Known(Struct, frozen=True):
    """A code as the database knows it."""

    batch_id: int
    serial: int
    state: str
    is_own: bool
    batch: str
    points: int | None
    quantity: int | None
    valid_from: datetime
    valid_to: datetime
    per_member_limit: int | None
    sku: str | None
    kind: str | None
    ships_not_to: list[str] | None
    item_zh: str | None
    item_en: str | None
    order: str | None


_FIND = f"""
    SELECT c.batch_id, c.serial, c.state, c.member_id IN {PERSON} AS is_own, b.name AS batch, b.points, b.quantity,
        b.valid_from, b.valid_to, b.per_member_limit, i.sku, i.kind, i.ships_not_to, i.name_zh AS item_zh, i.name_en AS item_en,
        r.number AS "order"
    FROM gift_code c JOIN gift_batch b ON b.id = c.batch_id LEFT JOIN item i ON i.id = b.item_id
    LEFT JOIN redemption r ON r.id = c.redemption_id WHERE c.digest = %(digest)s"""

_USE = """
    UPDATE gift_code SET state = 'redeemed', member_id = %(member)s, redeemed_at = %(now)s
    WHERE batch_id = %(batch)s AND serial = %(serial)s AND state = 'active'"""

# A person's memberships have accounts of their own, so this lock is what they meet at.
_MEET = """
    SELECT pg_advisory_xact_lock(hashtextextended('giftcodes:' || %(batch)s || ':' || coalesce(person_id, id), 0))
    FROM member WHERE id = %(member)s"""
_USED = f"SELECT count(*) FROM gift_code WHERE batch_id = %(batch)s AND member_id IN ({MEMBERSHIPS})"

_TIE = "UPDATE gift_code SET redemption_id = %s WHERE batch_id = %s AND serial = %s"


async def redeem_gift_code(
    connection: AsyncConnection[Any],
    text: str,
    external_id: str,
    *,
    secret_key: str,
    actor: str,
    now: datetime,
    zone: ZoneInfo,
) -> Received:
    """Give a member what the code is good for, once. The connection is in autocommit.

    Goods go to the member's first address. Asking again with one's own code gives the first answer.

    Raises MistypedCodeError without a question to the database; UnknownGiftCodeError for a code that there is not, that is not
    activated or was cancelled; GiftCodeUsedError, GiftCodeTooEarlyError, GiftCodeOverError, GiftCodeLimitError; RefusedError when
    the member or the item is in the way. The code stays as it was then.
    """
    letters = read_code(text)
    if letters is None:
        raise MistypedCodeError
    digest = digest_of(secret_key, letters)
    while True:
        member_id = await _member_of(connection, external_id)
        known = await _find(connection, digest, member_id)
        if known is None or known.state in ("made", "cancelled"):
            raise UnknownGiftCodeError
        if known.state == "redeemed":
            if known.is_own:
                return _received(known, known.order, repeated=True)
            raise GiftCodeUsedError
        _check_days(known, now, zone)
        try:
            return await _give(connection, known, external_id, member_id, actor=actor, now=now, zone=zone)
        except (MovedOnError, MergedMeanwhileError):
            continue  # Neither happens twice: a code is used or cancelled once, and so is a member merged.


async def _give(
    connection: AsyncConnection[Any],
    known: _Known,
    external_id: str,
    member_id: int,
    *,
    actor: str,
    now: datetime,
    zone: ZoneInfo,
) -> Received:
    if known.points is not None:
        await _give_points(connection, known, external_id, actor=actor, now=now, zone=zone)
        return _received(known, None)
    order = await _give_item(connection, known, external_id, member_id, actor=actor, now=now, zone=zone)
    return _received(known, order)


async def _give_points(
    connection: AsyncConnection[Any], known: _Known, external_id: str, *, actor: str, now: datetime, zone: ZoneInfo
) -> None:
    assert known.points is not None
    async with connection.transaction():
        state = await load_state(connection, [], [external_id], now, zone, await load_terms(connection))
        earner = state.earners[external_id]
        if earner.state != "active":
            raise RefusedError(reasons=[make_reason(_AGAINST.get(earner.state, "member_closed"))])
        await _use(connection, known, earner.id, now)
        place = f"gift_code:{known.batch_id}:{known.serial}"
        gift = Gift(EVENT, ACCOUNT, place, known.batch, place, actor)
        await credit_points(connection, state, earner, known.points, gift)


async def _give_item(
    connection: AsyncConnection[Any],
    known: _Known,
    external_id: str,
    member_id: int,
    *,
    actor: str,
    now: datetime,
    zone: ZoneInfo,
) -> str:
    assert known.sku is not None
    assert known.quantity is not None
    delivery = None
    if is_posted(known.kind or ""):
        addresses = await list_addresses(connection, member_id)
        if not addresses:
            raise RefusedError(reasons=[make_reason("no_address")])
        delivery = Delivery(snapshot_of(addresses[0]), tuple(known.ships_not_to or ()))
    body = hash_request(external_id, known.sku, known.quantity)
    request = RedeemRequest(
        f"gift_code:{known.batch_id}",
        str(known.serial),
        body,
        external_id,
        known.sku,
        known.quantity,
        CHANNEL,
        actor,
        delivery,
    )
    numbers: list[str] = []

    async def use_first() -> Objections:
        await _use(connection, known, await _member_of(connection, external_id), now)
        return {}

    async def record(outcomes: dict[str, Outcome]) -> None:
        for outcome in outcomes.values():
            if outcome.answer is None:
                raise RefusedError(reasons=[make_reason(name, **details) for name, details in outcome.reasons])
            await connection.execute(_TIE, (outcome.answer.redemption_id, known.batch_id, known.serial))
            numbers.append(outcome.answer.number)

    await give(connection, [request], object_to=use_first, record=record, now=now, zone=zone)
    return numbers[0]


async def _use(connection: AsyncConnection[Any], known: _Known, member_id: int, now: datetime) -> None:
    """Use the code, under the lock of the member's account. Raises MovedOnError, GiftCodeLimitError."""
    limit = known.per_member_limit
    values = {
        "batch": known.batch_id, "serial": known.serial, "member": member_id, "members": [member_id], "now": now,
    }  # fmt: skip
    if limit is not None:
        await connection.execute(_MEET, values)
    if not (await connection.execute(_USE, values)).rowcount:
        raise MovedOnError
    if limit is None:
        return
    (used,) = await (await connection.execute(_USED, values)).fetchone() or (0,)
    if used > limit:
        raise GiftCodeLimitError(limit=limit)


async def _member_of(connection: AsyncConnection[Any], external_id: str) -> int:
    found = await connection.execute(
        "SELECT coalesce(merged_into, id) FROM member WHERE external_id = %s", (external_id,)
    )
    row = await found.fetchone()
    if row is None:
        raise UnknownMemberError
    return int(row[0])


async def _find(connection: AsyncConnection[Any], digest: bytes, member_id: int) -> _Known | None:
    return await fetch_one(connection, _Known, _FIND, {"digest": digest, "member": member_id})


def _check_days(known: _Known, now: datetime, zone: ZoneInfo) -> None:
    if now < known.valid_from:
        raise GiftCodeTooEarlyError(day=local_date(known.valid_from, zone))
    if now >= known.valid_to:
        raise GiftCodeOverError(day=local_date(known.valid_to - timedelta(microseconds=1), zone))


def _received(known: _Known, order: str | None, *, repeated: bool = False) -> Received:
    return Received(known.batch, known.points, known.sku, known.item_zh, known.item_en, known.quantity, order, repeated)
