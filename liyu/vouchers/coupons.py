"""The coupons that a bill can be reduced with: a member's own, or those that somebody presents at a till."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.vouchers.queries import HELD
from liyu.vouchers.stacking import Coupon, Rule

MOST_COUPONS = 200

_COUPONS = """
    SELECT v.id, v.item_id, i.name_zh, i.name_en, i.coupon_purpose, i.coupon_form, i.coupon_benefit,
        coalesce(i.coupon_threshold_minor, 0), v.partner_id, v.expires_at, r.combines, r.combines_with, r.most_per_bill,
        r.exclusive_group, r.turn, r.threshold_of
    FROM voucher v JOIN item i ON i.id = v.item_id LEFT JOIN coupon_rule r ON r.item_id = i.id
        LEFT JOIN till_rule t ON t.item_id = i.id
    WHERE i.coupon_form IS NOT NULL AND v.state IN ('issued', 'partly_used') AND v.frozen_at IS NULL
        AND greatest(v.issued_at, t.usable_from) <= %(now)s AND v.expires_at > %(now)s"""


async def coupons_of_member(connection: AsyncConnection[Any], member_id: int, now: datetime) -> list[Coupon]:
    """The coupons that a member can use now, those first that run out first."""
    query = f"{_COUPONS} AND {HELD} ORDER BY v.expires_at, v.id LIMIT {MOST_COUPONS}"
    return await _fetch(connection, query, {"member": member_id, "now": now})


async def coupons_by_id(connection: AsyncConnection[Any], voucher_ids: Sequence[int], now: datetime) -> list[Coupon]:
    """Of these vouchers those that are coupons and can be used now."""
    return await _fetch(
        connection, f"{_COUPONS} AND v.id = ANY(%(ids)s) ORDER BY v.id", {"ids": list(voucher_ids), "now": now}
    )


class PartnerName(Struct, frozen=True):
    """What a partner is called."""

    name_zh: str
    name_en: str


async def partner_names(connection: AsyncConnection[Any], partner_ids: Sequence[int]) -> dict[int, PartnerName]:
    """The names of partners by id."""
    found = await connection.execute(
        "SELECT id, name_zh, name_en FROM partner WHERE id = ANY(%s)", (list(partner_ids),)
    )
    return {row[0]: PartnerName(row[1], row[2]) for row in await found.fetchall()}


async def _fetch(connection: AsyncConnection[Any], query: str, values: dict[str, Any]) -> list[Coupon]:
    return [_coupon(row) for row in await (await connection.execute(query, values)).fetchall()]


def _coupon(row: tuple[Any, ...]) -> Coupon:
    voucher, item, zh, en, purpose, form, benefit, threshold, partner, expires, combines, listed, *rest = row
    rule = Rule() if combines is None else Rule(combines, tuple(listed), *rest)
    return Coupon(
        voucher_id=voucher, item_id=item, name_zh=zh, name_en=en, purpose=purpose, form=form, benefit=benefit,
        threshold_minor=threshold, partner_id=partner, expires_at=expires, rule=rule,
    )  # fmt: skip
