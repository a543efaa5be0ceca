"""Reads of gifts. A link shows what it must; everything else is for those whose gift it is."""

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.clock import local_date
from liyu.core.database import fetch_all
from liyu.core.errors import NotFoundError
from liyu.core.sealing import hash_token
from liyu.vouchers.gifts.errors import UnknownGiftError

PAGE = 30


class GiftView(Struct, frozen=True):
    """A gift with the voucher in it. Names of members are whole here: whoever shows them masks them."""

    id: int
    voucher_id: int
    giver_id: int
    receiver_id: int | None
    holder_id: int | None
    giver_name: str | None
    receiver_name: str | None
    state: str
    words: str
    offered_at: datetime
    expires_at: datetime
    decided_at: datetime | None
    item_id: int
    kind: str
    scene: str
    item_zh: str
    item_en: str
    summary_zh: str
    summary_en: str
    partner_zh: str | None
    partner_en: str | None
    voucher_expires_at: datetime
    uses_allowed: int

    def is_with(self, member_id: int) -> bool:
        """Whether a member accepted it and has it still."""
        return member_id == self.receiver_id == self.holder_id

    def is_open(self, now: datetime) -> bool:
        """Whether it can be accepted; one whose time is over cannot, also before the job has noted it."""
        return self.state == "open" and now < self.expires_at

    def last_day(self, zone: ZoneInfo) -> date:
        """The last day of the voucher in the program's time zone."""
        return local_date(self.voucher_expires_at - timedelta(microseconds=1), zone)


_GIFTS = """
    SELECT g.id, g.voucher_id, g.giver_id, g.receiver_id, coalesce(v.holder_id, v.member_id) AS holder_id,
        a.name AS giver_name, b.name AS receiver_name, g.state, g.words, g.offered_at, g.expires_at, g.decided_at,
        i.id AS item_id, i.kind, i.scene, i.name_zh AS item_zh, i.name_en AS item_en, i.summary_zh, i.summary_en,
        p.name_zh AS partner_zh, p.name_en AS partner_en, v.expires_at AS voucher_expires_at, v.uses_allowed
    FROM voucher_gift g JOIN voucher v ON v.id = g.voucher_id JOIN item i ON i.id = v.item_id
    JOIN member a ON a.id = g.giver_id LEFT JOIN member b ON b.id = g.receiver_id LEFT JOIN partner p ON p.id = v.partner_id"""


async def gift_behind(connection: AsyncConnection[Any], token: str) -> GiftView:
    """The gift that a link leads to, for whoever has the link. Raises UnknownGiftError."""
    found = await _fetch(connection, "WHERE g.token_hash = %(hash)s", {"hash": hash_token(token).hex()})
    if not found:
        raise UnknownGiftError
    return found[0]


async def gift_of_member(connection: AsyncConnection[Any], member_id: int, gift_id: int) -> GiftView:
    """A gift that a member gave or received. Raises NotFoundError, also for somebody else's."""
    found = await _fetch(
        connection,
        "WHERE g.id = %(gift)s AND %(member)s IN (g.giver_id, g.receiver_id)",
        {"gift": gift_id, "member": member_id},
    )
    if not found:
        raise NotFoundError
    return found[0]


async def open_gift(connection: AsyncConnection[Any], voucher_id: int) -> GiftView | None:
    """The gift on its way with a voucher, for callers who have established whose voucher it is."""
    found = await _fetch(connection, "WHERE g.voucher_id = %(voucher)s AND g.state = 'open'", {"voucher": voucher_id})
    return found[0] if found else None


async def given_away(connection: AsyncConnection[Any], member_id: int, voucher_id: int) -> int | None:
    """The gift with which a member gave a voucher away last; None if it never was theirs to give."""
    found = await connection.execute(
        "SELECT max(id) FROM voucher_gift WHERE voucher_id = %s AND giver_id = %s AND state = 'accepted'",
        (voucher_id, member_id),
    )
    return (await found.fetchone() or (None,))[0]


async def list_gifts(
    connection: AsyncConnection[Any], member_id: int, *, before: int | None = None
) -> tuple[list[GiftView], int | None]:
    """One page of what a member gave and received, the newest first, and the cursor of the next page."""
    gifts = await _fetch(
        connection,
        "WHERE (g.giver_id = %(member)s OR g.receiver_id = %(member)s) "
        "AND (%(before)s::bigint IS NULL OR g.id < %(before)s) ORDER BY g.id DESC LIMIT %(most)s",
        {"member": member_id, "before": before, "most": PAGE + 1},
    )
    return gifts[:PAGE], gifts[PAGE - 1].id if len(gifts) > PAGE else None


async def _fetch(connection: AsyncConnection[Any], condition: str, values: dict[str, Any]) -> list[GiftView]:
    return await fetch_all(connection, GiftView, f"{_GIFTS} {condition}", values)
