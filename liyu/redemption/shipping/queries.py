"""Parcels as members, operators, partners and hosts see them, and what is still to be sent."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.catalog.models import POSTED_KINDS
from liyu.core.database import fetch_all
from liyu.members.personal.addresses import region_of
from liyu.redemption.shipping.carriers import CARRIERS, Carrier

PAGE_SIZE = 50


class ParcelLine(Struct, frozen=True):
    """A parcel of an order."""

    id: int
    carrier: str
    tracking_number: str
    quantity: int
    is_replacement: bool
    sent_at: datetime
    sent_by: str
    received_at: datetime | None
    received_by: str | None

    @property
    def carried_by(self) -> Carrier:
        """Its carrier."""
        return CARRIERS[self.carrier]

    @property
    def follow_href(self) -> str:
        """Where it can be followed."""
        return self.carried_by.follows(self.tracking_number)


class ToSend(Struct, frozen=True):
    """An order of which units are still to be sent; the address is None where nobody gave one."""

    id: int
    number: str
    sku: str
    name_zh: str
    name_en: str
    partner_zh: str | None
    partner_en: str | None
    quantity: int
    left: int
    created_at: datetime
    recipient: str | None
    phone: str | None
    province: str | None
    city: str | None
    district: str | None
    detail: str | None

    @property
    def region(self) -> str:
        """Province, city and district as they stand on a parcel."""
        return region_of(self.province or "", self.city or "", self.district or "")


_PARCELS = """
    SELECT id, carrier, tracking_number, quantity, after_sale_id IS NOT NULL AS is_replacement, sent_at, sent_by, received_at,
        received_by
    FROM parcel WHERE redemption_id = %s ORDER BY id"""

_TO_SEND = """
    SELECT r.id, r.number, i.sku, i.name_zh, i.name_en, p.name_zh AS partner_zh, p.name_en AS partner_en, r.quantity,
        r.quantity - s.sent AS left, r.created_at, a.recipient, a.phone,
        a.province, a.city, a.district, a.detail
    FROM item i JOIN redemption r ON r.item_id = i.id AND r.state IN ('confirmed', 'fulfilling')
    CROSS JOIN LATERAL (SELECT coalesce(sum(quantity), 0)::bigint AS sent FROM parcel
        WHERE redemption_id = r.id AND after_sale_id IS NULL) AS s
    LEFT JOIN partner p ON p.id = i.partner_id LEFT JOIN redemption_address a ON a.redemption_id = r.id
    WHERE i.kind = ANY(%(kinds)s) AND s.sent < r.quantity AND r.id > %(after)s
        AND (%(partner)s::bigint IS NULL OR i.partner_id = %(partner)s)
    ORDER BY r.id LIMIT %(most)s"""


async def list_parcels(connection: AsyncConnection[Any], redemption_id: int) -> list[ParcelLine]:
    """The parcels of an order, in the order in which they were sent. Whose order it is, the caller has found out."""
    return await fetch_all(connection, ParcelLine, _PARCELS, (redemption_id,))


async def list_to_send(
    connection: AsyncConnection[Any], partner_id: int | None, *, after: int = 0, size: int = PAGE_SIZE
) -> tuple[list[ToSend], int | None]:
    """One page of what is to be sent, what waits longest first, and the cursor of the next page.

    With `partner_id`, only orders of that partner's items.
    """
    values = {"kinds": list(POSTED_KINDS), "partner": partner_id, "after": after, "most": size + 1}
    found = await fetch_all(connection, ToSend, _TO_SEND, values)
    return found[:size], found[size - 1].id if len(found) > size else None


async def iterate_to_send(connection: AsyncConnection[Any], partner_id: int | None) -> AsyncIterator[ToSend]:
    """Everything that is to be sent, page by page."""
    after: int | None = 0
    while after is not None:
        found, after = await list_to_send(connection, partner_id, after=after, size=1_000)
        for one in found:
            yield one
