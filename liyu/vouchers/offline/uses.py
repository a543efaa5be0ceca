"""Taking in what a device took without a network: each use is verified for real, at the time at which it happened."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.database import fetch_one
from liyu.core.errors import IdempotencyConflictError
from liyu.vouchers.errors import VoucherRefusedError
from liyu.vouchers.offline.devices import Device, device_of_lease
from liyu.vouchers.offline.losses import decide_by_rule
from liyu.vouchers.save import UsedUpHook
from liyu.vouchers.shown import VerifyRequest
from liyu.vouchers.tokens import Form, Presented, Tokens
from liyu.vouchers.verify import verify

LONGEST_NONCE = 100
EARLIEST, LATEST = datetime(2020, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
SKEW = timedelta(minutes=5)
"""A clock that is off by less, as the device knows it from its last contact, is right."""
_FARTHEST = timedelta(days=366)
"""A clock that is off by more is off by so much: calendars end."""


class OfflineEntry(Struct, frozen=True):
    """A use as a device tells it. The same device and nonce are the same use, however often it is told."""

    nonce: str
    text: str
    """The contents of the paper's QR code."""
    used_at: datetime
    lease: int

    def latest(self, skew: timedelta, now: datetime) -> datetime:
        """The latest instant at which it can have happened, when the device's clock is off by `skew` now.

        A clock that is behind may have been turned back before the use or after it: nobody can tell. One that was ahead may tell
        a time that has not come yet.
        """
        behind = -skew if skew < -SKEW else timedelta(0)
        return min(self.used_at + behind, now)

    @property
    def is_sensible(self) -> bool:
        """Whether it can be kept at all: a nonce that people can read, and an instant that calendars have."""
        has_nonce = 0 < len(self.nonce) <= LONGEST_NONCE and self.nonce.isprintable()
        return has_nonce and self.used_at.tzinfo is not None and EARLIEST <= self.used_at < LATEST


class TakenIn(Struct, frozen=True):
    """What became of a use: a verification, or a conflict with its reason and who bears the loss."""

    nonce: str
    verification_id: int | None
    conflict: str | None
    bearer: str | None
    repeated: bool = False


class LeaseFacts(Struct):
    """A lease with what was taken under it so far. Amounts in fen."""

    id: int
    staff_id: int
    quota: int
    cap_minor: int
    issued_at: datetime
    expires_at: datetime
    over_at: datetime | None
    uses: int
    used_minor: int


class _Known(Struct):
    nonce: str
    verification_id: int | None
    conflict: str | None
    bearer: str | None
    voucher_id: int | None


class _Voucher(Struct):
    """What the books say of the voucher of a use."""

    id: int
    generation: int
    partner_id: int | None
    redemption_id: int | None
    value_minor: int


_LOCK = "SELECT FROM till_device WHERE id = %s FOR UPDATE"

_KNOWN = """
    SELECT nonce, verification_id, conflict, bearer, voucher_id FROM offline_use
    WHERE device_id = %(device)s AND nonce = %(nonce)s"""

_LEASE = """
    SELECT l.id, l.staff_id, l.quota, l.cap_minor, l.issued_at, l.expires_at, l.over_at, count(u.id) AS uses,
        coalesce(sum(u.value_minor), 0)::bigint AS used_minor
    FROM offline_lease l LEFT JOIN offline_use u ON u.lease_id = l.id
    WHERE l.id = %(lease)s AND l.device_id = %(device)s GROUP BY l.id"""

_VOUCHER = """
    SELECT v.id, v.generation, v.partner_id, v.redemption_id, i.value_minor FROM voucher v JOIN item i ON i.id = v.item_id
    WHERE v.id = %s"""

# Verifying locks in this order, too.
_LOCK_REDEMPTION = "SELECT FROM redemption WHERE id = %s FOR UPDATE"

# The hourly job may have noted the end of a voucher that was still good when it was used; one that was never activated was not.
_REOPEN = """
    WITH ended AS (
        SELECT id FROM voucher v WHERE id = %(voucher)s AND state = 'expired' AND %(used_at)s < expires_at
            AND (run_id IS NULL OR EXISTS (
                SELECT FROM voucher_transition WHERE voucher_id = v.id AND from_state = 'printed' AND to_state = 'issued'))
        FOR UPDATE),
    reopened AS (
        UPDATE voucher v SET state = CASE WHEN uses = 0 THEN 'issued' ELSE 'partly_used' END
        FROM ended WHERE v.id = ended.id RETURNING v.id, v.state)
    INSERT INTO voucher_transition (voucher_id, from_state, to_state, reason, actor, at)
    SELECT id, 'expired', state, 'used_offline', %(actor)s, %(now)s FROM reopened"""

_KEEP = """
    INSERT INTO offline_use (device_id, nonce, lease_id, voucher_id, used_at, received_at, value_minor, verification_id,
        conflict, bearer)
    VALUES (%(device)s, %(nonce)s, %(lease)s, %(voucher)s, %(used_at)s, %(now)s, %(value)s, %(verification)s,
        %(conflict)s, %(bearer)s)
    RETURNING id"""


def device_reference(device_id: int) -> str:
    """How verifications and logs name a device."""
    return f"device:{device_id}"


async def take_in(
    connection: AsyncConnection[Any],
    device: Device,
    entry: OfflineEntry,
    *,
    skew: timedelta,
    now: datetime,
    zone: ZoneInfo,
    tokens: Tokens,
    on_used_up: UsedUpHook | None = None,
) -> TakenIn:
    """Verify a use at the time at which it happened, or keep it as a conflict and decide who bears the loss.

    All in one transaction or savepoint. `skew` is how far the device's clock is off now; where that leaves the time open, the
    latest one that can be counts. A use that was told before is answered as then. Raises IdempotencyConflictError when its nonce
    came with another voucher, and BusyError.
    """
    async with connection.transaction():
        device = await device_of_lease(connection, device, entry.lease)
        await connection.execute(_LOCK, (device.id,))
        presented = tokens.read(entry.text, now)
        known = await _find_known(connection, device, entry)
        if known is not None:
            if presented is None or known.voucher_id not in (None, presented.voucher_id):
                raise IdempotencyConflictError
            return TakenIn(known.nonce, known.verification_id, known.conflict, known.bearer, repeated=True)
        lease = await _find_lease(connection, device, entry)
        voucher = await _find_voucher(connection, device, presented)
        value = voucher.value_minor if voucher else 0
        skew = max(-_FARTHEST, min(skew, _FARTHEST))
        at = entry.latest(skew, now)
        fault = find_fault(device, lease, entry, presented, value_minor=value, at=at)
        if fault is None and voucher and presented and voucher.generation != presented.generation:
            fault = "changed_hands"
        verification_id = None
        if fault is None:
            try:
                verification_id = await _verify(connection, device, entry, voucher, at, now, zone, tokens, on_used_up)
            except VoucherRefusedError as refusal:
                fault = refusal.code
        values = {
            "device": device.id,
            "nonce": entry.nonce,
            "lease": lease.id if lease else None,
            "voucher": voucher.id if voucher else None,
            "used_at": entry.used_at,
            "now": now,
            "value": value,
            "verification": verification_id,
            "conflict": fault,
            "bearer": "partner" if fault else None,
        }
        row = await (await connection.execute(_KEEP, values)).fetchone()
        assert row is not None
        bearer = await decide_by_rule(connection, row[0], now=now, zone=zone) if fault else None
        return TakenIn(entry.nonce, verification_id, fault, bearer)


def find_fault(
    device: Device,
    lease: LeaseFacts | None,
    entry: OfflineEntry,
    presented: Presented | None,
    *,
    value_minor: int,
    at: datetime,
) -> str | None:
    """What speaks against a use before the voucher is looked at: a forged paper, a wrong clock, bounds that were overstepped.

    `at` is the latest instant at which it can have happened.
    """
    if presented is None or presented.form is not Form.STATIC:
        return "unknown_voucher"
    if lease is None:
        return "no_lease"
    if entry.used_at < lease.issued_at - SKEW:
        return "lease_over"
    ends = min(end for end in (lease.expires_at, lease.over_at, device.revoked_at) if end is not None)
    if min(entry.used_at, at) > ends + SKEW:
        return "revoked" if ends == device.revoked_at else "lease_over"
    if at > ends + SKEW:
        return "clock"
    if lease.uses + 1 > lease.quota:
        return "over_quota"
    if lease.used_minor + value_minor > lease.cap_minor:
        return "over_cap"
    return None


async def _verify(
    connection: AsyncConnection[Any],
    device: Device,
    entry: OfflineEntry,
    voucher: _Voucher | None,
    used_at: datetime,
    now: datetime,
    zone: ZoneInfo,
    tokens: Tokens,
    on_used_up: UsedUpHook | None,
) -> int:
    """Verify as any till does, only at the time of the use. Raises VoucherRefusedError; then nothing has changed."""
    actor = device_reference(device.id)
    async with connection.transaction():
        if voucher is not None:
            await connection.execute(_LOCK_REDEMPTION, (voucher.redemption_id,))
            values = {"voucher": voucher.id, "used_at": used_at, "actor": actor, "now": now}
            await connection.execute(_REOPEN, values)
        wish = VerifyRequest(
            text=entry.text,
            store_code=device.store_code,
            nonce=entry.nonce,
            verifier=actor,
            partner_id=device.partner_id,
        )
        verified = await verify(connection, wish, now=used_at, zone=zone, tokens=tokens, on_used_up=on_used_up)
    return verified.verification_id


async def _find_known(connection: AsyncConnection[Any], device: Device, entry: OfflineEntry) -> _Known | None:
    return await fetch_one(connection, _Known, _KNOWN, {"device": device.id, "nonce": entry.nonce})


async def _find_lease(connection: AsyncConnection[Any], device: Device, entry: OfflineEntry) -> LeaseFacts | None:
    return await fetch_one(connection, LeaseFacts, _LEASE, {"lease": entry.lease, "device": device.id})


async def _find_voucher(
    connection: AsyncConnection[Any], device: Device, presented: Presented | None
) -> _Voucher | None:
    """The voucher of a use; of another partner's, nothing is kept."""
    if presented is None:
        return None
    voucher = await fetch_one(connection, _Voucher, _VOUCHER, (presented.voucher_id,))
    return voucher if voucher and voucher.partner_id == device.partner_id else None
