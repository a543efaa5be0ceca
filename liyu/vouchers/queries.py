"""Reads of vouchers and verifications. Member or partner come first: ownership is in the query (rule 16)."""

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.clock import start_of_day
from liyu.core.database import fetch_all, fetch_one
from liyu.core.errors import NotFoundError
from liyu.vouchers.errors import UnknownVerificationError
from liyu.vouchers.facts import VoucherFacts, fetch_facts

PAGE = 30
SOON = timedelta(days=14)
"""A voucher that runs out within so long is told to end soon."""
WALLET_GROUPS = ("usable", "soon", "gifts", "used", "expired")


class VerificationLine(Struct):
    """One verification in a partner's list."""

    id: int
    voucher_id: int
    generation: int
    item_zh: str
    item_en: str
    store_code: str | None
    store_zh: str | None
    store_en: str | None
    verifier: str
    use_number: int
    uses_allowed: int
    verified_at: datetime
    undone_at: datetime | None
    undone_by: str | None
    undo_reason: str | None
    received_at: datetime | None
    """When it came in, of what was taken without a network."""

    @property
    def known_at(self) -> datetime:
        """When the books heard of it: from then on it can be taken back."""
        return self.received_at or self.verified_at


class VerificationFacts(VerificationLine):
    """One verification with whose voucher it was."""

    member_name: str | None


class VoucherUse(Struct):
    """A use of a voucher that was not taken back, for its holder; a host's own till may have named no store."""

    voucher_id: int
    at: datetime
    store_zh: str | None
    store_en: str | None


class VerificationCount(Struct):
    """How many verifications hold, and how many were taken back."""

    verified: int
    undone: int


class StoreCount(Struct):
    """Verifications of one store that were not taken back."""

    store_id: int
    code: str
    name_zh: str
    name_en: str
    count: int


HELD = "(v.holder_id = %(member)s OR (v.holder_id IS NULL AND v.member_id = %(member)s))"
"""Whether a member holds the voucher `v`: they got it, or redeemed it and still have it."""

GROUPS = {
    "usable": "v.state IN ('issued', 'partly_used') AND v.expires_at > %(now)s",
    "soon": "v.state IN ('issued', 'partly_used') AND v.expires_at > %(now)s AND v.expires_at <= %(soon)s",
    "gifts": "v.state = 'offered'",
    "used": "v.state = 'used_up'",
    "expired": (
        "(v.state IN ('expired', 'cancelled') OR (v.state IN ('issued', 'partly_used') AND v.expires_at <= %(now)s))"
    ),
}
_ORDERS = {
    "usable": "v.expires_at, v.id",
    "soon": "v.expires_at, v.id",
    "gifts": "v.expires_at, v.id",
    "used": "v.id DESC",
    "expired": "v.expires_at DESC, v.id DESC",
}

_LINE = """f.id, f.voucher_id, v.generation, i.name_zh AS item_zh, i.name_en AS item_en, s.code AS store_code,
        s.name_zh AS store_zh, s.name_en AS store_en, f.verifier, f.use_number, v.uses_allowed, f.verified_at,
        f.undone_at, f.undone_by, f.undo_reason,
        (SELECT u.received_at FROM offline_use u WHERE u.verification_id = f.id) AS received_at"""

_VERIFICATIONS = f"""
    SELECT {_LINE}
    FROM verification f JOIN voucher v ON v.id = f.voucher_id JOIN item i ON i.id = v.item_id
    LEFT JOIN store s ON s.id = f.store_id
    WHERE f.partner_id = %(partner)s
        AND (%(from)s::timestamptz IS NULL OR f.verified_at >= %(from)s)
        AND (%(to)s::timestamptz IS NULL OR f.verified_at < %(to)s)
        AND (%(store)s::bigint IS NULL OR f.store_id = %(store)s)
        AND (%(voucher)s::bigint IS NULL OR f.voucher_id = %(voucher)s)
        AND (%(before)s::bigint IS NULL OR
            (f.verified_at, f.id) < (SELECT b.verified_at, b.id FROM verification b WHERE b.id = %(before)s))
    ORDER BY f.verified_at DESC, f.id DESC LIMIT %(limit)s"""

_VERIFICATION = f"""
    SELECT {_LINE}, m.name AS member_name
    FROM verification f JOIN voucher v ON v.id = f.voucher_id JOIN item i ON i.id = v.item_id
    LEFT JOIN member m ON m.id = coalesce(v.holder_id, v.member_id) LEFT JOIN store s ON s.id = f.store_id
    WHERE f.partner_id = %(partner)s AND f.id = %(verification)s
        AND (%(store)s::bigint IS NULL OR f.store_id = %(store)s)"""

_USES = """
    SELECT f.voucher_id, f.verified_at AS at, s.name_zh AS store_zh, s.name_en AS store_en
    FROM verification f LEFT JOIN store s ON s.id = f.store_id
    WHERE f.voucher_id = ANY(%s) AND f.undone_at IS NULL ORDER BY f.voucher_id, f.use_number"""

_COUNT = """
    SELECT count(*) FILTER (WHERE undone_at IS NULL) AS verified, count(undone_at) AS undone
    FROM verification f
    WHERE f.partner_id = %(partner)s AND f.verified_at >= %(from)s AND f.verified_at < %(to)s
        AND (%(store)s::bigint IS NULL OR f.store_id = %(store)s)"""

_COUNTS = """
    SELECT s.id AS store_id, s.code, s.name_zh, s.name_en, count(f.id) AS count
    FROM store s LEFT JOIN verification f ON f.partner_id = s.partner_id AND f.store_id = s.id
        AND f.undone_at IS NULL AND f.verified_at >= %(from)s AND f.verified_at < %(to)s
    WHERE s.partner_id = %(partner)s AND s.active GROUP BY s.id ORDER BY count(f.id) DESC, s.code"""


async def count_wallet(connection: AsyncConnection[Any], member_id: int, now: datetime) -> dict[str, int]:
    """How many vouchers a member holds, by group of the wallet 卡包."""
    counted = ", ".join(f"count(*) FILTER (WHERE {GROUPS[name]})" for name in WALLET_GROUPS)
    found = await connection.execute(
        f"SELECT {counted} FROM voucher v WHERE {HELD}", {"member": member_id, "now": now, "soon": now + SOON}
    )
    row = await found.fetchone()
    assert row is not None
    return dict(zip(WALLET_GROUPS, row, strict=True))


async def wallet_page(
    connection: AsyncConnection[Any], member_id: int, group: str, now: datetime, *, offset: int = 0, limit: int = PAGE
) -> list[VoucherFacts]:
    """One page of a group of what a member holds: by the day they run out, what is over by the newest first.

    Raises KeyError for a group that is none of `WALLET_GROUPS`.
    """
    return await fetch_facts(
        connection,
        f"WHERE {HELD} AND {GROUPS[group]} ORDER BY {_ORDERS[group]} LIMIT %(limit)s OFFSET %(offset)s",
        {"member": member_id, "now": now, "soon": now + SOON, "limit": limit, "offset": offset},
    )


async def voucher_of_member(connection: AsyncConnection[Any], member_id: int, voucher_id: int) -> VoucherFacts:
    """One voucher that a member holds. Raises NotFoundError, also for one that was given away."""
    found = await fetch_facts(
        connection, f"WHERE {HELD} AND v.id = %(voucher)s", {"member": member_id, "voucher": voucher_id}
    )
    if not found:
        raise NotFoundError
    return found[0]


async def uses_of(connection: AsyncConnection[Any], voucher_ids: list[int]) -> list[VoucherUse]:
    """When and where vouchers were used, in the order of uses, for callers who have established whose they are."""
    return await fetch_all(connection, VoucherUse, _USES, (voucher_ids,))


async def facts_of(connection: AsyncConnection[Any], voucher_ids: list[int]) -> list[VoucherFacts]:
    """Vouchers by id in the order of ids, for jobs of the operator such as printing; unknown ids are left out."""
    return await fetch_facts(connection, "WHERE v.id = ANY(%(ids)s) ORDER BY v.id", {"ids": voucher_ids})


async def verifications_of_partner(
    connection: AsyncConnection[Any],
    partner_id: int,
    *,
    day: date | None,
    zone: ZoneInfo,
    store_id: int | None = None,
    voucher_id: int | None = None,
    before: int | None = None,
    limit: int = PAGE,
) -> list[VerificationLine]:
    """A partner's verifications, newest first; `before` is the id of the last one that was shown."""
    start, end = _bounds(day, zone) if day else (None, None)
    values = {
        "partner": partner_id, "from": start, "to": end, "store": store_id, "voucher": voucher_id, "before": before,
        "limit": limit,
    }  # fmt: skip
    return await fetch_all(connection, VerificationLine, _VERIFICATIONS, values)


async def verification_of_partner(
    connection: AsyncConnection[Any], partner_id: int, verification_id: int, *, store_id: int | None = None
) -> VerificationFacts:
    """One verification of a partner, or of one of its stores. Raises UnknownVerificationError, also for another's."""
    values = {"partner": partner_id, "verification": verification_id, "store": store_id}
    found = await fetch_one(connection, VerificationFacts, _VERIFICATION, values)
    if found is None:
        raise UnknownVerificationError
    return found


async def verification_of_nonce(connection: AsyncConnection[Any], verifier: str, nonce: str) -> int | None:
    """The id of the verification that a verifier made under a nonce, if there is one."""
    found = await connection.execute(
        "SELECT id FROM verification WHERE verifier = %s AND nonce = %s", (verifier, nonce)
    )
    row = await found.fetchone()
    return row[0] if row else None


async def count_verifications(
    connection: AsyncConnection[Any], partner_id: int, *, start: date, end: date, zone: ZoneInfo, store_id: int | None
) -> VerificationCount:
    """How much a partner, or one of its stores, verified from `start` up to but not including `end`."""
    bounds = {"from": start_of_day(start, zone), "to": start_of_day(end, zone)}
    counted = await fetch_one(
        connection, VerificationCount, _COUNT, {"partner": partner_id, "store": store_id, **bounds}
    )
    assert counted is not None
    return counted


async def count_by_store(
    connection: AsyncConnection[Any], partner_id: int, *, day: date, zone: ZoneInfo
) -> list[StoreCount]:
    """How much each open store of a partner verified on a day of the program's time zone; the busiest first."""
    start, end = _bounds(day, zone)
    return await fetch_all(connection, StoreCount, _COUNTS, {"partner": partner_id, "from": start, "to": end})


def _bounds(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    return start_of_day(day, zone), start_of_day(day + timedelta(days=1), zone)
