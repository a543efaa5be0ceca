"""Items as they stand in the database, for whoever plans to change them."""

from typing import Any

import msgspec
from msgspec import Struct
from psycopg import AsyncConnection

from liyu.catalog.records import ItemRecord, ItemRow


class KnownItem(Struct):
    """An item as it stands in the database."""

    id: int
    state: str
    row: ItemRow
    total: int | None
    taken: int
    stores: list[int]


async def load_known(connection: AsyncConnection[Any], records: list[ItemRecord]) -> dict[str, KnownItem]:
    """The items of the records that are there, those they are variants of, and all variants of them."""
    columns = ItemRow.__struct_fields__
    skus = {record.sku for record in records}
    skus |= {record.variant_of for record in records if isinstance(record.variant_of, str)}
    found = await connection.execute(
        "WITH named AS (SELECT id, variant_of FROM item WHERE sku = ANY(%s)) "
        "SELECT i.id, i.state, s.total, s.taken, "
        "array(SELECT store_id FROM item_store WHERE item_id = i.id ORDER BY store_id), "
        f"{', '.join(f'i.{name}' for name in columns)} "
        "FROM item i JOIN item_stock s ON s.item_id = i.id WHERE i.id IN ("
        "SELECT id FROM named UNION SELECT variant_of FROM named UNION "
        "SELECT v.id FROM item v JOIN named n ON n.id = v.variant_of)",
        (list(skus),),
    )
    known = {}
    for item_id, state, total, taken, stores, *values in await found.fetchall():
        row = msgspec.convert(dict(zip(columns, values, strict=True)), ItemRow)
        known[row.sku] = KnownItem(item_id, state, row, total, taken, stores)
    return known
