"""Several coupons on one bill 叠加核销: all of them are used, or none is, under one nonce and by the rules of what goes together.

The coupons are decided by the path of every verification (`verify.py`), under their locks; what goes together by
`stacking.py`. Each stays a verification of its own, with its own payable, and can be taken back by itself.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct, structs
from psycopg import AsyncConnection, IntegrityError

from liyu.core.bulk import encode_rows, insert_of
from liyu.core.database import fetch_all, fetch_one
from liyu.core.desk import TRIES
from liyu.core.errors import BusyError, DomainError, IdempotencyConflictError, NotFoundError
from liyu.core.i18n import N_
from liyu.core.limits import LimitExceededError
from liyu.vouchers.coupons import coupons_by_id
from liyu.vouchers.errors import UnknownVoucherError
from liyu.vouchers.load import NO_VOUCHER
from liyu.vouchers.save import Batch, UsedUpHook
from liyu.vouchers.shown import VerifyRequest
from liyu.vouchers.stacking import Combination, Objection, check
from liyu.vouchers.tokens import Tokens
from liyu.vouchers.verify import Decided, Verified, decide_batch, save_decided

LARGEST_BILL = 100_000_000


class CouponsRefusedError(DomainError):
    """Some of the coupons are not taken, or do not go together; none was used.

    `refused` has a refusal for each that has one, by its place; `objections` what speaks against them on one bill.
    """

    code = "coupons_refused"
    message = N_("These coupons are not taken together, so none was used.")

    def __init__(self, refused: dict[int, DomainError], objections: Sequence[Objection] = ()) -> None:
        super().__init__()
        self.refused = refused
        self.objections = objections


class ShownTwiceError(DomainError):
    """One voucher stands on the bill twice."""

    code = "shown_twice"
    message = N_("The same voucher was shown twice.")


class NoCouponError(DomainError):
    """A voucher that takes nothing off a bill."""

    code = "no_coupon"
    message = N_("This voucher is no coupon: it takes nothing off a bill.")


class BillUse(Struct):
    """A coupon of a bill in its turn; `undone_at` once its verification was taken back."""

    verification_id: int
    voucher_id: int
    generation: int
    item_zh: str
    item_en: str
    saved_minor: int
    undone_at: datetime | None


class Bill(Struct):
    """A bill and what its coupons took off. Amounts in minor units of the program's currency."""

    id: int
    verifier: str
    store_id: int | None
    amount_minor: int
    saved_minor: int
    at: datetime
    uses: list[BillUse] = []
    repeated: bool = False


class _UseRow(Struct):
    verification_id: int
    bill_id: int
    turn: int
    saved_minor: int


_KEEP = """
    INSERT INTO till_bill (partner_id, store_id, verifier, nonce, amount_minor, saved_minor, at)
    SELECT f.partner_id, f.store_id, %(verifier)s, %(nonce)s, %(amount)s, %(saved)s, %(now)s
    FROM verification f WHERE f.id = %(first)s RETURNING id"""
_KEEP_USES = insert_of("till_bill_use", _UseRow)
_BILL = "SELECT id, verifier, store_id, amount_minor, saved_minor, at FROM till_bill b"
_KNOWN = f"{_BILL} WHERE b.verifier = %(verifier)s AND b.nonce = %(nonce)s"
_OF_PARTNER = f"""
    {_BILL} WHERE b.id = %(bill)s AND b.partner_id = %(partner)s AND (%(store)s::bigint IS NULL OR b.store_id = %(store)s)"""
_USES = """
    SELECT u.verification_id, f.voucher_id, v.generation, i.name_zh AS item_zh, i.name_en AS item_en, u.saved_minor, f.undone_at
    FROM till_bill_use u JOIN verification f ON f.id = u.verification_id JOIN voucher v ON v.id = f.voucher_id
    JOIN item i ON i.id = v.item_id WHERE u.bill_id = %s ORDER BY u.turn"""


async def verify_together(
    connection: AsyncConnection[Any],
    requests: Sequence[VerifyRequest],
    *,
    nonce: str,
    amount_minor: int,
    now: datetime,
    zone: ZoneInfo,
    tokens: Tokens,
    on_used_up: UsedUpHook | None = None,
) -> Bill:
    """Use all coupons once on a bill, in the caller's transaction or a savepoint of it; the requests' own nonces do not matter.

    The same verifier and nonce with the same coupons, amount and store gets the first answer again. Raises CouponsRefusedError,
    of which attempts and wrong PINs are kept if the caller commits; IdempotencyConflictError; LimitExceededError; BusyError.
    """
    wishes = [_name(request, nonce, tokens, now) for request in requests]
    for _ in range(TRIES):
        try:
            async with connection.transaction():
                decided = await decide_batch(connection, wishes, now=now, zone=zone, tokens=tokens)
                outcome = await _settle(connection, wishes, decided, nonce, amount_minor, on_used_up)
        except IntegrityError:
            # Such as the same bill on its way twice: the other one came first, and its answer is this one's too.
            continue
        if isinstance(outcome, DomainError):
            raise outcome
        return outcome
    raise BusyError


async def bill_of_partner(
    connection: AsyncConnection[Any], partner_id: int, bill_id: int, *, store_id: int | None = None
) -> Bill:
    """A bill of a partner, or of one of its stores. Raises NotFoundError, also for another's."""
    bill = await _find(connection, _OF_PARTNER, {"bill": bill_id, "partner": partner_id, "store": store_id})
    if bill is None:
        raise NotFoundError
    return bill


async def bill_of_nonce(connection: AsyncConnection[Any], verifier: str, nonce: str) -> Bill | None:
    """The bill that a verifier made under a nonce, if there is one."""
    return await _find(connection, _KNOWN, {"verifier": verifier, "nonce": nonce})


async def _settle(
    connection: AsyncConnection[Any],
    wishes: Sequence[VerifyRequest],
    decided: Decided,
    nonce: str,
    amount_minor: int,
    on_used_up: UsedUpHook | None,
) -> Bill | DomainError:
    """Save all, or of what was refused the attempts alone; a refusal is returned and not raised, so that they stay."""
    excess = next((one for one in decided.outcomes if isinstance(one, LimitExceededError)), None)
    if excess is not None:
        return excess
    refused = {place: one for place, one in enumerate(decided.outcomes) if isinstance(one, DomainError)}
    values = {"verifier": wishes[0].verifier, "nonce": nonce}
    known = await _find(connection, _KNOWN, values)
    if known is not None and not refused and _is_same(known, wishes, nonce, amount_minor):
        return structs.replace(known, repeated=True)
    # A known nonce is no place to try codes: those that are none are counted whatever else is wrong.
    if known is not None and not any(isinstance(one, UnknownVoucherError) for one in refused.values()):
        return IdempotencyConflictError()
    used = {place: one for place, one in enumerate(decided.outcomes) if isinstance(one, Verified)}
    coupons = await coupons_by_id(connection, [one.voucher_id for one in used.values()], decided.state.now)
    known_coupons = {one.voucher_id for one in coupons}
    nonces = [one.nonce for one in wishes]
    refused = (
        {
            place: NoCouponError()
            for place, one in used.items()
            if not one.repeated and one.voucher_id not in known_coupons
        }
        | {place: ShownTwiceError() for place, one in enumerate(nonces) if one in nonces[:place]}
        | refused
    )
    if refused:
        attempts = structs.replace(decided, batch=Batch(refused=decided.batch.refused))
        await save_decided(connection, attempts, {}, None, commit=False)
        return CouponsRefusedError(refused)
    if any(one.repeated for one in used.values()):
        return IdempotencyConflictError()
    combination = check(coupons, amount_minor)
    if not isinstance(combination, Combination):
        return CouponsRefusedError({}, combination)
    await save_decided(connection, decided, {}, on_used_up, commit=False)
    return await _keep(connection, values, list(used.values()), combination, amount_minor, decided.state.now)


def _is_same(bill: Bill, wishes: Sequence[VerifyRequest], nonce: str, amount_minor: int) -> bool:
    """Whether a bill that was sent again is the one of before. Another store would be refused by its coupons' nonces."""
    same = sorted(_nonce_of(nonce, use.voucher_id) for use in bill.uses) == sorted(one.nonce for one in wishes)
    return same and bill.amount_minor == amount_minor


async def _keep(
    connection: AsyncConnection[Any],
    values: dict[str, Any],
    used: list[Verified],
    combination: Combination,
    amount_minor: int,
    now: datetime,
) -> Bill:
    by_voucher = {one.voucher_id: one.verification_id for one in used}
    values |= {"amount": amount_minor, "saved": combination.saved_minor, "now": now, "first": used[0].verification_id}
    row = await (await connection.execute(_KEEP, values)).fetchone()
    assert row is not None
    rows = [
        _UseRow(by_voucher[one.coupon.voucher_id], row[0], turn, one.saved_minor)
        for turn, one in enumerate(combination.used)
    ]
    await connection.execute(_KEEP_USES, (encode_rows(rows),))
    bill = await _find(connection, _KNOWN, values)
    assert bill is not None
    return bill


async def _find(connection: AsyncConnection[Any], query: str, values: dict[str, Any]) -> Bill | None:
    bill = await fetch_one(connection, Bill, query, values)
    if bill is not None:
        bill.uses = await fetch_all(connection, BillUse, _USES, (bill.id,))
    return bill


def _name(request: VerifyRequest, nonce: str, tokens: Tokens, now: datetime) -> VerifyRequest:
    """The request with a nonce of its own within the bill, the same whenever the bill is sent again."""
    presented = tokens.read(request.text, now)
    return structs.replace(request, nonce=_nonce_of(nonce, presented.voucher_id if presented else NO_VOUCHER))


def _nonce_of(nonce: str, voucher_id: int) -> str:
    return f"{nonce} on {voucher_id}"
