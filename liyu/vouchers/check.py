"""Looking at a voucher before it is verified: what it is good for, whether this store may take it."""

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.vouchers.accept import find_refusal, find_voucher, is_misplaced, stand_at
from liyu.vouchers.codes import mask_code
from liyu.vouchers.errors import OtherStoreError, UnknownVoucherError, VoucherRefusedError, WrongPartnerError
from liyu.vouchers.facts import fetch_facts, mask_name
from liyu.vouchers.load import NO_VOUCHER, Question, count_uses_of_the_day, load_state, name_stores
from liyu.vouchers.tokens import Tokens


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
    refusal: VoucherRefusedError | None


async def check(
    connection: AsyncConnection[Any],
    *,
    text: str,
    store_code: str | None,
    partner_id: int | None,
    allowed_store_id: int | None = None,
    now: datetime,
    zone: ZoneInfo,
    tokens: Tokens,
) -> Checked:
    """Show a voucher to its own partner or the operator, without using it.

    Raises UnknownVoucherError and WrongPartnerError, which tell nothing; OtherStoreError.
    """
    presented, code = tokens.read(text, now), (store_code or "").strip() or None
    question = Question(presented.voucher_id if presented else NO_VOUCHER, "", "", code, allowed_store_id)
    state, _ = await load_state(connection, [question], now, zone, locked=False)
    asked = stand_at(state, store_code=code, allowed_store_id=allowed_store_id, partner_id=partner_id)
    if isinstance(asked, OtherStoreError):
        raise asked
    voucher = find_voucher(state, presented)
    if voucher is not None and is_misplaced(state, voucher, asked):
        await name_stores(connection, state, [voucher.id])
    await count_uses_of_the_day(connection, state)
    refusal = find_refusal(state, presented, voucher, asked)
    if voucher is None or isinstance(refusal, UnknownVoucherError | WrongPartnerError):
        raise refusal or UnknownVoucherError
    (facts,) = await fetch_facts(connection, "WHERE v.id = %(voucher)s", {"voucher": voucher.id})
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
        store_code=asked.store.code if asked.store else None,
        refusal=refusal,
    )
