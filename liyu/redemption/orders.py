"""What members see of their own redemptions: lists, one order with its history, and how much of a limit they have used."""

from datetime import date, datetime
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.database import fetch_all, fetch_one
from liyu.core.errors import NotFoundError

PAGE_SIZE = 20
HIGHEST_ID = 2**62


class Order(Struct, frozen=True):
    """A redemption with what its item is called today. Points and money are those of all units together."""

    id: int
    number: str
    state: str
    quantity: int
    points: int
    cash_minor: int
    created_at: datetime
    item_id: int
    sku: str
    kind: str
    scene: str
    name_zh: str
    name_en: str
    partner_zh: str | None
    partner_en: str | None
    cancel_hours: int | None


class OrderStep(Struct, frozen=True):
    """One change of an order's state."""

    from_state: str | None
    to_state: str
    reason: str
    actor: str
    at: datetime


class OrderVoucher(Struct, frozen=True):
    """A voucher of an order."""

    id: int
    state: str
    uses: int
    uses_allowed: int
    expires_at: datetime
    is_given_away: bool


_ORDERS = """
    SELECT r.id, r.number, r.state, r.quantity, r.points, r.cash_minor, r.created_at, i.id AS item_id, i.sku, i.kind, i.scene,
        i.name_zh, i.name_en, p.name_zh AS partner_zh, p.name_en AS partner_en, i.cancel_hours
    FROM redemption r JOIN item i ON i.id = r.item_id LEFT JOIN partner p ON p.id = i.partner_id
    WHERE r.member_id = %(member)s"""


async def list_orders(
    connection: AsyncConnection[Any], member_id: int, before: int | None = None
) -> tuple[list[Order], int | None]:
    """One page of a member's orders, the newest first, and the cursor of the next page."""
    orders = await fetch_all(
        connection,
        Order,
        f"{_ORDERS} AND r.id < %(before)s ORDER BY r.id DESC LIMIT %(most)s",
        {"member": member_id, "before": before or HIGHEST_ID, "most": PAGE_SIZE + 1},
    )
    return orders[:PAGE_SIZE], orders[PAGE_SIZE - 1].id if len(orders) > PAGE_SIZE else None


async def find_order(connection: AsyncConnection[Any], member_id: int, number: str) -> Order:
    """One order of a member's. Raises NotFoundError when there is none or it is somebody else's."""
    order = await fetch_one(
        connection, Order, f"{_ORDERS} AND r.number = %(number)s", {"member": member_id, "number": number}
    )
    if order is None:
        raise NotFoundError
    return order


async def list_steps(connection: AsyncConnection[Any], order: Order) -> list[OrderStep]:
    """How an order came to its state, the newest step first."""
    return await fetch_all(
        connection,
        OrderStep,
        "SELECT from_state, to_state, reason, actor, at FROM redemption_transition WHERE redemption_id = %s ORDER BY id DESC",
        (order.id,),
    )


async def list_order_vouchers(connection: AsyncConnection[Any], order: Order) -> list[OrderVoucher]:
    """The vouchers of an order, in the order of their issue."""
    return await fetch_all(
        connection,
        OrderVoucher,
        "SELECT id, state, uses, uses_allowed, expires_at, coalesce(holder_id <> member_id, false) AS is_given_away "
        "FROM voucher WHERE redemption_id = %s ORDER BY id",
        (order.id,),
    )


class LimitsUsed(Struct, frozen=True):
    """Units of an item that a member has redeemed as its limits count them."""

    ever: int
    today: int
    by_person: int
    """Over all memberships of the natural person."""


async def load_limit_use(connection: AsyncConnection[Any], member_id: int, limits_id: int, today: date) -> LimitsUsed:
    """What a member has used of the limits of an item; variants stand under those of theirs (`ItemView.limits_id`)."""
    found = await connection.execute(
        "SELECT u.period, u.used FROM limit_use u JOIN member m ON m.id = %(member)s WHERE u.item_id = %(item)s "
        "AND ((u.member_id = m.id AND u.period IN ('', %(today)s)) "
        "OR (u.member_id = coalesce(m.person_id, m.id) AND u.period = 'person'))",
        {"item": limits_id, "member": member_id, "today": today.isoformat()},
    )
    used = dict(await found.fetchall())
    return LimitsUsed(used.get("", 0), used.get(today.isoformat(), 0), used.get("person", 0))
