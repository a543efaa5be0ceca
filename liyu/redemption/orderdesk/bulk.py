"""One act for many orders that were chosen together: each in a savepoint of its own, so that what cannot be done harms no other."""

from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.database import fetch_one
from liyu.core.errors import DomainError, NotFoundError
from liyu.core.i18n import N_, Message
from liyu.members.notices import NoticeRow, tell_members
from liyu.redemption.shipping.parcels import receive_parcels

MOST_AT_ONCE = 200
READY_TOPIC = "order_ready"


class NotToPickUpError(DomainError):
    """The order is not one that waits to be picked up."""

    code = "not_to_pick_up"
    message = N_("This order does not wait to be picked up.")


class ToldAlreadyError(DomainError):
    """The member was told before."""

    code = "told_already"
    message = N_("The member was told already.")


class Result(Struct, frozen=True):
    """What came of one order: done, or why not."""

    number: str
    refusals: list[Message]

    @property
    def is_done(self) -> bool:
        """Whether it was done."""
        return not self.refusals


class _ToPickUp(Struct):
    member_id: int
    kind: str
    state: str
    name_zh: str
    name_en: str
    is_told: bool


_TO_PICK_UP = """
    SELECT r.member_id, i.kind, r.state, i.name_zh, i.name_en,
        EXISTS (SELECT FROM member_notice n WHERE n.member_id = r.member_id AND n.topic = %s AND n.subject = r.number) AS is_told
    FROM redemption r JOIN item i ON i.id = r.item_id WHERE r.number = %s FOR UPDATE OF r"""


async def act_on_each(
    connection: AsyncConnection[Any], numbers: Iterable[str], act: Callable[[str], Awaitable[Any]]
) -> list[Result]:
    """Do the act for each order, in the caller's transaction, and tell what came of each; an order named twice counts once."""
    results = []
    for number in list(dict.fromkeys(numbers))[:MOST_AT_ONCE]:
        try:
            async with connection.transaction():
                await act(number)
        except DomainError as refusal:
            results.append(Result(number, [reason.message for reason in refusal.reasons] or [refusal.text]))
        else:
            results.append(Result(number, []))
    return results


async def receive_order(connection: AsyncConnection[Any], number: str, *, actor: str, now: datetime) -> None:
    """The parcels of an order have arrived. Raises NotFoundError or NothingToReceiveError."""
    row = await (await connection.execute("SELECT id FROM redemption WHERE number = %s", (number,))).fetchone()
    if row is None:
        raise NotFoundError
    await receive_parcels(connection, row[0], actor=actor, now=now)


async def tell_ready(connection: AsyncConnection[Any], number: str, *, now: datetime) -> None:
    """Tell a member, once, that an order can be picked up. Raises NotFoundError, NotToPickUpError or ToldAlreadyError."""
    order = await fetch_one(connection, _ToPickUp, _TO_PICK_UP, (READY_TOPIC, number))
    if order is None:
        raise NotFoundError
    if order.kind != "pick_up" or order.state != "confirmed":
        raise NotToPickUpError
    if order.is_told:
        raise ToldAlreadyError
    names = {"item": {"zh": order.name_zh, "en": order.name_en}}
    await tell_members(connection, [NoticeRow(order.member_id, READY_TOPIC, number, names, now)])
