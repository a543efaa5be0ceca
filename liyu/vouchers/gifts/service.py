"""Offering a voucher, taking it back, accepting it, and letting the offer lapse.

One conditional update of the gift's row decides between accepting, taking back and lapsing. Offering is one of the voucher's row,
and so is verifying, so a voucher is used or offered, never both. Locks: the member's account, then the voucher, then the gift.
The books never move: points were spent by whoever redeemed it, and what a partner is owed begins with the use.
"""

import hmac
from base64 import urlsafe_b64encode
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.clock import local_date, start_of_day
from liyu.core.database import fetch_all
from liyu.core.errors import Reason
from liyu.core.i18n import N_, Message
from liyu.core.sealing import derive_key, hash_token
from liyu.members.notices import NoticeRow, tell_members
from liyu.members.personal.locking import lock_member
from liyu.vouchers.gifts.errors import (
    CannotReceiveError,
    GiftHeldError,
    GiftOverError,
    NotGiftableError,
    OwnGiftError,
    TooManyGiftsError,
    UnknownGiftError,
)
from liyu.vouchers.queries import voucher_of_member
from liyu.vouchers.rules import VoucherRules, load_rules
from liyu.vouchers.serials import LAST_GENERATION

LONGEST_WORDS = 60


class GiftLinks:
    """Tokens of links, made from the gift's number and a key; the database has their hashes only."""

    def __init__(self, secret_key: str) -> None:
        self._key = derive_key(secret_key, "gift link")

    def token_of(self, gift_id: int) -> str:
        """The token of a gift: 256 bits that nothing in the database tells."""
        return urlsafe_b64encode(hmac.digest(self._key, b"%d" % gift_id, "sha256")).rstrip(b"=").decode()


class Offered(Struct, frozen=True):
    """A gift on its way; its link is good until `expires_at`."""

    gift_id: int
    token: str
    expires_at: datetime


class Accepted(Struct, frozen=True):
    """A gift that changed hands."""

    gift_id: int
    voucher_id: int
    generation: int


class _Gift(Struct, frozen=True):
    id: int
    voucher_id: int
    giver_id: int
    name_zh: str
    name_en: str


_HELD_BY = "coalesce(v.holder_id, v.member_id) = %(member)s"

_OFFER = f"""
    UPDATE voucher v SET state = 'offered', paper_until = NULL
    WHERE v.id = %(voucher)s AND {_HELD_BY} AND v.state = 'issued' AND v.uses = 0 AND v.frozen_at IS NULL
        AND v.generation < {LAST_GENERATION} AND v.issued_at <= %(now)s AND %(now)s < v.expires_at
        AND (SELECT i.giftable FROM item i WHERE i.id = v.item_id)"""

_KEEP = """
    INSERT INTO voucher_gift (id, voucher_id, giver_id, state, token_hash, words, offered_at, expires_at)
    SELECT %(gift)s, v.id, %(member)s, 'open', %(hash)s, %(words)s, %(now)s, least(%(until)s, v.expires_at)
    FROM voucher v WHERE v.id = %(voucher)s RETURNING expires_at"""

_COUNT = "SELECT count(*) FROM voucher_gift WHERE giver_id = %(member)s AND offered_at >= %(since)s"

_LOCK_BEHIND = """
    SELECT FROM voucher WHERE id = (SELECT voucher_id FROM voucher_gift WHERE token_hash = %(hash)s) FOR UPDATE"""
_LOCK = "SELECT FROM voucher WHERE id = %(voucher)s FOR UPDATE"

_RETURNING = """
    RETURNING g.id, g.voucher_id, g.giver_id,
        (SELECT i.name_zh FROM voucher v JOIN item i ON i.id = v.item_id WHERE v.id = g.voucher_id) AS name_zh,
        (SELECT i.name_en FROM voucher v JOIN item i ON i.id = v.item_id WHERE v.id = g.voucher_id) AS name_en"""

_ACCEPT = f"""
    UPDATE voucher_gift g SET state = 'accepted', receiver_id = %(member)s, decided_at = %(now)s
    WHERE g.token_hash = %(hash)s AND g.state = 'open' AND %(now)s < g.expires_at AND g.giver_id <> %(member)s
        AND NOT EXISTS (SELECT FROM voucher v WHERE v.id = g.voucher_id AND v.frozen_at IS NOT NULL)
        AND NOT EXISTS (SELECT FROM member m WHERE m.id = g.giver_id AND m.state = 'frozen')
    {_RETURNING}"""

_TAKE_BACK = f"""
    UPDATE voucher_gift g SET state = 'taken_back', decided_at = %(now)s
    FROM voucher v WHERE v.id = g.voucher_id AND g.voucher_id = %(voucher)s AND g.state = 'open' AND {_HELD_BY}
    {_RETURNING}"""

_LAPSE = f"""
    WITH due AS (
        SELECT g.id FROM voucher_gift g JOIN voucher v ON v.id = g.voucher_id
        WHERE g.state = 'open' AND g.expires_at <= %(now)s
        ORDER BY v.id LIMIT %(limit)s FOR UPDATE OF v SKIP LOCKED)
    UPDATE voucher_gift g SET state = 'lapsed', decided_at = %(now)s FROM due WHERE g.id = due.id AND g.state = 'open'
    {_RETURNING}"""

_HAND_OVER = """
    UPDATE voucher SET state = 'issued', holder_id = %(member)s, generation = generation + 1
    WHERE id = %(voucher)s AND state = 'offered' RETURNING generation"""

_GIVE_BACK = "UPDATE voucher SET state = 'issued' WHERE id = ANY(%(vouchers)s) AND state = 'offered'"

_STEP = """
    INSERT INTO voucher_transition (voucher_id, from_state, to_state, reason, actor, at)
    SELECT id, %(from_state)s, %(to_state)s, %(reason)s, %(actor)s, %(now)s FROM unnest(%(vouchers)s::bigint[]) AS v(id)"""


async def offer_gift(
    connection: AsyncConnection[Any],
    member_id: int,
    voucher_id: int,
    *,
    words: str,
    links: GiftLinks,
    actor: str,
    now: datetime,
    zone: ZoneInfo,
) -> Offered:
    """Offer a voucher to whoever gets the link, in the caller's transaction; until that is decided nobody can use it.

    Raises NotFoundError for a voucher that is not the member's, NotGiftableError with every reason, TooManyGiftsError.
    """
    await lock_member(connection, member_id)
    rules = await check_giftable(connection, member_id, voucher_id, now=now, zone=zone)
    values = {"member": member_id, "voucher": voucher_id, "now": now}
    if not (await connection.execute(_OFFER, values)).rowcount:
        # What was read a moment ago has changed: a till was quicker, or another tap.
        raise NotGiftableError
    return await _keep(connection, values, words, rules, links, actor)


async def take_back_gift(
    connection: AsyncConnection[Any], member_id: int, voucher_id: int, *, actor: str, now: datetime
) -> None:
    """Take an offered voucher back, in the caller's transaction. Raises GiftOverError when it is not on its way any more."""
    values = {"member": member_id, "voucher": voucher_id, "now": now}
    await connection.execute(_LOCK, values)
    gifts = await _decide(connection, _TAKE_BACK, values)
    if not gifts:
        raise GiftOverError
    await _give_back(connection, gifts, "gift_taken_back", actor, now)


async def accept_gift(
    connection: AsyncConnection[Any], member_id: int, token: str, *, actor: str, now: datetime
) -> Accepted:
    """Make the voucher behind a link the member's, in the caller's transaction. From then on older codes of it are nobody's.

    The same member again gets the same answer, as long as it is theirs. Raises UnknownGiftError, OwnGiftError,
    CannotReceiveError, GiftHeldError while the voucher or its giver is frozen, GiftOverError.
    """
    member = await lock_member(connection, member_id)
    if member.state != "active":
        raise CannotReceiveError
    values = {"member": member_id, "hash": hash_token(token).hex(), "now": now}
    await connection.execute(_LOCK_BEHIND, values)
    gifts = await _decide(connection, _ACCEPT, values)
    if not gifts:
        return await _repeat_or_refuse(connection, values)
    (gift,) = gifts
    handed = await connection.execute(_HAND_OVER, {"member": member_id, "voucher": gift.voucher_id})
    row = await handed.fetchone()
    assert row is not None, "a gift is open exactly when its voucher is offered"
    await _keep_step(connection, [gift.voucher_id], "offered", "issued", "gift_accepted", actor, now)
    await tell_members(connection, [_notice(gift, "gift_accepted", str(gift.id), now)])
    return Accepted(gift.id, gift.voucher_id, row[0])


async def lapse_gifts(connection: AsyncConnection[Any], now: datetime, *, limit: int = 10_000) -> int:
    """Give back up to `limit` vouchers that nobody accepted in time, and say so; returns how many. Doing it again is safe."""
    gifts = await _decide(connection, _LAPSE, {"now": now, "limit": limit})
    await _give_back(connection, gifts, "gift_lapsed", "system", now)
    await tell_members(connection, [_notice(gift, "gift_lapsed", str(gift.voucher_id), now) for gift in gifts])
    return len(gifts)


async def _keep(
    connection: AsyncConnection[Any],
    values: dict[str, Any],
    words: str,
    rules: VoucherRules,
    links: GiftLinks,
    actor: str,
) -> Offered:
    reserved = await connection.execute("SELECT nextval('voucher_gift_id_seq')")
    (gift_id,) = await reserved.fetchone() or (0,)
    token, now = links.token_of(gift_id), values["now"]
    kept = await connection.execute(
        _KEEP,
        values
        | {
            "gift": gift_id,
            "hash": hash_token(token).hex(),
            "words": words.strip()[:LONGEST_WORDS],
            "until": now + timedelta(days=rules.gift_days),
        },
    )
    (expires_at,) = await kept.fetchone() or (now,)
    await _keep_step(connection, [values["voucher"]], "issued", "offered", "gift", actor, now)
    return Offered(gift_id, token, expires_at)


async def check_giftable(
    connection: AsyncConnection[Any], member_id: int, voucher_id: int, *, now: datetime, zone: ZoneInfo
) -> VoucherRules:
    """Look whether a member may offer a voucher now. Raises as `offer_gift`, which decides once more by its update."""
    facts = await voucher_of_member(connection, member_id, voucher_id)
    rules = await load_rules(connection)
    if facts.state == "offered":
        raise NotGiftableError(reasons=[_reason("already_offered", N_("It is waiting as a gift already."))])
    against = {
        "account": (facts.member_state != "active", N_("Your account is not active.")),
        "program": (not rules.gift_days, N_("Vouchers of this program are not given away.")),
        "item": (not facts.giftable, N_("Vouchers of this kind stay with whoever redeemed them.")),
        "used": (facts.uses > 0, N_("It was used already, in part or wholly.")),
        "over": (not facts.is_usable(now) and not facts.uses, N_("It has run out or was cancelled.")),
        "frozen": (facts.frozen_at is not None, N_("It is frozen. Customer service can tell you more.")),
        "hands": (facts.generation >= LAST_GENERATION, N_("It has changed hands as often as a voucher can.")),
    }
    reasons = [_reason(code, words) for code, (applies, words) in against.items() if applies]
    if reasons:
        raise NotGiftableError(reasons=reasons)
    since = start_of_day(local_date(now, zone), zone)
    found = await connection.execute(_COUNT, {"member": member_id, "since": since})
    (given,) = await found.fetchone() or (0,)
    if given >= rules.gifts_a_day:
        raise TooManyGiftsError(most=rules.gifts_a_day)
    return rules


def _reason(code: str, words: str) -> Reason:
    return Reason(code, Message(words))


async def _repeat_or_refuse(connection: AsyncConnection[Any], values: dict[str, Any]) -> Accepted:
    found = await connection.execute(
        "SELECT g.id, g.voucher_id, g.state, g.giver_id, v.generation, %(now)s < g.expires_at AS in_time, "
        "g.receiver_id = %(member)s AND v.holder_id = %(member)s AS is_theirs "
        "FROM voucher_gift g JOIN voucher v ON v.id = g.voucher_id WHERE g.token_hash = %(hash)s",
        values,
    )
    row = await found.fetchone()
    if row is None:
        raise UnknownGiftError
    gift_id, voucher_id, state, giver_id, generation, in_time, is_theirs = row
    if is_theirs:
        return Accepted(gift_id, voucher_id, generation)
    if state == "open" and giver_id == values["member"]:
        raise OwnGiftError
    raise GiftHeldError if state == "open" and in_time else GiftOverError


async def _decide(connection: AsyncConnection[Any], statement: str, values: dict[str, Any]) -> list[_Gift]:
    return await fetch_all(connection, _Gift, statement, values)


async def _give_back(
    connection: AsyncConnection[Any], gifts: list[_Gift], reason: str, actor: str, now: datetime
) -> None:
    vouchers = [gift.voucher_id for gift in gifts]
    given = await connection.execute(_GIVE_BACK, {"vouchers": vouchers})
    assert given.rowcount == len(vouchers), "a gift is open exactly when its voucher is offered"
    await _keep_step(connection, vouchers, "offered", "issued", reason, actor, now)


async def _keep_step(
    connection: AsyncConnection[Any],
    vouchers: list[int],
    from_state: str,
    to_state: str,
    reason: str,
    actor: str,
    now: datetime,
) -> None:
    values = {"vouchers": vouchers, "from_state": from_state, "to_state": to_state}
    await connection.execute(_STEP, values | {"reason": reason, "actor": actor, "now": now})


def _notice(gift: _Gift, topic: str, subject: str, now: datetime) -> NoticeRow:
    return NoticeRow(gift.giver_id, topic, subject, {"item": {"zh": gift.name_zh, "en": gift.name_en}}, now)
