"""Leases: what a device may take on its own, given out at a contact. Two are out at most: one it holds, one on its way."""

from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.database import fetch_one
from liyu.vouchers.offline.devices import Device

FRESH = timedelta(minutes=15)
"""So long an unused lease is given again instead of another one."""
ON_ITS_WAY = timedelta(minutes=2)
"""So long an answer may take to reach the device."""


class Lease(Struct, kw_only=True):
    """What a device may take from `issued_at` until `expires_at`: `quota` vouchers worth `cap_minor` fen together."""

    id: int
    staff_id: int
    quota: int
    cap_minor: int
    issued_at: datetime
    expires_at: datetime


_LOCK = "SELECT FROM till_device WHERE id = %s FOR UPDATE"

# One that is newer than the one it holds may be on its way in another answer.
_END_OTHERS = """
    UPDATE offline_lease SET over_at = %(now)s
    WHERE device_id = %(device)s AND over_at IS NULL
        AND (id < %(held)s OR (id > %(held)s AND issued_at < %(on_its_way)s))"""

_LATEST = """
    SELECT id, staff_id, quota, cap_minor, issued_at, expires_at FROM offline_lease l
    WHERE device_id = %(device)s AND over_at IS NULL AND issued_at > %(fresh)s
        AND NOT EXISTS (SELECT FROM offline_use u WHERE u.lease_id = l.id)
    ORDER BY id DESC LIMIT 1"""

_GIVE = """
    INSERT INTO offline_lease (device_id, staff_id, quota, cap_minor, issued_at, expires_at)
    VALUES (%(device)s, %(staff)s, %(quota)s, %(cap)s, %(now)s, %(until)s)
    RETURNING id, staff_id, quota, cap_minor, issued_at, expires_at"""

# Leases that nothing was taken under are of no interest once they are over; under the one it holds something may be on its way.
_FORGET = """
    DELETE FROM offline_lease l WHERE device_id = %(device)s AND expires_at < %(over)s AND id <> %(held)s
        AND NOT EXISTS (SELECT FROM offline_use u WHERE u.lease_id = l.id)"""
_KEPT = timedelta(days=7)

_SEEN = "UPDATE till_device SET seen_at = %(now)s WHERE id = %(device)s"


async def give_lease(
    connection: AsyncConnection[Any], device: Device, *, staff_id: int, held: int | None, now: datetime
) -> Lease:
    """The lease of a device in contact, in the caller's transaction. `held` is the one that it says it holds.

    All others are over, and a fresh unused one is given again: a device that says it missed an answer gets no more for it.
    """
    values: dict[str, Any] = {"device": device.id, "held": held or 0, "staff": staff_id, "now": now}
    values |= {"over": now - _KEPT, "fresh": now - FRESH, "on_its_way": now - ON_ITS_WAY}
    await connection.execute(_LOCK, (device.id,))
    await connection.execute(_END_OTHERS, values)
    await connection.execute(_SEEN, values)
    latest = await fetch_one(connection, Lease, _LATEST, values)
    if latest is not None and (latest.staff_id, latest.quota, latest.cap_minor) == _terms(device, staff_id):
        return latest
    await connection.execute(_FORGET, values)
    bounds = {"quota": device.quota, "cap": device.cap_minor, "until": now + timedelta(hours=device.hours)}
    given = await fetch_one(connection, Lease, _GIVE, values | bounds)
    assert given is not None
    return given


def _terms(device: Device, staff_id: int) -> tuple[int, int, int]:
    return staff_id, device.quota, device.cap_minor
