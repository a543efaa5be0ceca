"""Verification 核销: the till sends what it scanned, its store and a nonce; one conditional update decides (DESIGN §4).

Locks are taken in the order redemption, voucher, verification. The redemption comes first since the vouchers of one
redemption complete it together, and since cancelling locks in this order too.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from psycopg import AsyncConnection
from psycopg.errors import UniqueViolation
from psycopg.rows import class_row

from liyu.core.database import Sessions, driver_connection, unit_of_work
from liyu.core.errors import BusyError, IdempotencyConflictError
from liyu.partners.settlement.accrue import accrue_use
from liyu.vouchers.accept import NO_VOUCHER, STORE_TAKES, Asked, find_refusal, find_store, load_known
from liyu.vouchers.codes import mask_code
from liyu.vouchers.errors import Attempt, VoucherRefusedError
from liyu.vouchers.facts import VoucherFacts, fetch_facts, mask_name
from liyu.vouchers.states import state_after
from liyu.vouchers.tokens import Presented, Tokens

UsedUpHook = Callable[[AsyncConnection[Any], int, datetime], Awaitable[None]]
"""Called with connection, redemption id and instant when a voucher was used up; the redemption is locked then."""

NONCE_CONSTRAINT = "uq_verification_verifier_nonce"


class VerifyRequest(Struct, frozen=True, kw_only=True):
    """What a till asks. The same verifier and nonce are the same wish, however often they come."""

    text: str
    """A typed code or the contents of a QR, as scanned."""
    store_code: str | None
    nonce: str
    verifier: str
    """Who verifies: `staff:12` or `key:3`."""
    partner_id: int | None
    """The partner that the verifier works for; None is the operator, who may verify every voucher."""
    allowed_store_id: int | None = None
    """The only store of a cashier who is bound to one."""


class Verified(Struct, kw_only=True):
    """A verification as the till shows it: use `use_number` of `uses_allowed`. `repeated` tells a known nonce."""

    verification_id: int
    voucher_id: int
    redemption_id: int | None
    code: str
    member: str
    item_zh: str
    item_en: str
    partner_code: str | None
    partner_zh: str | None
    partner_en: str | None
    store_code: str | None
    store_zh: str | None
    store_en: str | None
    verified_at: datetime
    use_number: int
    uses_allowed: int
    undone_at: datetime | None
    repeated: bool


class _Used(Struct):
    redemption_id: int | None
    agreement_line_id: int | None
    partner_id: int | None
    uses: int
    uses_allowed: int


class _Verification(Struct):
    id: int
    voucher_id: int
    use_number: int
    verified_at: datetime
    undone_at: datetime | None
    store_code: str | None
    store_zh: str | None
    store_en: str | None


_LOCK_REDEMPTION = (
    "SELECT FROM redemption WHERE id = (SELECT redemption_id FROM voucher WHERE id = %(voucher)s) FOR UPDATE"
)

_USE = f"""
    UPDATE voucher v SET uses = uses + 1,
        state = CASE WHEN uses + 1 = uses_allowed THEN 'used_up' ELSE 'partly_used' END
    WHERE v.id = %(voucher)s AND v.state IN ('issued', 'partly_used') AND v.uses < v.uses_allowed
        AND v.issued_at <= %(now)s AND %(now)s < v.expires_at AND NOT %(stale)s
        AND (%(partner)s::bigint IS NULL OR v.partner_id = %(partner)s)
        AND {STORE_TAKES}
        AND v.generation = %(generation)s
        AND NOT EXISTS (SELECT FROM member m WHERE m.id = coalesce(v.holder_id, v.member_id) AND m.state = 'frozen')
        AND NOT EXISTS (SELECT FROM verification f WHERE f.verifier = %(verifier)s AND f.nonce = %(nonce)s)
    RETURNING redemption_id, agreement_line_id, partner_id, uses, uses_allowed"""

_KEEP = """
    INSERT INTO verification (voucher_id, partner_id, store_id, verifier, nonce, use_number, verified_at)
    VALUES (%(voucher)s, %(owner)s, %(store)s, %(verifier)s, %(nonce)s, %(uses)s, %(now)s) RETURNING id"""

_KEEP_TRANSITION = """
    INSERT INTO voucher_transition (voucher_id, from_state, to_state, reason, actor, at)
    VALUES (%(voucher)s, %(from_state)s, %(to_state)s, %(reason)s, %(actor)s, %(now)s)"""

_FIND_VERIFICATION = """
    SELECT f.id, f.voucher_id, f.use_number, f.verified_at, f.undone_at,
        s.code AS store_code, s.name_zh AS store_zh, s.name_en AS store_en
    FROM verification f LEFT JOIN store s ON s.id = f.store_id
    WHERE f.verifier = %(verifier)s AND f.nonce = %(nonce)s"""


async def verify_at_till(
    sessions: Sessions,
    request: VerifyRequest,
    *,
    now: datetime,
    zone: ZoneInfo,
    tokens: Tokens,
    on_used_up: UsedUpHook | None = None,
) -> Verified:
    """Verify in a unit of work of its own, and keep a refusal in another. Raises what `verify` raises."""
    try:
        async with unit_of_work(sessions) as session:
            connection = await driver_connection(session)
            return await verify(connection, request, now=now, zone=zone, tokens=tokens, on_used_up=on_used_up)
    except VoucherRefusedError as refusal:
        async with unit_of_work(sessions) as session:
            await keep_refusal(await driver_connection(session), refusal)
        raise


async def verify(
    connection: AsyncConnection[Any],
    request: VerifyRequest,
    *,
    now: datetime,
    zone: ZoneInfo,
    tokens: Tokens,
    on_used_up: UsedUpHook | None = None,
) -> Verified:
    """Use a voucher once and accrue what its partner is owed, all in one transaction or savepoint.

    A repeat with the same verifier and nonce answers as before. Raises a VoucherRefusedError, which the caller keeps
    with `keep_refusal` after rolling back; OtherStoreError; IdempotencyConflictError when the nonce came with another
    voucher; BusyError.
    """
    presented = tokens.read(request.text, now)
    try:
        async with connection.transaction():
            return await _verify(connection, request, presented, now, zone, tokens, on_used_up)
    except UniqueViolation as fault:
        if fault.diag.constraint_name != NONCE_CONSTRAINT:
            raise
    # The same nonce on its way twice: the other one came first, and its answer is this one's too.
    repeated = await _find_repeat(connection, request, presented, tokens)
    if repeated is None:
        raise BusyError
    return repeated


async def keep_refusal(connection: AsyncConnection[Any], refusal: VoucherRefusedError) -> None:
    """Keep a refused attempt, in a transaction that the refusal itself cannot roll back."""
    if refusal.attempt is not None:
        await connection.execute(
            "INSERT INTO verification_refusal (verifier, store_id, voucher_id, code, at) VALUES (%s, %s, %s, %s, %s)",
            (
                refusal.attempt.verifier,
                refusal.attempt.store_id,
                refusal.attempt.voucher_id,
                refusal.attempt.code,
                refusal.attempt.at,
            ),
        )


async def _verify(
    connection: AsyncConnection[Any],
    request: VerifyRequest,
    presented: Presented | None,
    now: datetime,
    zone: ZoneInfo,
    tokens: Tokens,
    on_used_up: UsedUpHook | None,
) -> Verified:
    store = await find_store(connection, request.store_code, allowed_store_id=request.allowed_store_id)
    asked = Asked(request.partner_id, store, bool(store or (request.store_code or "").strip()), now, zone)
    values = {
        "voucher": presented.voucher_id if presented else NO_VOUCHER,
        "generation": presented.generation if presented else 0,
        "stale": bool(presented and presented.stale),
        "partner": request.partner_id,
        "store": store.id if store else None,
        "verifier": request.verifier,
        "nonce": request.nonce,
        "now": now,
    }
    await connection.execute(_LOCK_REDEMPTION, values)
    async with connection.cursor(row_factory=class_row(_Used)) as cursor:
        await cursor.execute(_USE, values)
        used = await cursor.fetchone()
    if used is None:
        return await _repeat_or_refuse(connection, request, presented, asked, tokens)
    await _keep_use(connection, request, values, used, zone)
    if used.uses == used.uses_allowed and used.redemption_id is not None and on_used_up is not None:
        await on_used_up(connection, used.redemption_id, now)
    verified = await _find_repeat(connection, request, presented, tokens)
    assert verified is not None
    verified.repeated = False
    return verified


async def _keep_use(
    connection: AsyncConnection[Any], request: VerifyRequest, values: dict[str, Any], used: _Used, zone: ZoneInfo
) -> None:
    """Write what follows from a use: the verification, the change of state and what the partner is owed."""
    kept = await connection.execute(_KEEP, values | {"owner": used.partner_id, "uses": used.uses})
    row = await kept.fetchone()
    assert row is not None
    before, after = (state_after(uses, used.uses_allowed) for uses in (used.uses - 1, used.uses))
    if before != after:
        change = {"from_state": before, "to_state": after, "reason": "verified", "actor": request.verifier}
        await connection.execute(_KEEP_TRANSITION, values | change)
    await accrue_use(
        connection,
        agreement_line_id=used.agreement_line_id,
        source=f"verification:{row[0]}",
        at=values["now"],
        actor=request.verifier,
        zone=zone,
    )


async def _repeat_or_refuse(
    connection: AsyncConnection[Any],
    request: VerifyRequest,
    presented: Presented | None,
    asked: Asked,
    tokens: Tokens,
) -> Verified:
    repeated = await _find_repeat(connection, request, presented, tokens)
    if repeated is not None:
        return repeated
    known = await load_known(connection, presented, asked)
    refusal = find_refusal(presented, known, asked)
    if refusal is None:
        # What spoke against it has just gone, such as a freeze of the member.
        raise BusyError
    refusal.attempt = Attempt(
        request.verifier,
        asked.store.id if asked.store else None,
        known.facts.id if known.facts else None,
        refusal.code,
        asked.now,
    )
    raise refusal


async def _find_repeat(
    connection: AsyncConnection[Any], request: VerifyRequest, presented: Presented | None, tokens: Tokens
) -> Verified | None:
    """The verification of this verifier and nonce. Raises IdempotencyConflictError when it was another voucher's."""
    async with connection.cursor(row_factory=class_row(_Verification)) as cursor:
        await cursor.execute(_FIND_VERIFICATION, {"verifier": request.verifier, "nonce": request.nonce})
        verification = await cursor.fetchone()
    if verification is None:
        return None
    if presented is None or presented.voucher_id != verification.voucher_id:
        raise IdempotencyConflictError
    facts = await fetch_facts(connection, "WHERE v.id = %(voucher)s", {"voucher": verification.voucher_id})
    return _as_verified(verification, facts[0], tokens)


def _as_verified(verification: _Verification, facts: VoucherFacts, tokens: Tokens) -> Verified:
    return Verified(
        verification_id=verification.id,
        voucher_id=facts.id,
        redemption_id=facts.redemption_id,
        code=mask_code(tokens.codes.code_of(facts.serial)),
        member=mask_name(facts.member_name),
        item_zh=facts.item_zh,
        item_en=facts.item_en,
        partner_code=facts.partner_code,
        partner_zh=facts.partner_zh,
        partner_en=facts.partner_en,
        store_code=verification.store_code,
        store_zh=verification.store_zh,
        store_en=verification.store_en,
        verified_at=verification.verified_at,
        use_number=verification.use_number,
        uses_allowed=facts.uses_allowed,
        undone_at=verification.undone_at,
        repeated=True,
    )
