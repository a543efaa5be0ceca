"""After-sale requests as members, operators and partners see them. Who asks is the first argument (docs/rules.md 16)."""

from datetime import datetime
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.database import fetch_all, fetch_one
from liyu.core.errors import NotFoundError
from liyu.redemption.aftersale.offer import OrderFacts
from liyu.redemption.aftersale.states import WAITS_FOR_US
from liyu.redemption.orderdesk.rules import load_rules
from liyu.redemption.shipping.carriers import CARRIERS, Carrier

PAGE_SIZE = 50


class Request(Struct, frozen=True):
    """A request with its order. Points and money are what went back with it."""

    id: int
    number: str
    redemption_id: int
    redemption_number: str
    member: str
    member_id: int
    member_name: str | None
    kind: str
    reason: str
    words: str
    quantity: int
    state: str
    due_at: datetime | None
    carrier: str | None
    tracking_number: str | None
    points: int
    cash_minor: int
    opened_at: datetime
    closed_at: datetime | None
    sku: str
    name_zh: str
    name_en: str
    item_id: int
    item_kind: str
    scene: str
    partner_id: int | None
    partner_zh: str | None
    partner_en: str | None
    photos: int

    def is_late(self, now: datetime) -> bool:
        """Whether its next step is overdue."""
        return self.due_at is not None and self.due_at <= now

    @property
    def carried_by(self) -> Carrier | None:
        """The carrier of the parcel with which it comes back."""
        return CARRIERS[self.carrier] if self.carrier else None


class RequestStep(Struct, frozen=True):
    """One change of a request's state."""

    from_state: str | None
    to_state: str
    reason: str
    actor: str
    at: datetime


class Photo(Struct, frozen=True):
    """A photo of a request, and where it is kept."""

    position: int
    storage_name: str
    width: int
    height: int


class Asker(Struct, frozen=True):
    """Who looks: a member, a partner, or nobody in particular, which is an operator."""

    member_id: int | None = None
    partner_id: int | None = None


OPERATOR = Asker()

_OWN = """
    (%(member)s::bigint IS NULL OR r.member_id = %(member)s) AND (%(partner)s::bigint IS NULL OR i.partner_id = %(partner)s)"""
_REQUESTS = f"""
    SELECT a.id, a.number, r.id AS redemption_id, r.number AS redemption_number, m.external_id AS member, m.id AS member_id,
        m.name AS member_name, a.kind, a.reason, a.words, a.quantity, a.state, a.due_at, a.carrier, a.tracking_number, a.points,
        a.cash_minor, a.opened_at, a.closed_at, i.sku, i.name_zh, i.name_en, i.id AS item_id, i.kind AS item_kind, i.scene,
        i.partner_id, p.name_zh AS partner_zh, p.name_en AS partner_en,
        (SELECT count(*) FROM after_sale_photo f WHERE f.after_sale_id = a.id AND f.erased_at IS NULL) AS photos
    FROM after_sale a JOIN redemption r ON r.id = a.redemption_id JOIN member m ON m.id = r.member_id
    JOIN item i ON i.id = r.item_id LEFT JOIN partner p ON p.id = i.partner_id WHERE {_OWN}"""
_FACTS = """
    SELECT i.kind, r.state, r.quantity,
        (SELECT coalesce(sum(a.quantity), 0)::bigint FROM after_sale a WHERE a.redemption_id = r.id AND a.state = 'refunded')
            AS given_back,
        coalesce((SELECT max(p.received_at) FROM parcel p WHERE p.redemption_id = r.id),
            (SELECT max(t.at) FROM redemption_transition t WHERE t.redemption_id = r.id AND t.to_state = 'completed'))
            AS received_at,
        coalesce(i.return_days, %(days)s) AS return_days,
        EXISTS (SELECT FROM after_sale a WHERE a.redemption_id = r.id AND a.closed_at IS NULL) AS has_open
    FROM redemption r JOIN item i ON i.id = r.item_id WHERE r.id = %(order)s"""


def own(asker: Asker) -> dict[str, Any]:
    """The values of a query that says whose it is."""
    return {"member": asker.member_id, "partner": asker.partner_id}


async def load_request(connection: AsyncConnection[Any], asker: Asker, number: str) -> Request:
    """One request. Raises NotFoundError, also when it is somebody else's."""
    found = await fetch_one(
        connection, Request, f"{_REQUESTS} AND a.number = %(number)s", {**own(asker), "number": number}
    )
    if found is None:
        raise NotFoundError
    return found


async def list_requests(
    connection: AsyncConnection[Any],
    asker: Asker,
    *,
    state: str | None = None,
    waiting: bool = False,
    redemption_id: int | None = None,
    before: int | None = None,
    size: int = PAGE_SIZE,
) -> tuple[list[Request], int | None]:
    """One page of requests, and the cursor of the next page: the newest first; with `waiting` those that wait for a decision,
    the most urgent first and all on one page.
    """
    values = {
        **own(asker), "state": state, "order": redemption_id, "before": before, "most": size + 1, "waits": list(WAITS_FOR_US),
    }  # fmt: skip
    order = "a.due_at, a.id" if waiting else "a.id DESC"
    query = (
        f"{_REQUESTS} AND (%(state)s::text IS NULL OR a.state = %(state)s) AND (%(order)s::bigint IS NULL OR r.id = %(order)s) "
        f"AND (%(before)s::bigint IS NULL OR a.id < %(before)s) {'AND a.state = ANY(%(waits)s)' if waiting else ''} "
        f"ORDER BY {order} LIMIT %(most)s"
    )
    found = await fetch_all(connection, Request, query, values)
    return found[:size], found[size - 1].id if len(found) > size and not waiting else None


async def count_waiting(connection: AsyncConnection[Any], asker: Asker) -> int:
    """How many requests wait for a decision."""
    found = await connection.execute(
        "SELECT count(*) FROM after_sale a JOIN redemption r ON r.id = a.redemption_id JOIN item i ON i.id = r.item_id "
        f"WHERE {_OWN} AND a.closed_at IS NULL AND a.state = ANY(%(waits)s)",
        {**own(asker), "waits": list(WAITS_FOR_US)},
    )
    return int((await found.fetchone() or (0,))[0])


async def list_request_steps(connection: AsyncConnection[Any], request_id: int) -> list[RequestStep]:
    """How a request came to its state, the newest step first. Whose it is, the caller has found out."""
    return await fetch_all(
        connection,
        RequestStep,
        "SELECT from_state, to_state, reason, actor, at FROM after_sale_transition WHERE after_sale_id = %s ORDER BY id DESC",
        (request_id,),
    )


async def list_photos(connection: AsyncConnection[Any], request_id: int) -> list[Photo]:
    """The photos of a request. Whose it is, the caller has found out."""
    return await fetch_all(
        connection,
        Photo,
        "SELECT position, storage_name, width, height FROM after_sale_photo "
        "WHERE after_sale_id = %s AND erased_at IS NULL ORDER BY position",
        (request_id,),
    )


async def load_order_facts(connection: AsyncConnection[Any], redemption_id: int) -> OrderFacts:
    """What decides about requests for an order."""
    rules = await load_rules(connection)
    found = await fetch_one(connection, OrderFacts, _FACTS, {"order": redemption_id, "days": rules.return_days})
    if found is None:
        raise NotFoundError
    return found
