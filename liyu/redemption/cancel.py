"""Cancelling a redemption: points go back into their own lots, stock, limits and codes are given back, in one transaction."""

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.catalog.pools.replace import replace_codes
from liyu.catalog.pools.stock import follow_pool
from liyu.core.clock import local_date
from liyu.core.database import fetch_one
from liyu.core.errors import NotFoundError
from liyu.core.jobs import defer
from liyu.members.points.put_back import PutBack, put_back
from liyu.redemption.drops.hand_on import give_stock_back
from liyu.redemption.errors import CancelTimeOverError, NotCancellableError
from liyu.redemption.payments.cash import find_received, want_back
from liyu.redemption.payments.holds import RELEASED, decide_hold, find_hold, free_codes
from liyu.redemption.payments.split import points_for
from liyu.redemption.save import redeem_key
from liyu.redemption.states import may_become
from liyu.redemption.topup.orders import stop_top_up
from liyu.vouchers.cancel import cancel_vouchers


class Cancellable(Struct):
    """A redemption under lock."""

    id: int
    number: str
    member_id: int
    item_id: int
    quantity: int
    points: int
    state: str
    kind: str
    account_id: int
    created_on: date
    limits_id: int
    """The item under whose limits it stands."""
    person_id: int
    """The membership that stands for the natural person."""
    created_at: datetime
    cancel_hours: int | None
    """Hours within which the member may cancel; 0 is never, None is until it was sent or used."""

    def check_member_may_cancel(self, now: datetime) -> None:
        """Raises NotCancellableError once it was sent, CancelTimeOverError once the item's time to cancel is over."""
        if self.state == "fulfilling":
            raise NotCancellableError
        if self.state == "confirmed" and is_cancel_time_over(self.created_at, self.cancel_hours, now):
            raise CancelTimeOverError


_FIND = """
    SELECT r.id, r.number, r.member_id, r.item_id, r.quantity, r.points, r.state, i.kind, a.id AS account_id,
        (r.created_at AT TIME ZONE %(zone)s)::date AS created_on,
        coalesce(i.variant_of, i.id) AS limits_id, coalesce(m.person_id, m.id) AS person_id, r.created_at, i.cancel_hours
    FROM redemption r JOIN item i ON i.id = r.item_id JOIN member m ON m.id = r.member_id
    JOIN account a ON a.member_id = r.member_id AND a.kind = 'member_points'
    WHERE r.number = %(number)s AND (%(member)s::bigint IS NULL OR r.member_id = %(member)s)"""


async def cancel_redemption(
    connection: AsyncConnection[Any],
    number: str,
    *,
    member_id: int | None,
    reason: str,
    actor: str,
    now: datetime,
    zone: ZoneInfo,
) -> int:
    """Cancel a redemption whose vouchers are unused, in the caller's transaction; returns the points given back.

    One that waits for its cash part is released; cash that was paid goes back. `member_id` None is for operators and host systems,
    whom the item's time to cancel does not bind. Cancelling a second time changes nothing. Raises NotFoundError,
    NotCancellableError or CancelTimeOverError.
    """
    redemption = await lock_redemption(connection, number, member_id, zone)
    if member_id is not None:
        redemption.check_member_may_cancel(now)
    wanted = "released" if redemption.state in ("held", "released") else "cancelled"
    return await give_back(connection, redemption, wanted, reason=reason, actor=actor, now=now, zone=zone)


async def release_redemption(
    connection: AsyncConnection[Any], number: str, *, reason: str, actor: str, now: datetime, zone: ZoneInfo
) -> bool:
    """Release a redemption that waits for its cash part, in the caller's transaction; false when it does not wait any more."""
    redemption = await lock_redemption(connection, number, None, zone)
    if redemption.state != "held":
        return False
    await give_back(connection, redemption, "released", reason=reason, actor=actor, now=now, zone=zone)
    return True


async def refund_redemption(
    connection: AsyncConnection[Any], number: str, *, reason: str, actor: str, now: datetime, zone: ZoneInfo
) -> int:
    """Take a completed redemption back, as cancelling does; returns the points given back, 0 the second time.

    The caller has found that its member got nothing for it. Raises NotFoundError or NotCancellableError.
    """
    redemption = await lock_redemption(connection, number, None, zone)
    return await give_back(connection, redemption, "refunded", reason=reason, actor=actor, now=now, zone=zone)


def is_cancel_time_over(created_at: datetime, cancel_hours: int | None, now: datetime) -> bool:
    """Whether an item's time in which members may cancel is over: so many hours after redeeming; 0 is never, None is no limit."""
    return cancel_hours is not None and now >= created_at + timedelta(hours=cancel_hours)


async def give_back(
    connection: AsyncConnection[Any],
    redemption: Cancellable,
    wanted: str,
    *,
    reason: str,
    actor: str,
    now: datetime,
    zone: ZoneInfo,
    ran_out: bool = False,
) -> int:
    """Give all back that is left of an order whose locks the caller holds; returns the points.

    With `ran_out` also vouchers go that ran out unused. Raises NotCancellableError or VouchersNotCancellableError.
    """
    if redemption.state == wanted:
        return 0
    if not may_become(redemption.state, wanted):
        raise NotCancellableError
    if redemption.kind == "top_up" and not await stop_top_up(connection, redemption.id, now):
        raise NotCancellableError
    await cancel_vouchers(connection, redemption.id, reason=reason, actor=actor, now=now, ran_out=ran_out)
    if wanted == RELEASED:
        already = await _let_go(connection, redemption, now)
    else:
        already = await _give_cash_back(connection, redemption, reason, actor, now)
    points = await return_points(connection, redemption, actor, now, local_date(now, zone), already=already)
    await _change_state(connection, redemption, wanted, reason, actor, now)
    await _give_stock_back(connection, redemption, now)
    return points


async def _let_go(connection: AsyncConnection[Any], redemption: Cancellable, now: datetime) -> int:
    """End the hold; what was begun at the provider is closed there by a job. No points have gone back before."""
    if not await decide_hold(connection, redemption.id, RELEASED, now):
        raise NotCancellableError
    await free_codes(connection, redemption.id)
    hold = await find_hold(connection, redemption.number)
    if hold is not None and hold.closed_at is None:
        await defer(connection, "check_payment", number=redemption.number)
    return 0


async def _give_cash_back(
    connection: AsyncConnection[Any], redemption: Cancellable, reason: str, actor: str, now: datetime
) -> int:
    """Order the cash back that is left of a payment; the points that have gone back with parts of the order before."""
    received = await find_received(connection, redemption.id)
    if received is None:
        return await points_of_units_given_back(connection, redemption.id)
    if received.left_minor:
        await want_back(connection, received.intent_id, received.left_minor, reason=reason, actor=actor, now=now)
    return points_for(redemption.points, received.amount_minor, received.refunded_minor)


async def points_of_units_given_back(connection: AsyncConnection[Any], redemption_id: int) -> int:
    """The points that went back with single units of an order without a cash part (docs/algorithms/orders.md)."""
    found = await connection.execute(
        "SELECT (SELECT coalesce(sum(points), 0) FROM after_sale WHERE redemption_id = %(id)s AND state = 'refunded')::bigint "
        "+ (SELECT coalesce(sum(points_returned), 0) FROM voucher WHERE redemption_id = %(id)s)::bigint",
        {"id": redemption_id},
    )
    return int((await found.fetchone() or (0,))[0])


async def lock_redemption(
    connection: AsyncConnection[Any], number: str, member_id: int | None, zone: ZoneInfo
) -> Cancellable:
    """Find, then lock in the order of the desk (account, stock, redemption), then read again what the locks now protect."""
    values = {"number": number, "member": member_id, "zone": str(zone)}
    found, locked = await _read(connection, values), None
    # Whoever was merged while the lock was waited for has taken the redemption along.
    while found.account_id != locked:
        locked = found.account_id
        await connection.execute("SELECT id FROM account WHERE id = %s FOR UPDATE", (locked,))
        found = await _read(connection, values)
    await connection.execute("SELECT item_id FROM item_stock WHERE item_id = %s FOR UPDATE", (found.item_id,))
    await connection.execute("SELECT id FROM redemption WHERE id = %s FOR UPDATE", (found.id,))
    return await _read(connection, values)


async def _read(connection: AsyncConnection[Any], values: dict[str, Any]) -> Cancellable:
    found = await fetch_one(connection, Cancellable, _FIND, values)
    if found is None:
        raise NotFoundError
    return found


async def return_points(
    connection: AsyncConnection[Any],
    redemption: Cancellable,
    actor: str,
    now: datetime,
    today: date,
    *,
    already: int = 0,
    wanted: int | None = None,
    refund_id: int | str | None = None,
) -> int:
    """Put points back into the lots they came from: all but those that went back `already`, or `wanted` of them.

    `refund_id` names the refund with which a part of them goes. The caller holds the locks. Returns how many.
    """
    if refund_id is not None:
        written = PutBack("refund", redemption.number, "refunded", actor, now, f":{refund_id}")
    else:
        written = PutBack("cancel", redemption.number, "cancelled", actor, now)
    return await put_back(
        connection,
        redeem_key(redemption.id),
        redemption.account_id,
        written,
        today,
        already=already,
        wanted=redemption.points - already if wanted is None else wanted,
    )


async def _give_stock_back(connection: AsyncConnection[Any], redemption: Cancellable, now: datetime) -> None:
    await give_stock_back(connection, redemption.item_id, redemption.quantity, now=now)
    await connection.execute(
        "UPDATE limit_use SET used = greatest(used - %s, 0) WHERE item_id = %s "
        "AND ((member_id = %s AND period IN ('', %s)) OR (member_id = %s AND period = 'person'))",
        (
            redemption.quantity,
            redemption.limits_id,
            redemption.member_id,
            redemption.created_on.isoformat(),
            redemption.person_id,
        ),
    )
    if redemption.kind == "code":
        await replace_codes(connection, redemption.item_id, now=now)
        await follow_pool(connection, redemption.item_id)


async def _change_state(
    connection: AsyncConnection[Any], redemption: Cancellable, wanted: str, reason: str, actor: str, now: datetime
) -> None:
    await connection.execute("UPDATE redemption SET state = %s WHERE id = %s", (wanted, redemption.id))
    await connection.execute(
        "INSERT INTO redemption_transition (redemption_id, from_state, to_state, reason, actor, at) "
        "VALUES (%s, %s, %s, %s, %s, %s)",
        (redemption.id, redemption.state, wanted, reason, actor, now),
    )
