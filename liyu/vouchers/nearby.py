"""How far stores are: great-circle distances by the haversine formula (R. W. Sinnott, Virtues of the Haversine, 1984)."""

from collections.abc import Iterable
from datetime import datetime
from math import asin, cos, radians, sin, sqrt
from typing import Any, NamedTuple

from psycopg import AsyncConnection

from liyu.core.database import fetch_all
from liyu.vouchers.facts import FACTS, StoreFacts, VoucherFacts
from liyu.vouchers.queries import GROUPS, HELD, PAGE, SOON

EARTH_METRES = 6_371_008.8
"""The mean radius (IUGG). An error of half a per cent against the ellipsoid is no matter for a walk."""


class Place(NamedTuple):
    """A point on earth in degrees, WGS 84."""

    latitude: float
    longitude: float


class NearStore(NamedTuple):
    """A store with its distance in metres; None when nobody has said where it is."""

    store: StoreFacts
    metres: int | None


class NearVoucher(VoucherFacts, kw_only=True):
    """A voucher with the nearest open store that takes it; None where no such store has said where it is."""

    metres: int | None
    store_zh: str | None
    store_en: str | None


_METRES = f"""{2 * EARTH_METRES} * asin(least(1, sqrt(sind((s.latitude - %(latitude)s) / 2) ^ 2
    + cosd(%(latitude)s) * cosd(s.latitude) * sind((s.longitude - %(longitude)s) / 2) ^ 2)))"""

# Each store is measured once, and each partner's nearest one serves all items that name no stores of their own: the work grows
# with the number of stores and of vouchers, not with their product, whatever the planner believes of their numbers.
_NEAREST = f"""
    WITH held AS MATERIALIZED (SELECT v.id, v.item_id, v.expires_at FROM voucher v WHERE {HELD} AND (%(group)s)),
    items AS MATERIALIZED (
        SELECT i.id, i.partner_id, EXISTS (SELECT FROM item_store t WHERE t.item_id = i.id) AS names_stores
        FROM item i WHERE i.id IN (SELECT item_id FROM held)),
    stores AS MATERIALIZED (
        SELECT s.id, s.partner_id, s.name_zh, s.name_en, {_METRES} AS metres FROM store s
        WHERE s.active AND s.latitude IS NOT NULL AND s.partner_id IN (SELECT partner_id FROM items)),
    of_partners AS MATERIALIZED (
        SELECT DISTINCT ON (partner_id) partner_id, metres, name_zh, name_en FROM stores
        ORDER BY partner_id, metres, id),
    of_items AS MATERIALIZED (
        SELECT DISTINCT ON (i.id) i.id, s.metres, s.name_zh, s.name_en
        FROM items i JOIN item_store t ON t.item_id = i.id JOIN stores s ON s.id = t.store_id AND s.partner_id = i.partner_id
        WHERE i.names_stores ORDER BY i.id, s.metres, s.id),
    nearest AS MATERIALIZED (
        SELECT id, metres, name_zh, name_en FROM of_items UNION ALL
        SELECT i.id, p.metres, p.name_zh, p.name_en FROM items i JOIN of_partners p ON p.partner_id = i.partner_id
        WHERE NOT i.names_stores),
    shown AS MATERIALIZED (
        SELECT h.id, n.metres, n.name_zh, n.name_en FROM held h LEFT JOIN nearest n ON n.id = h.item_id
        ORDER BY n.metres, h.expires_at, h.id LIMIT %(limit)s OFFSET %(offset)s)
    SELECT f.*, round(p.metres)::bigint AS metres, p.name_zh AS store_zh, p.name_en AS store_en
    FROM shown p JOIN ({FACTS}) AS f ON f.id = p.id ORDER BY p.metres, f.expires_at, f.id"""


def distance(here: Place, there: Place) -> float:
    """Metres between two points along the surface."""
    rise, turn = radians(there.latitude - here.latitude), radians(there.longitude - here.longitude)
    half = sin(rise / 2) ** 2 + cos(radians(here.latitude)) * cos(radians(there.latitude)) * sin(turn / 2) ** 2
    return 2 * EARTH_METRES * asin(min(1.0, sqrt(half)))


def nearest_first(stores: Iterable[StoreFacts], here: Place) -> list[NearStore]:
    """Stores by their distance; those whose place is not known come last, in their own order."""
    found = [NearStore(store, _metres(store, here)) for store in stores]
    return sorted(found, key=lambda near: (near.metres is None, near.metres or 0))


async def wallet_nearest_first(
    connection: AsyncConnection[Any],
    member_id: int,
    group: str,
    here: Place,
    now: datetime,
    *,
    offset: int = 0,
    limit: int = PAGE,
) -> list[NearVoucher]:
    """One page of a group of what a member holds, by the nearest store that takes it; those without a known one come last.

    Raises KeyError for a group that is none of `WALLET_GROUPS`.
    """
    values = {
        "member": member_id,
        "now": now,
        "soon": now + SOON,
        "latitude": here.latitude,
        "longitude": here.longitude,
        "limit": limit,
        "offset": offset,
    }
    return await fetch_all(connection, NearVoucher, _NEAREST.replace("%(group)s", GROUPS[group]), values)


def _metres(store: StoreFacts, here: Place) -> int | None:
    if store.latitude is None or store.longitude is None:
        return None
    return round(distance(here, Place(store.latitude, store.longitude)))
