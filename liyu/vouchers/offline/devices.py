"""Devices of tills: added for a store by its manager, bound to one browser by a code that is typed there, revocable."""

import secrets
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.database import fetch_one
from liyu.core.ids import make_token
from liyu.core.sealing import hash_token
from liyu.vouchers.alphabet import LETTERS, repair, tidy
from liyu.vouchers.offline.errors import DeviceRevokedError, UnknownDeviceError, WrongPairingCodeError

PAIRING_LIFE = timedelta(minutes=15)
_PAIRING_LETTERS = 8

MOST_VOUCHERS, LARGEST_CAP, MOST_HOURS = 100, 2_000_000, 72
"""The widest bounds that a partner may choose: vouchers, fen, hours."""


class Bounds(Struct, frozen=True):
    """What a device may take between two contacts: so many vouchers, worth so much in fen, within so many hours."""

    quota: int
    cap_minor: int
    hours: int


DEFAULT_BOUNDS = Bounds(20, 200_000, 12)


class Device(Struct, kw_only=True):
    """A device that is bound to a browser. `revoked_at` None while it is good."""

    id: int
    partner_id: int
    store_id: int
    store_code: str
    store_zh: str
    store_en: str
    name: str
    quota: int
    cap_minor: int
    hours: int
    revoked_at: datetime | None
    store_open: bool

    @property
    def may_take(self) -> bool:
        """Whether it is given anything to take on its own."""
        return self.revoked_at is None and self.store_open


_ADD = """
    INSERT INTO till_device (partner_id, store_id, name, pairing_hash, pairing_until, quota, cap_minor, hours, added_by, added_at)
    SELECT partner_id, id, %(name)s, %(hash)s, %(until)s, %(quota)s, %(cap)s, %(hours)s, %(actor)s, %(now)s
    FROM store WHERE id = %(store)s AND partner_id = %(partner)s AND active RETURNING id"""

_OFFER = """
    UPDATE till_device SET pairing_hash = %(hash)s, pairing_until = %(until)s
    WHERE id = %(device)s AND partner_id = %(partner)s AND (%(store)s::bigint IS NULL OR store_id = %(store)s)
        AND revoked_at IS NULL"""

# The code is gone once it was typed; the browser that was bound before is so no more.
_PAIR = """
    UPDATE till_device SET token_hash = %(token)s, pairing_hash = NULL, pairing_until = NULL, seen_at = %(now)s
    WHERE pairing_hash = %(hash)s AND pairing_until > %(now)s AND partner_id = %(partner)s AND revoked_at IS NULL
        AND (%(store)s::bigint IS NULL OR store_id = %(store)s)
    RETURNING id"""

_DEVICE = """
    SELECT d.id, d.partner_id, d.store_id, s.code AS store_code, s.name_zh AS store_zh, s.name_en AS store_en, d.name,
        d.quota, d.cap_minor, d.hours, d.revoked_at, s.active AS store_open
    FROM till_device d JOIN store s ON s.id = d.store_id"""

_FIND = f"{_DEVICE} WHERE d.token_hash = %s AND d.partner_id = %s"

_OF_LEASE = f"""{_DEVICE} JOIN offline_lease l ON l.device_id = d.id
    WHERE l.id = %(lease)s AND d.partner_id = %(partner)s AND d.store_id = %(store)s"""

# A browser is one device at a time.
_LEAVE = "UPDATE till_device SET token_hash = NULL WHERE token_hash = %(left)s AND partner_id = %(partner)s"

_REVOKE = """
    UPDATE till_device SET revoked_at = %(now)s, revoked_by = %(actor)s, pairing_hash = NULL, pairing_until = NULL
    WHERE id = %(device)s AND partner_id = %(partner)s AND (%(store)s::bigint IS NULL OR store_id = %(store)s)
        AND revoked_at IS NULL"""

_KNOWN = """
    SELECT FROM till_device
    WHERE id = %(device)s AND partner_id = %(partner)s AND (%(store)s::bigint IS NULL OR store_id = %(store)s)"""


async def add_device(
    connection: AsyncConnection[Any],
    partner_id: int,
    *,
    store_id: int,
    name: str,
    bounds: Bounds,
    actor: str,
    now: datetime,
) -> tuple[int, str]:
    """Add a device to an open store of the partner; its id, and the code that binds a browser to it within 15 minutes.

    Raises UnknownDeviceError for a store that is not the partner's or not open.
    """
    code = _make_code()
    values = {
        "partner": partner_id,
        "store": store_id,
        "name": name,
        "hash": _hash_code(code),
        "until": now + PAIRING_LIFE,
        "quota": bounds.quota,
        "cap": bounds.cap_minor,
        "hours": bounds.hours,
        "actor": actor,
        "now": now,
    }
    row = await (await connection.execute(_ADD, values)).fetchone()
    if row is None:
        raise UnknownDeviceError
    return row[0], code


async def offer_pairing(
    connection: AsyncConnection[Any], partner_id: int, device_id: int, *, store_id: int | None, now: datetime
) -> str:
    """Another code for a device, say for a new browser. `store_id` is the only store of whoever asks.

    Raises UnknownDeviceError, also for a revoked one.
    """
    code = _make_code()
    values = {"partner": partner_id, "device": device_id, "store": store_id}
    offered = await connection.execute(_OFFER, values | {"hash": _hash_code(code), "until": now + PAIRING_LIFE})
    if not offered.rowcount:
        raise UnknownDeviceError
    return code


async def pair(
    connection: AsyncConnection[Any],
    partner_id: int,
    code: str,
    *,
    store_id: int | None,
    now: datetime,
    left: str | None = None,
) -> tuple[int, str]:
    """Bind a browser to the device of a code; the device's id and the token for the browser's cookie.

    `store_id` is the only store of whoever types it, `left` the token that the browser had. Raises WrongPairingCodeError.
    """
    token = make_token()
    values = {
        "partner": partner_id,
        "store": store_id,
        "hash": _hash_code(code),
        "token": hash_token(token),
        "now": now,
    }
    row = await (await connection.execute(_PAIR, values)).fetchone()
    if row is None:
        raise WrongPairingCodeError
    if left:
        await connection.execute(_LEAVE, {"left": hash_token(left), "partner": partner_id})
    return row[0], token


async def find_device(connection: AsyncConnection[Any], partner_id: int, token: str) -> Device | None:
    """The device of a browser, revoked ones too: what it took before is still taken in."""
    return await fetch_one(connection, Device, _FIND, (hash_token(token), partner_id))


async def device_of_lease(connection: AsyncConnection[Any], device: Device, lease_id: int) -> Device:
    """The device that took something under a lease: `device`, or an earlier one of its store that its browser was bound to."""
    values = {"lease": lease_id, "partner": device.partner_id, "store": device.store_id}
    return await fetch_one(connection, Device, _OF_LEASE, values) or device


async def revoke_device(
    connection: AsyncConnection[Any],
    partner_id: int,
    device_id: int,
    *,
    store_id: int | None,
    actor: str,
    now: datetime,
) -> None:
    """From now on the device takes nothing without a network. Raises UnknownDeviceError, DeviceRevokedError."""
    values = {"partner": partner_id, "device": device_id, "store": store_id, "actor": actor, "now": now}
    revoked = await connection.execute(_REVOKE, values)
    if not revoked.rowcount:
        known = await (await connection.execute(_KNOWN, values)).fetchone()
        raise UnknownDeviceError if known is None else DeviceRevokedError


def _make_code() -> str:
    letters = "".join(secrets.choice(LETTERS) for _ in range(_PAIRING_LETTERS))
    return f"{letters[:4]}-{letters[4:]}"


def _hash_code(code: str) -> bytes:
    return hash_token(repair(tidy(code)))
