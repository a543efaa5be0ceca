"""A store's own facts, which its partner or an operator changes: where it is, and when it is open."""

from typing import Any

from msgspec import Struct, structs
from psycopg import AsyncConnection

from liyu.core.database import fetch_one
from liyu.partners.errors import UnknownStoreCodeError
from liyu.partners.scope import PartnerScope, partner_filter


class StoreDetails(Struct, frozen=True, kw_only=True):
    """What can be changed of a store; the place in degrees, WGS 84, both or neither."""

    address_zh: str
    address_en: str
    opening_hours: str
    latitude: float | None
    longitude: float | None


class StorePage(StoreDetails, frozen=True, kw_only=True):
    """A store with whose it is."""

    id: int
    code: str
    name_zh: str
    name_en: str
    city_zh: str
    city_en: str
    partner_code: str
    partner_zh: str
    partner_en: str


_FIND = """
    SELECT s.id, s.code, s.name_zh, s.name_en, s.city_zh, s.city_en, s.address_zh, s.address_en, s.opening_hours,
        s.latitude, s.longitude, p.code AS partner_code, p.name_zh AS partner_zh, p.name_en AS partner_en
    FROM store s JOIN partner p ON p.id = s.partner_id
    WHERE s.code = %(code)s AND (%(partner)s::bigint IS NULL OR s.partner_id = %(partner)s)
        AND (%(store)s::bigint IS NULL OR s.id = %(store)s)"""

_CHANGE = """
    UPDATE store SET address_zh = %(address_zh)s, address_en = %(address_en)s, opening_hours = %(opening_hours)s,
        latitude = %(latitude)s, longitude = %(longitude)s
    WHERE id = %(id)s"""


async def find_store(
    scope: PartnerScope, code: str, connection: AsyncConnection[Any], *, own_store_id: int | None = None
) -> StorePage:
    """One store; of somebody who is bound to a store, that one only. Raises UnknownStoreCodeError."""
    return await _find(connection, _FIND, scope, code, own_store_id)


async def change_store(
    scope: PartnerScope,
    code: str,
    details: StoreDetails,
    connection: AsyncConnection[Any],
    *,
    own_store_id: int | None = None,
) -> StoreDetails:
    """Change a store and return what it was before. Raises UnknownStoreCodeError as `find_store` does."""
    before = await _find(connection, _FIND + " FOR NO KEY UPDATE OF s", scope, code, own_store_id)
    await connection.execute(_CHANGE, structs.asdict(details) | {"id": before.id})
    return StoreDetails(**{name: getattr(before, name) for name in StoreDetails.__struct_fields__})


async def _find(
    connection: AsyncConnection[Any], statement: str, scope: PartnerScope, code: str, own_store_id: int | None
) -> StorePage:
    values = {"code": code, "partner": partner_filter(scope), "store": own_store_id}
    found = await fetch_one(connection, StorePage, statement, values)
    if found is None:
        raise UnknownStoreCodeError
    return found
