from typing import Any

import pytest
from psycopg import AsyncConnection

from liyu.catalog.errors import ItemNotFoundError, NotACodeItemError, StockOfPoolError
from liyu.catalog.pools import import_codes, reveal, reveal_to_operator
from liyu.catalog.publish import publish_items
from liyu.catalog.records import ItemRecord
from liyu.catalog.service import set_stock
from liyu.core.errors import NotFoundError
from tests.catalog.conftest import NOW, SECRET, ZONE, add_member, add_redemption, fetch


@pytest.fixture
async def pools(connection: AsyncConnection[Any]) -> None:
    items = [
        ItemRecord(sku=sku, kind=kind, name_zh=sku, points=10)
        for sku, kind in (("A", "code"), ("B", "code"), ("C", "goods"))
    ]
    await publish_items(connection, items, actor="test", now=NOW, zone=ZONE)


async def stock(connection: AsyncConnection[Any], sku: str) -> int:
    found = await fetch(
        connection, "SELECT total FROM item_stock s JOIN item i ON i.id = s.item_id WHERE sku = %s", sku
    )
    return int(found[0][0])


@pytest.mark.usefixtures("pools")
async def test_every_code_gets_its_answer_and_stock_follows(connection: AsyncConnection[Any]) -> None:
    first = await import_codes(connection, "A", ["ONE", " TWO ", "", "ONE", "x" * 501, "nul\0"], secret_key=SECRET)
    assert first.statuses == ["ok", "ok", "failed", "duplicate", "failed", "failed"]
    assert first.total == await stock(connection, "A") == 2
    again = await import_codes(connection, "B", ["ONE", "THREE", "THREE"], secret_key=SECRET)
    assert again.statuses == ["existing", "ok", "duplicate"]
    assert (again.count("ok"), await stock(connection, "A"), await stock(connection, "B")) == (1, 2, 1)


@pytest.mark.usefixtures("pools")
async def test_no_code_is_readable_in_the_database(connection: AsyncConnection[Any]) -> None:
    await import_codes(connection, "A", ["SECRET-CODE"], secret_key=SECRET)
    [(secret, digest)] = await fetch(connection, "SELECT secret, secret_hash FROM pool_code")
    assert b"SECRET-CODE" not in bytes(secret) + bytes(digest)


@pytest.mark.usefixtures("pools")
async def test_only_their_owner_sees_codes(connection: AsyncConnection[Any]) -> None:
    await import_codes(connection, "A", ["ONE", "TWO"], secret_key=SECRET)
    [(item_id,)] = await fetch(connection, "SELECT id FROM item WHERE sku = 'A'")
    owner, stranger = await add_member(connection, "owner"), await add_member(connection, "stranger")
    redemption = await add_redemption(connection, owner, item_id)
    await connection.execute(
        "UPDATE pool_code SET redemption_id = %s WHERE id = (SELECT min(id) FROM pool_code)", (redemption,)
    )
    [code] = await reveal(connection, owner, redemption, secret_key=SECRET)
    assert code in ("ONE", "TWO")
    assert await reveal_to_operator(connection, redemption, secret_key=SECRET) == [code]
    with pytest.raises(NotFoundError):
        await reveal(connection, stranger, redemption, secret_key=SECRET)
    for state in ("held", "cancelled"):
        await connection.execute("UPDATE redemption SET state = %s", (state,))
        with pytest.raises(NotFoundError):
            await reveal(connection, owner, redemption, secret_key=SECRET)


@pytest.mark.usefixtures("pools")
async def test_pools_belong_to_items_with_codes(connection: AsyncConnection[Any]) -> None:
    with pytest.raises(NotACodeItemError):
        await import_codes(connection, "C", ["ONE"], secret_key=SECRET)
    with pytest.raises(ItemNotFoundError):
        await import_codes(connection, "NONE", ["ONE"], secret_key=SECRET)
    [(item_id,)] = await fetch(connection, "SELECT id FROM item WHERE sku = 'A'")
    with pytest.raises(StockOfPoolError):
        await set_stock(connection, item_id, 5, now=NOW)
    assert await fetch(connection, "SELECT 1 FROM pool_code") == []
    assert await stock(connection, "A") == 0
