"""Redemptions as other programs see them; what members see of their own stands in `orders.py`."""

from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct
from psycopg import AsyncConnection
from psycopg.rows import dict_row

from liyu.core.errors import NotFoundError


class VoucherRecord(Struct, frozen=True):
    """A voucher of a redemption; its code is made from the id."""

    id: int
    state: str
    expires_at: datetime
    uses: int
    uses_allowed: int


class RedemptionRecord(Struct, frozen=True):
    """A redemption with its item and vouchers. `points` and `cash_minor` are for all units together."""

    id: int
    number: str
    state: str
    member: str
    member_id: int
    sku: str
    kind: str
    name_zh: str
    name_en: str
    partner_id: int | None
    quantity: int
    points: int
    cash_minor: int
    channel: str
    created_at: datetime
    vouchers: list[VoucherRecord]


_REDEMPTION = """
    SELECT r.id, r.number, r.state, m.external_id AS member, r.member_id,
        i.sku, i.kind, i.name_zh, i.name_en, i.partner_id, r.quantity,
        r.points, r.cash_minor, r.channel, r.created_at,
        (SELECT coalesce(json_agg(json_build_object('id', v.id, 'state', v.state, 'expires_at', v.expires_at,
                'uses', v.uses, 'uses_allowed', v.uses_allowed) ORDER BY v.id), '[]')
            FROM voucher v WHERE v.redemption_id = r.id) AS vouchers
    FROM redemption r JOIN member m ON m.id = r.member_id JOIN item i ON i.id = r.item_id
    WHERE r.number = %(number)s AND (%(partner)s::bigint IS NULL OR i.partner_id = %(partner)s)"""


async def read_redemption(
    connection: AsyncConnection[Any], number: str, *, partner_id: int | None = None
) -> RedemptionRecord:
    """Any redemption, for hosts and operators; with `partner_id`, only one of that partner's items. Raises NotFoundError."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_REDEMPTION, {"number": number, "partner": partner_id})
        row = await cursor.fetchone()
    if row is None:
        raise NotFoundError
    return msgspec.convert(row, RedemptionRecord)
