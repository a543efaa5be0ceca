"""Verification 核销: the till sends what it scanned, its store and a nonce; any number of tills are answered in one transaction.

The order is lock → load → decide → save, as at the desk of redemptions (`docs/algorithms/vouchers.md`). One till alone is a
batch of one.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from psycopg import AsyncConnection, IntegrityError

from liyu.core.clock import local_date
from liyu.core.desk import TRIES
from liyu.core.errors import BusyError, DomainError, IdempotencyConflictError
from liyu.core.webhooks.messages import Event, make_event
from liyu.partners.settlement.accrue import PricedLine, Use, load_lines
from liyu.vouchers.accept import Asked, find_refusal, refuse_by_pin
from liyu.vouchers.codes import mask_code, write_code
from liyu.vouchers.errors import ConfirmationNeededError
from liyu.vouchers.facts import mask_name
from liyu.vouchers.load import count_uses_of_the_day, load_state, name_stores
from liyu.vouchers.save import Batch, DayUseRow, UsedRow, UsedUpHook, save
from liyu.vouchers.serials import serial_of
from liyu.vouchers.shown import (
    Placed,
    Shown,
    VerifyRequest,
    find_excess,
    find_limits,
    find_misplaced,
    is_signed,
    note_refusal,
    place,
    read_request,
)
from liyu.vouchers.state import Done, LastUse, StoreName, TillState, VoucherState
from liyu.vouchers.states import state_after
from liyu.vouchers.tokens import Tokens


class Verified(Struct, kw_only=True):
    """A verification as the till shows it: use `use_number` of `uses_allowed`. `repeated` tells a known nonce."""

    verification_id: int
    voucher_id: int
    code: str
    """Masked, unless it was the code that was shown: a QR code does not give it away."""
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


class Decided(Struct):
    """A batch that was decided under lock: what is to be written of it, and the outcome of each request in order."""

    state: TillState
    batch: Batch
    outcomes: list[Verified | DomainError]


async def settle(
    connection: AsyncConnection[Any],
    requests: Sequence[VerifyRequest],
    *,
    now: datetime,
    zone: ZoneInfo,
    tokens: Tokens,
    lines: dict[int, PricedLine],
    on_used_up: UsedUpHook | None,
    whole: bool,
) -> list[Verified | DomainError]:
    """Decide and save a batch; `whole` begins and commits the transaction, otherwise the caller does.

    `lines` are agreement lines that are known already; new ones are added. Raises psycopg's errors, which roll all of it back.
    """
    decided = await decide_batch(connection, requests, now=now, zone=zone, tokens=tokens, begin=whole)
    await save_decided(connection, decided, lines, on_used_up, commit=whole)
    return decided.outcomes


async def decide_batch(
    connection: AsyncConnection[Any],
    requests: Sequence[VerifyRequest],
    *,
    now: datetime,
    zone: ZoneInfo,
    tokens: Tokens,
    begin: bool = False,
) -> Decided:
    """Lock, load and decide a batch; nothing is written yet. `begin` opens the transaction."""
    shown = [read_request(request, tokens, now) for request in requests]
    questions = [one.question for one in shown]
    state, ids = await load_state(connection, questions, now, zone, locked=True, begin=begin)
    placed = [place(state, one) for one in shown]
    await name_stores(connection, state, find_misplaced(state, placed))
    await count_uses_of_the_day(connection, state, find_limits(state, placed))
    batch = Batch()
    return Decided(state, batch, [_settle_one(batch, state, one, ids, tokens) for one in placed])


async def save_decided(
    connection: AsyncConnection[Any],
    decided: Decided,
    lines: dict[int, PricedLine],
    on_used_up: UsedUpHook | None,
    *,
    commit: bool,
) -> None:
    """Write what was decided; agreement lines that are not in `lines` yet are added to it."""
    unknown = {use.agreement_line_id for use in decided.batch.uses} - lines.keys()
    if unknown:
        lines |= await load_lines(connection, unknown)
    await save(connection, decided.batch, decided.state, lines, on_used_up, commit=commit)


async def verify(
    connection: AsyncConnection[Any],
    request: VerifyRequest,
    *,
    now: datetime,
    zone: ZoneInfo,
    tokens: Tokens,
    on_used_up: UsedUpHook | None = None,
) -> Verified:
    """Use a voucher once and accrue what its partner is owed, all in one transaction or savepoint of the caller's.

    A repeat with the same verifier and nonce answers as before. Raises a VoucherRefusedError, of which the attempt is kept if
    the caller commits; OtherStoreError; IdempotencyConflictError when the nonce came with another voucher; BusyError.
    """
    for _ in range(TRIES):
        try:
            async with connection.transaction():
                (outcome,) = await settle(
                    connection,
                    [request],
                    now=now,
                    zone=zone,
                    tokens=tokens,
                    lines={},
                    on_used_up=on_used_up,
                    whole=False,
                )
        except IntegrityError:
            # Such as the same nonce on its way twice: the other one came first, and its answer is this one's too.
            continue
        if isinstance(outcome, DomainError):
            raise outcome
        return outcome
    raise BusyError


def _settle_one(
    batch: Batch, state: TillState, placed: Placed, ids: list[int], tokens: Tokens
) -> Verified | DomainError:
    """Decide one request of a batch, and move the state on for the next one."""
    shown, asked, voucher = placed
    if isinstance(asked, DomainError):
        return asked
    request, presented = shown.request, shown.presented
    excess = find_excess(state, shown)
    if excess is not None:
        return excess
    done = state.done.get((request.verifier, request.nonce))
    if done is not None and presented is not None and presented.voucher_id == done.voucher_id:
        if asked.store is not None and asked.store.code != done.store_code:
            return IdempotencyConflictError()
        return _answer(state, state.vouchers[done.voucher_id], done, shown, tokens, repeated=True)
    # A known nonce tells of a code that is none no more than a new one does, and it counts as much.
    if done is not None and voucher is not None:
        return IdempotencyConflictError()
    refusal = find_refusal(state, presented, voucher, asked, in_hand=request.in_hand)
    if isinstance(refusal, ConfirmationNeededError) and request.pin and voucher is not None:
        refusal = refuse_by_pin(state, voucher, tokens.pins, request.pin)
    if refusal is None:
        assert voucher is not None
        done = _use(batch, state, voucher, request, asked, ids)
        return _answer(state, voucher, done, shown, tokens, repeated=False)
    batch.refused.append(note_refusal(state, placed, refusal))
    return refusal


def _use(
    batch: Batch, state: TillState, voucher: VoucherState, request: VerifyRequest, asked: Asked, ids: list[int]
) -> Done:
    """Use the voucher once more: note what is written of it, and move the state on."""
    before, store = voucher.state, asked.store
    voucher.uses += 1
    voucher.state = state_after(voucher.uses, voucher.uses_allowed)
    voucher.paper_until = None
    for limit in state.limits_of(voucher, store):
        place = (limit.item_id, limit.counted)
        row_of_day = batch.day_uses.setdefault(
            place, DayUseRow(*place, local_date(state.now, state.zone), 0, limit.cap)
        )
        row_of_day.used += 1
        state.used_today[place] = limit.used + 1
    name = StoreName(store.zh, store.en) if store else None
    voucher.last_use = LastUse(state.now, name)
    row = UsedRow(
        ids.pop(), voucher.id, voucher.partner_id, store.id if store else None, request.verifier, request.nonce,
        voucher.uses, before, voucher.state,
    )  # fmt: skip
    batch.used.append(row)
    if voucher.agreement_line_id is not None:
        batch.uses.append(Use(voucher.agreement_line_id, f"verification:{row.id}", request.verifier))
    if voucher.state == "used_up" and voucher.redemption_id is not None:
        batch.used_up.append(voucher.redemption_id)
    if state.is_heard:
        batch.events.append(_tell(state, voucher, row, store.code if store else None))
    done = Done(row.id, voucher.id, voucher.uses, state.now, None, store.code if store else None, name)
    state.done[request.verifier, request.nonce] = done
    return done


def _tell(state: TillState, voucher: VoucherState, row: UsedRow, store: str | None) -> Event:
    """What webhooks hear of a verification."""
    partner = state.partners.get(voucher.partner_id) if voucher.partner_id is not None else None
    data = {
        "verification": row.id, "partner": partner.code if partner else None, "store": store,
        "sku": state.items[voucher.item_id].sku, "verified_at": state.now, "use_number": row.use_number,
        "uses_allowed": voucher.uses_allowed,
    }  # fmt: skip
    return make_event("voucher.verified", f"verified:{row.id}", voucher.partner_id, state.now, data)


def _answer(
    state: TillState, voucher: VoucherState, done: Done, shown: Shown, tokens: Tokens, *, repeated: bool
) -> Verified:
    item = state.items[voucher.item_id]
    partner = state.partners.get(voucher.partner_id) if voucher.partner_id is not None else None
    return Verified(
        verification_id=done.id,
        voucher_id=voucher.id,
        code=_code_for(shown, voucher, tokens),
        member=mask_name(voucher.member_name),
        item_zh=item.zh,
        item_en=item.en,
        partner_code=partner.code if partner else None,
        partner_zh=partner.zh if partner else None,
        partner_en=partner.en if partner else None,
        store_code=done.store_code,
        store_zh=done.store.zh if done.store else None,
        store_en=done.store.en if done.store else None,
        verified_at=done.verified_at,
        use_number=done.use_number,
        uses_allowed=voucher.uses_allowed,
        undone_at=done.undone_at,
        repeated=repeated,
    )


def _code_for(shown: Shown, voucher: VoucherState, tokens: Tokens) -> str:
    if is_signed(shown.presented):
        return mask_code(tokens.codes.code_of(serial_of(voucher.id, voucher.generation)))
    return write_code(shown.request.text)
