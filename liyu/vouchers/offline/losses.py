"""Who bears the loss when a till took a voucher in good faith that the books refuse: the agreement's rule, or an operator.

With the operator, the partner's account gets what the use would have brought it. Every decision is a row, and each that pays has
an entry of its own, so that money moves exactly once and back exactly once.
"""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.clock import start_of_day
from liyu.core.database import fetch_one
from liyu.partners.settlement.accrue import accrue_use, reverse_use
from liyu.partners.settlement.terms import unit_of
from liyu.vouchers.offline.errors import SameBearerError, UnknownConflictError

SYSTEM = "system"
GOOD_FAITH = ("already_verified", "cancelled", "frozen", "gift_pending", "changed_hands", "not_activated")
"""What a device cannot see. Whatever else is refused, its own check refuses too."""


class Conflict(Struct):
    """A conflict with the terms of its voucher's agreement. Amounts in minor units of the agreement's currency."""

    id: int
    conflict: str
    bearer: str
    decisions: int
    told: bool
    """What speaks against the voucher happened before the device's last contact."""
    own: bool
    """Who took it had verified it at the store, too: the network failed before the answer came, and it was tried again."""
    agreement_line_id: int | None
    mode: str | None
    unit_price_minor: int | None
    commission_minor: int | None
    offline_loss: str | None
    offline_loss_cap_minor: int | None


# Offline uses become known when they come in, all else when it happens. A device was told what was known at its lease.
_CONFLICT = """
    SELECT u.id, u.conflict, u.bearer, (SELECT count(*) FROM offline_decision d WHERE d.offline_use_id = u.id) AS decisions,
        coalesce(CASE u.conflict
            WHEN 'already_verified' THEN (
                SELECT max(coalesce(o.received_at, f.verified_at)) FROM verification f
                LEFT JOIN offline_use o ON o.verification_id = f.id WHERE f.voucher_id = v.id AND f.undone_at IS NULL)
            WHEN 'frozen' THEN (
                SELECT greatest(v.frozen_at, max(c.at)) FROM member_state_change c
                WHERE c.member_id = coalesce(v.holder_id, v.member_id) AND c.to_state = 'frozen')
            WHEN 'changed_hands' THEN (
                SELECT max(t.at) FROM (
                    SELECT at FROM voucher_transition WHERE voucher_id = v.id AND from_state = 'offered'
                    UNION ALL SELECT at FROM voucher_change WHERE voucher_id = v.id AND change = 'claimed') AS t)
            WHEN 'not_activated' THEN v.issued_at
            ELSE (SELECT max(t.at) FROM voucher_transition t WHERE t.voucher_id = v.id AND t.to_state = v.state)
        END < l.issued_at, false) AS told,
        u.conflict = 'already_verified' AND EXISTS (
            SELECT FROM verification f WHERE f.voucher_id = v.id AND f.undone_at IS NULL AND f.store_id = t.store_id
                AND f.verifier = 'staff:' || l.staff_id) AS own,
        a.id AS agreement_line_id, a.mode, a.unit_price_minor, a.commission_minor, a.offline_loss, a.offline_loss_cap_minor
    FROM offline_use u JOIN till_device t ON t.id = u.device_id
    LEFT JOIN voucher v ON v.id = u.voucher_id LEFT JOIN offline_lease l ON l.id = u.lease_id
    LEFT JOIN agreement_line a ON a.id = v.agreement_line_id
    WHERE u.id = %s AND u.conflict IS NOT NULL FOR UPDATE OF u"""

# The line's row is the lock that keeps the sum within the cap.
_LOCK_LINE = "SELECT FROM agreement_line WHERE id = %s FOR NO KEY UPDATE"

_BORNE = """
    SELECT coalesce(sum(d.amount_minor), 0)::bigint
    FROM offline_decision d JOIN offline_use u ON u.id = d.offline_use_id JOIN voucher v ON v.id = u.voucher_id
    WHERE v.agreement_line_id = %(line)s AND d.actor = %(system)s AND d.at >= %(since)s"""

_AMOUNT = "SELECT amount_minor FROM payable_entry WHERE source = %s AND kind = 'use'"

_DECIDE = """
    WITH decided AS (
        INSERT INTO offline_decision (offline_use_id, bearer, amount_minor, reason, actor, at)
        VALUES (%(use)s, %(bearer)s, %(amount)s, %(reason)s, %(actor)s, %(now)s))
    UPDATE offline_use SET bearer = %(bearer)s WHERE id = %(use)s"""


async def decide_by_rule(connection: AsyncConnection[Any], use_id: int, *, now: datetime, zone: ZoneInfo) -> str:
    """Decide a fresh conflict by the agreement, in the caller's transaction; who bears it now."""
    conflict = await _load(connection, use_id)
    bearer, reason = find_bearer(conflict)
    if bearer == "capped":
        bearer, reason = await _decide_capped(connection, conflict, now, zone)
    await _decide(connection, conflict, bearer, reason, SYSTEM, now, zone)
    return bearer


def find_bearer(conflict: Conflict) -> tuple[str, str]:
    """Who bears a conflict by its terms, and why; `capped` where that depends on what was borne this month."""
    if conflict.conflict not in GOOD_FAITH:
        return "partner", "bounds"
    if conflict.told:
        return "partner", "told"
    if conflict.own:
        return "partner", "own_use"
    if conflict.agreement_line_id is None or conflict.offline_loss is None:
        return "partner", "no_agreement"
    return conflict.offline_loss, "agreement"


async def decide_otherwise(
    connection: AsyncConnection[Any],
    use_id: int,
    bearer: str,
    *,
    reason: str,
    actor: str,
    now: datetime,
    zone: ZoneInfo,
) -> None:
    """Let the other one bear a conflict, with a reason, in the caller's transaction; the partner's account follows.

    Raises UnknownConflictError, and SameBearerError when it is decided so already.
    """
    conflict = await _load(connection, use_id)
    if conflict.bearer == bearer:
        raise SameBearerError
    await _decide(connection, conflict, bearer, reason, actor, now, zone)


async def _decide(
    connection: AsyncConnection[Any],
    conflict: Conflict,
    bearer: str,
    reason: str,
    actor: str,
    now: datetime,
    zone: ZoneInfo,
) -> None:
    amount = 0
    if bearer == "operator":
        amount = await _pay(connection, conflict, actor, now, zone)
    elif conflict.bearer == "operator" and conflict.decisions:
        await reverse_use(connection, source=_source(conflict.id, conflict.decisions), at=now, actor=actor)
    values = {"use": conflict.id, "bearer": bearer, "amount": amount, "reason": reason, "actor": actor, "now": now}
    await connection.execute(_DECIDE, values)


async def _pay(connection: AsyncConnection[Any], conflict: Conflict, actor: str, now: datetime, zone: ZoneInfo) -> int:
    """Write what the use would have brought the partner; nothing where it would have cost a commission."""
    if conflict.agreement_line_id is None or _worth(conflict) < 0:
        return 0
    source = _source(conflict.id, conflict.decisions + 1)
    await accrue_use(
        connection, agreement_line_id=conflict.agreement_line_id, source=source, at=now, actor=actor, zone=zone
    )
    row = await (await connection.execute(_AMOUNT, (source,))).fetchone()
    assert row is not None
    return int(row[0])


async def _decide_capped(
    connection: AsyncConnection[Any], conflict: Conflict, now: datetime, zone: ZoneInfo
) -> tuple[str, str]:
    await connection.execute(_LOCK_LINE, (conflict.agreement_line_id,))
    month = start_of_day(now.astimezone(zone).date().replace(day=1), zone)
    values = {"line": conflict.agreement_line_id, "system": SYSTEM, "since": month}
    row = await (await connection.execute(_BORNE, values)).fetchone()
    assert row is not None
    assert conflict.offline_loss_cap_minor is not None
    fits = row[0] + max(_worth(conflict), 0) <= conflict.offline_loss_cap_minor
    return ("operator", "agreement") if fits else ("partner", "cap_reached")


def _worth(conflict: Conflict) -> int:
    """What one use that is not free would bring; negative where the partner owes a commission."""
    assert conflict.mode is not None
    return unit_of(conflict.mode, conflict.unit_price_minor or 0, conflict.commission_minor or 0)


def _source(use_id: int, decision: int) -> str:
    return f"offline:{use_id}:{decision}"


async def _load(connection: AsyncConnection[Any], use_id: int) -> Conflict:
    conflict = await fetch_one(connection, Conflict, _CONFLICT, (use_id,))
    if conflict is None:
        raise UnknownConflictError
    return conflict
