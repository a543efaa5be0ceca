"""The hold of an order that waits for its cash part: found, captured or released once, never both (docs/rules.md 10)."""

from datetime import datetime
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.database import fetch_all

CAPTURED, RELEASED = "captured", "released"

_HOLD = """
    SELECT r.id, r.number, r.member_id, r.item_id, r.quantity, r.state, i.kind, i.partner_id, i.name_zh, i.name_en, r.points,
        h.amount_minor, h.currency, h.deadline, h.agreement_line_id, h.uses, h.voucher_days, h.outcome, h.intent_id,
        h.checkout_id, h.closed_at
    FROM payment_hold h JOIN redemption r ON r.id = h.redemption_id JOIN item i ON i.id = r.item_id"""

_DECIDE = """
    UPDATE payment_hold SET outcome = %s, decided_at = %s,
        closed_at = CASE WHEN intent_id IS NULL AND checkout_id IS NULL THEN %s END
    WHERE redemption_id = %s AND outcome IS NULL"""


class Hold(Struct, frozen=True):
    """An order with a cash part, and what was kept for it. `outcome` None: it still waits."""

    id: int
    number: str
    member_id: int
    item_id: int
    quantity: int
    state: str
    kind: str
    partner_id: int | None
    name_zh: str
    name_en: str
    points: int
    amount_minor: int
    currency: str
    deadline: datetime
    agreement_line_id: int | None
    uses: int
    voucher_days: int
    outcome: str | None
    intent_id: str | None
    checkout_id: str | None
    closed_at: datetime | None

    def waits(self, now: datetime) -> bool:
        """Whether it can be paid now."""
        return self.outcome is None and now < self.deadline


async def find_hold(connection: AsyncConnection[Any], number: str, member_id: int | None = None) -> Hold | None:
    """The hold of an order, of one member's only where one is given."""
    found = await _read(
        connection,
        f"{_HOLD} WHERE r.number = %s AND (%s::bigint IS NULL OR r.member_id = %s)",
        (number, member_id, member_id),
    )
    return found[0] if found else None


async def lock_hold(connection: AsyncConnection[Any], *, number: str | None, intent_id: str | None) -> Hold | None:
    """The hold of the order with this number or else this PaymentIntent, read under the lock of the redemption."""
    found = await connection.execute(
        "SELECT r.id FROM redemption r JOIN payment_hold h ON h.redemption_id = r.id "
        "WHERE r.number = %s OR h.intent_id = %s ORDER BY r.number = %s DESC LIMIT 1",
        (number, intent_id, number),
    )
    row = await found.fetchone()
    if row is None:
        return None
    await connection.execute("SELECT id FROM redemption WHERE id = %s FOR UPDATE", row)
    return (await _read(connection, f"{_HOLD} WHERE r.id = %s", row))[0]


async def list_due(connection: AsyncConnection[Any], now: datetime, most: int) -> list[Hold]:
    """Holds that wait and whose deadline is over, the oldest first."""
    return await _read(
        connection, f"{_HOLD} WHERE h.outcome IS NULL AND h.deadline <= %s ORDER BY h.deadline LIMIT %s", (now, most)
    )


async def list_unclosed(connection: AsyncConnection[Any], most: int) -> list[Hold]:
    """Holds that are decided while the provider would still take money for them."""
    query = f"{_HOLD} WHERE h.closed_at IS NULL AND h.outcome IS NOT NULL ORDER BY h.redemption_id LIMIT %s"
    return await _read(connection, query, (most,))


async def decide_hold(connection: AsyncConnection[Any], redemption_id: int, outcome: str, now: datetime) -> bool:
    """Capture or release, once: false when it was decided before. The caller holds the redemption's lock."""
    return (await connection.execute(_DECIDE, (outcome, now, now, redemption_id))).rowcount == 1


async def free_codes(connection: AsyncConnection[Any], redemption_id: int) -> None:
    """Put the codes of a released order back into their pool: nobody has seen them."""
    await connection.execute(
        "UPDATE pool_code SET redemption_id = NULL, assigned_at = NULL WHERE redemption_id = %s AND replaced_by IS NULL",
        (redemption_id,),
    )


async def note_begun(
    connection: AsyncConnection[Any],
    redemption_id: int,
    *,
    intent_id: str | None = None,
    checkout_id: str | None = None,
) -> None:
    """Remember what was made at the provider, also for a hold that was released meanwhile: it has to be closed there."""
    await connection.execute(
        "UPDATE payment_hold SET intent_id = coalesce(%s, intent_id), checkout_id = coalesce(%s, checkout_id), closed_at = NULL "
        "WHERE redemption_id = %s",
        (intent_id, checkout_id, redemption_id),
    )


async def note_closed(connection: AsyncConnection[Any], hold: Hold, now: datetime) -> None:
    """Remember that no more money can come, unless something new was begun meanwhile."""
    await connection.execute(
        "UPDATE payment_hold SET closed_at = %s WHERE redemption_id = %s AND closed_at IS NULL "
        "AND intent_id IS NOT DISTINCT FROM %s AND checkout_id IS NOT DISTINCT FROM %s",
        (now, hold.id, hold.intent_id, hold.checkout_id),
    )


async def _read(connection: AsyncConnection[Any], query: str, values: tuple[Any, ...]) -> list[Hold]:
    return await fetch_all(connection, Hold, query, values)
