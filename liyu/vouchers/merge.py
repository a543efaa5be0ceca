"""Vouchers of two members who are merged.

Those that the source redeemed go with their redemptions, by the foreign key that binds them together; those that others gave
to the source, and gifts on their way, are moved here.
"""

from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

_COUNT = """
    SELECT count(*) AS vouchers, count(*) FILTER (
        WHERE state IN ('issued', 'partly_used') AND frozen_at IS NULL AND expires_at > %(now)s) AS usable
    FROM voucher WHERE holder_id = %(source)s OR (holder_id IS NULL AND member_id = %(source)s)"""
_MOVE_HELD = "UPDATE voucher SET holder_id = %(target)s WHERE holder_id = %(source)s"
_MOVE_GIFTS = """
    UPDATE voucher_gift SET
        giver_id = CASE giver_id WHEN %(source)s THEN %(target)s ELSE giver_id END,
        receiver_id = CASE receiver_id WHEN %(source)s THEN %(target)s ELSE receiver_id END
    WHERE giver_id = %(source)s OR receiver_id = %(source)s"""


class VouchersMoved(Struct):
    """Vouchers that go over, and how many of them can still be used."""

    vouchers: int
    usable: int


async def count_vouchers(connection: AsyncConnection[Any], values: dict[str, Any]) -> VouchersMoved:
    """What goes over: all that the source holds."""
    row = await (await connection.execute(_COUNT, values)).fetchone()
    assert row is not None
    return VouchersMoved(*row)


async def move_held_vouchers(connection: AsyncConnection[Any], values: dict[str, Any]) -> None:
    """Give what the source holds of others' redemptions to the target, and their gifts too. Both members' accounts are locked."""
    await connection.execute(_MOVE_HELD, values)
    await connection.execute(_MOVE_GIFTS, values)
