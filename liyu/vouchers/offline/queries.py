"""Reads for the screens: a partner's devices, what they took without a network, and the conflicts with their decisions."""

from datetime import datetime
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.database import fetch_all, fetch_one
from liyu.vouchers.offline.errors import UnknownConflictError
from liyu.vouchers.serials import serial_of

PAGE = 30


class DeviceLine(Struct, kw_only=True):
    """A device as a list shows it; `used` and `used_minor` are what came in under its latest lease. Amounts in fen."""

    id: int
    name: str
    store_id: int
    store_zh: str
    store_en: str
    quota: int
    cap_minor: int
    hours: int
    paired: bool
    pairing_until: datetime | None
    added_at: datetime
    seen_at: datetime | None
    revoked_at: datetime | None
    lease_until: datetime | None
    used: int
    used_minor: int
    taken: int
    """All it ever took without a network."""
    conflicts: int


class UseLine(Struct, kw_only=True):
    """A voucher that a device took without a network, with what became of it. Amounts in fen."""

    id: int
    voucher_id: int | None
    generation: int | None
    item_zh: str | None
    item_en: str | None
    device: str
    store_zh: str
    store_en: str
    staff: str | None
    partner_code: str
    partner_zh: str
    partner_en: str
    used_at: datetime
    received_at: datetime
    value_minor: int
    verification_id: int | None
    undone_at: datetime | None
    """When its verification was taken back."""
    conflict: str | None
    bearer: str | None
    amount_minor: int
    """What the partner's account got for a conflict by the decision in force."""
    reason: str | None

    @property
    def serial(self) -> int | None:
        """What the voucher's present code is made from."""
        return None if self.voucher_id is None else serial_of(self.voucher_id, self.generation or 0)


class Decision(Struct):
    """One decision of who bears a conflict; the actor's name where it is a person."""

    bearer: str
    amount_minor: int
    reason: str
    actor: str
    name: str | None
    at: datetime


_DEVICES = """
    SELECT d.id, d.name, d.store_id, s.name_zh AS store_zh, s.name_en AS store_en, d.quota, d.cap_minor, d.hours,
        d.token_hash IS NOT NULL AS paired, d.pairing_until, d.added_at, d.seen_at, d.revoked_at, l.expires_at AS lease_until,
        coalesce(n.used, 0) AS used, coalesce(n.used_minor, 0)::bigint AS used_minor, coalesce(a.taken, 0) AS taken,
        coalesce(a.conflicts, 0) AS conflicts
    FROM till_device d JOIN store s ON s.id = d.store_id
    LEFT JOIN LATERAL (SELECT * FROM offline_lease l WHERE l.device_id = d.id ORDER BY l.id DESC LIMIT 1) AS l ON true
    LEFT JOIN LATERAL (
        SELECT count(*) AS used, sum(u.value_minor) AS used_minor FROM offline_use u WHERE u.lease_id = l.id) AS n ON true
    LEFT JOIN LATERAL (
        SELECT count(*) AS taken, count(u.conflict) AS conflicts FROM offline_use u WHERE u.device_id = d.id) AS a ON true
    WHERE d.partner_id = %(partner)s AND (%(store)s::bigint IS NULL OR d.store_id = %(store)s)
    ORDER BY d.revoked_at IS NOT NULL, d.id DESC LIMIT 200"""

_USES = """
    SELECT u.id, u.voucher_id, v.generation, i.name_zh AS item_zh, i.name_en AS item_en, d.name AS device, s.name_zh AS store_zh,
        s.name_en AS store_en, f.name AS staff, p.code AS partner_code, p.name_zh AS partner_zh, p.name_en AS partner_en,
        u.used_at, u.received_at, u.value_minor, u.verification_id, w.undone_at, u.conflict, u.bearer,
        coalesce(c.amount_minor, 0) AS amount_minor, c.reason
    FROM offline_use u JOIN till_device d ON d.id = u.device_id JOIN store s ON s.id = d.store_id
    JOIN partner p ON p.id = d.partner_id LEFT JOIN offline_lease l ON l.id = u.lease_id LEFT JOIN staff f ON f.id = l.staff_id
    LEFT JOIN voucher v ON v.id = u.voucher_id LEFT JOIN item i ON i.id = v.item_id
    LEFT JOIN verification w ON w.id = u.verification_id
    LEFT JOIN LATERAL (
        SELECT amount_minor, reason FROM offline_decision c WHERE c.offline_use_id = u.id ORDER BY c.id DESC LIMIT 1
    ) AS c ON true"""

_PAGE = f"""{_USES}
    WHERE (%(partner)s::bigint IS NULL OR d.partner_id = %(partner)s) AND (%(store)s::bigint IS NULL OR d.store_id = %(store)s)
        AND (%(before)s::bigint IS NULL OR u.id < %(before)s) AND (NOT %(conflicts)s OR u.conflict IS NOT NULL)
    ORDER BY u.id DESC LIMIT %(limit)s"""

_ONE = f"{_USES} WHERE u.id = %s AND u.conflict IS NOT NULL"

_DECISIONS = """
    SELECT c.bearer, c.amount_minor, c.reason, c.actor, f.name, c.at FROM offline_decision c
    LEFT JOIN staff f ON c.actor = 'staff:' || f.id WHERE c.offline_use_id = %s ORDER BY c.id"""


async def list_devices(
    connection: AsyncConnection[Any], partner_id: int, *, store_id: int | None = None
) -> list[DeviceLine]:
    """A partner's devices, or one store's; those in use first, the newest first."""
    return await fetch_all(connection, DeviceLine, _DEVICES, {"partner": partner_id, "store": store_id})


async def list_uses(
    connection: AsyncConnection[Any],
    partner_id: int | None,
    *,
    store_id: int | None = None,
    before: int | None = None,
    conflicts: bool = False,
    limit: int = PAGE,
) -> list[UseLine]:
    """What devices took without a network, the newest first: a partner's, one store's, or for the operator (None) everybody's."""
    values = {"partner": partner_id, "store": store_id, "before": before, "conflicts": conflicts, "limit": limit}
    return await fetch_all(connection, UseLine, _PAGE, values)


async def find_conflict(connection: AsyncConnection[Any], use_id: int) -> tuple[UseLine, list[Decision]]:
    """A conflict with all its decisions, for the operator. Raises UnknownConflictError."""
    found = await fetch_one(connection, UseLine, _ONE, (use_id,))
    if found is None:
        raise UnknownConflictError
    return found, await fetch_all(connection, Decision, _DECISIONS, (use_id,))
