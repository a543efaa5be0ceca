"""Vouchers of two members who are merged: they go with their redemptions, by the foreign key that binds them together."""

from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

_COUNT = """
    SELECT count(*) AS vouchers, count(*) FILTER (WHERE state = 'issued' AND expires_at > %(now)s) AS usable
    FROM voucher WHERE member_id = %(source)s"""


class VouchersMoved(Struct):
    """Vouchers that go over, and how many of them can still be used."""

    vouchers: int
    usable: int


async def count_vouchers(connection: AsyncConnection[Any], values: dict[str, Any]) -> VouchersMoved:
    """What goes over with the source's redemptions."""
    row = await (await connection.execute(_COUNT, values)).fetchone()
    assert row is not None
    return VouchersMoved(*row)
