"""Looking at a voucher before it is verified: what it is good for, whether this store may take it."""

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.vouchers.accept import Asked, find_refusal, find_store, load_known
from liyu.vouchers.codes import mask_code
from liyu.vouchers.errors import UnknownVoucherError, VoucherRefusedError, WrongPartnerError
from liyu.vouchers.facts import mask_name
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
    presented = tokens.read(text, now)
    store = await find_store(connection, store_code, allowed_store_id=allowed_store_id)
    asked = Asked(partner_id, store, bool(store or (store_code or "").strip()), now, zone)
    known = await load_known(connection, presented, asked)
    refusal = find_refusal(presented, known, asked)
    if isinstance(refusal, UnknownVoucherError | WrongPartnerError):
        raise refusal
    facts = known.facts
    assert facts is not None
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
        store_code=store.code if store else None,
        refusal=refusal,
    )
