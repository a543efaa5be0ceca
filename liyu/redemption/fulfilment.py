"""What happened to an order after it was granted: its parcels, its after-sale requests, its top-up."""

from typing import Any, Protocol

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.redemption.aftersale.queries import OPERATOR, Request, list_requests
from liyu.redemption.shipping.queries import ParcelLine, list_parcels
from liyu.redemption.topup.queries import Attempt, TopUpView, find_top_up, list_attempts


class _Order(Protocol):
    @property
    def id(self) -> int: ...

    @property
    def kind(self) -> str: ...


class Fulfilment(Struct, frozen=True):
    """What there is of each; nothing where the kind of the order has none."""

    parcels: list[ParcelLine]
    requests: list[Request]
    top_up: TopUpView | None
    attempts: list[Attempt]


async def read_fulfilment(connection: AsyncConnection[Any], order: _Order) -> Fulfilment:
    """What happened to an order. Whose it is, the caller has found out."""
    is_top_up, is_posted = order.kind == "top_up", order.kind == "goods"
    requests, _ = await list_requests(connection, OPERATOR, redemption_id=order.id)
    return Fulfilment(
        parcels=await list_parcels(connection, order.id) if is_posted else [],
        requests=requests,
        top_up=await find_top_up(connection, order.id) if is_top_up else None,
        attempts=await list_attempts(connection, order.id) if is_top_up else [],
    )
