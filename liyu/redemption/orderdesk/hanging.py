"""What hangs is let go by itself: parcels count as received, what was never picked up or sent is given back, requests lapse."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.catalog.models import POSTED_KINDS
from liyu.members.notices import NoticeRow, tell_members
from liyu.redemption.aftersale.service import lapse_due
from liyu.redemption.cancel import give_back, lock_redemption
from liyu.redemption.orderdesk.rules import load_rules
from liyu.redemption.shipping.parcels import receive_overdue
from liyu.vouchers.errors import VouchersNotCancellableError

SYSTEM = "system"
GIVEN_BACK = "order_given_back"
MOST_AT_ONCE = 500


class Released(Struct):
    """What one run did, in orders and requests."""

    received: int = 0
    not_picked_up: int = 0
    not_sent: int = 0
    lapsed: int = 0


# Only what was not used at all goes back: whoever picked up some of the units keeps to the rest's last day. What was given away
# or cancelled without its points never goes back (liyu/vouchers/cancel.py); such orders must not stand before those that do.
_NOT_PICKED_UP = """
    SELECT r.number FROM item i JOIN voucher v ON v.item_id = i.id JOIN redemption r ON r.id = v.redemption_id
    WHERE i.kind = 'pick_up' AND r.state = 'confirmed' AND v.state IN ('issued', 'expired') AND v.expires_at <= %(now)s
        AND NOT EXISTS (
            SELECT FROM voucher o WHERE o.redemption_id = r.id AND (
                o.uses > 0 OR o.state = 'offered' OR o.holder_id <> o.member_id
                OR (o.state = 'cancelled' AND o.points_returned IS NULL)))
    GROUP BY r.id ORDER BY r.id LIMIT %(most)s"""
_NOT_SENT = """
    SELECT r.number FROM item i JOIN redemption r ON r.item_id = i.id
    WHERE i.kind = ANY(%(kinds)s) AND r.state = 'confirmed' AND r.created_at <= %(before)s
        AND (SELECT max(t.at) FROM redemption_transition t WHERE t.redemption_id = r.id) <= %(before)s
    ORDER BY r.id LIMIT %(most)s"""


async def release_hanging(connection: AsyncConnection[Any], *, now: datetime, zone: ZoneInfo) -> Released:
    """Carry out every rule once, each order in a transaction of its own. The connection is in autocommit."""
    rules = await load_rules(connection)
    done = Released(received=await receive_overdue(connection, rules.received_after_days, now=now))
    for number in await _numbers(connection, _NOT_PICKED_UP, {"now": now}):
        done.not_picked_up += await _give_back(connection, number, "not_picked_up", now, zone)
    if rules.cancel_unsent_days is not None:
        before = now - timedelta(days=rules.cancel_unsent_days)
        for number in await _numbers(connection, _NOT_SENT, {"before": before, "kinds": list(POSTED_KINDS)}):
            done.not_sent += await _give_back(connection, number, "not_sent_in_time", now, zone)
    done.lapsed = await lapse_due(connection, now=now)
    return done


async def _numbers(connection: AsyncConnection[Any], query: str, values: dict[str, Any]) -> list[str]:
    found = await connection.execute(query, {**values, "most": MOST_AT_ONCE})
    return [row[0] for row in await found.fetchall()]


async def _give_back(connection: AsyncConnection[Any], number: str, reason: str, now: datetime, zone: ZoneInfo) -> bool:
    """Give one order back, if it still hangs once it is locked; whether it was."""
    try:
        async with connection.transaction():
            order = await lock_redemption(connection, number, None, zone)
            if order.state != "confirmed":
                return False
            await give_back(
                connection, order, "cancelled", reason=reason, actor=SYSTEM, now=now, zone=zone, ran_out=True
            )
            names = await connection.execute("SELECT name_zh, name_en FROM item WHERE id = %s", (order.item_id,))
            name_zh, name_en = await names.fetchone() or ("", "")
            item = {"item": {"zh": name_zh, "en": name_en}}
            await tell_members(connection, [NoticeRow(order.member_id, GIVEN_BACK, number, item, now)])
    except VouchersNotCancellableError:
        return False
    return True
