"""Looking at a voucher before it is verified: what it is good for, whether this store may take it."""

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.database import Sessions, driver_connection, unit_of_work
from liyu.vouchers.accept import find_refusal
from liyu.vouchers.codes import mask_code
from liyu.vouchers.errors import OtherStoreError, UnknownVoucherError, VoucherRefusedError, WrongPartnerError
from liyu.vouchers.facts import VoucherFacts, fetch_facts, mask_name
from liyu.vouchers.load import count_uses_of_the_day, load_state, name_stores
from liyu.vouchers.save import keep_attempt
from liyu.vouchers.shown import (
    Shown,
    VerifyRequest,
    find_excess,
    find_limits,
    find_misplaced,
    note_refusal,
    place,
    read_request,
)
from liyu.vouchers.tokens import Form, Tokens


class Checked(Struct, kw_only=True):
    """What staff see. `refusal` is why it would not be accepted now; None when it would."""

    voucher_id: int
    serial: int
    code: str
    member: str
    sku: str
    partner_code: str | None
    item_zh: str
    item_en: str
    rules_zh: list[str]
    rules_en: list[str]
    state: str
    uses_left: int
    uses_allowed: int
    last_day: date
    expires_at: datetime
    store_code: str | None
    is_coupon: bool
    """Whether it takes something off a bill, perhaps together with others (`bills.py`)."""
    asks_word: bool
    """Whether it waits for its holder's word here."""
    in_hand: bool
    """Whether its holder showed it in the wallet, so that paper's conditions do not hold for this use."""
    refusal: VoucherRefusedError | None


async def check_at_till(
    sessions: Sessions, request: VerifyRequest, *, now: datetime, zone: ZoneInfo, tokens: Tokens
) -> Checked:
    """Look in a unit of work of its own, which keeps a refused attempt. Raises what `check` raises."""
    async with unit_of_work(sessions) as session:
        try:
            return await check(await driver_connection(session), request, now=now, zone=zone, tokens=tokens)
        except VoucherRefusedError as refusal:
            refused = refusal
    raise refused


async def check(
    connection: AsyncConnection[Any], request: VerifyRequest, *, now: datetime, zone: ZoneInfo, tokens: Tokens
) -> Checked:
    """Show a voucher to its own partner or the operator, without using it. Why it would be refused stands in the answer.

    Raises UnknownVoucherError and WrongPartnerError, which tell nothing; OtherStoreError; LimitExceededError. A refused attempt
    is kept, and an unknown code counted, if the caller commits.
    """
    shown = read_request(request, tokens, now)
    state, _ = await load_state(connection, [shown.question], now, zone, locked=False)
    _, asked, voucher = placed = place(state, shown)
    if isinstance(asked, OtherStoreError):
        raise asked
    excess = find_excess(state, shown)
    if excess is not None:
        raise excess
    await name_stores(connection, state, find_misplaced(state, [placed]))
    await count_uses_of_the_day(connection, state, find_limits(state, [placed]))
    refusal = find_refusal(state, shown.presented, voucher, asked, in_hand=request.in_hand)
    if refusal is not None:
        await keep_attempt(connection, note_refusal(state, placed, refusal))
        if state.guesses.counted:
            await state.guesses.save(connection)
    if voucher is None or isinstance(refusal, UnknownVoucherError | WrongPartnerError):
        raise refusal or UnknownVoucherError
    (facts,) = await fetch_facts(connection, "WHERE v.id = %(voucher)s", {"voucher": voucher.id})
    return _describe(facts, shown, refusal, asked.store.code if asked.store else None, zone, tokens)


async def show(
    connection: AsyncConnection[Any], request: VerifyRequest, *, now: datetime, zone: ZoneInfo, tokens: Tokens
) -> Checked:
    """The same for a voucher whose refusal is known and kept already. Raises UnknownVoucherError."""
    shown = read_request(request, tokens, now)
    values = {"voucher": shown.question.voucher_id, "partner": request.partner_id}
    found = await fetch_facts(connection, "WHERE v.id = %(voucher)s AND v.partner_id = %(partner)s", values)
    if not found:
        raise UnknownVoucherError
    return _describe(found[0], shown, None, request.store_code, zone, tokens)


def _describe(
    facts: VoucherFacts,
    shown: Shown,
    refusal: VoucherRefusedError | None,
    store_code: str | None,
    zone: ZoneInfo,
    tokens: Tokens,
) -> Checked:
    in_hand = shown.request.in_hand or (shown.presented is not None and shown.presented.form is Form.DYNAMIC)
    return Checked(
        voucher_id=facts.id,
        serial=facts.serial,
        code=mask_code(tokens.codes.code_of(facts.serial)),
        member=mask_name(facts.member_name),
        sku=facts.sku,
        partner_code=facts.partner_code,
        item_zh=facts.item_zh,
        item_en=facts.item_en,
        rules_zh=facts.rules_zh,
        rules_en=facts.rules_en,
        state=facts.state,
        uses_left=facts.uses_allowed - facts.uses,
        uses_allowed=facts.uses_allowed,
        last_day=facts.last_day(zone),
        expires_at=facts.expires_at,
        store_code=store_code,
        is_coupon=facts.kind == "coupon",
        asks_word=facts.paper_confirmed and not in_hand,
        in_hand=in_hand,
        refusal=refusal,
    )
