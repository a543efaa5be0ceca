"""Where a store is and when it is open: changed by its partner or an operator, never by another partner."""

import pytest

from liyu.core.errors import InvalidInputError
from liyu.partners.errors import UnknownStoreCodeError
from liyu.partners.register import import_partners
from liyu.partners.scope import EVERY_PARTNER
from liyu.partners.stores import StoreDetails, change_store, find_store
from tests.partners.settling import NOVEMBER, Books, partner_record
from tests.partners.test_register import STORE

DETAILS = StoreDetails(
    address_zh="新地址", address_en="New address", opening_hours="", latitude=31.2304, longitude=121.4737
)


async def test_a_store_is_changed_by_those_whose_it_is_and_keeps_its_place_when_a_file_says_none(books: Books) -> None:
    connection = books.connection
    records = [partner_record("P1", stores=[STORE]), partner_record("P2")]
    async with connection.transaction():
        await import_partners(connection, records, actor="test", now=NOVEMBER)
    owner, other = [await books.value(f"SELECT id FROM partner WHERE code = '{code}'") for code in ("P1", "P2")]
    own = await books.value("SELECT id FROM store")
    for scope, code, only in ((other, "P1-SH01", None), (owner, "P9", None), (owner, "P1-SH01", own + 1)):
        with pytest.raises(UnknownStoreCodeError):
            await change_store(scope, code, DETAILS, connection, own_store_id=only)
        with pytest.raises(UnknownStoreCodeError):
            await find_store(scope, code, connection, own_store_id=only)
    before = await change_store(owner, "P1-SH01", DETAILS, connection, own_store_id=own)
    assert (before.opening_hours, before.latitude) == ("07:00-21:00", None)
    async with connection.transaction():
        await import_partners(connection, records, actor="test", now=NOVEMBER)
    found = await find_store(EVERY_PARTNER, "P1-SH01", connection)
    assert (found.partner_code, found.address_zh, found.latitude, found.longitude) == (
        "P1", "南京西路 1 号", 31.2304, 121.4737,
    )  # fmt: skip
    half = partner_record("P1", stores=[STORE | {"latitude": 31.2}])
    with pytest.raises(InvalidInputError) as refused:
        await import_partners(connection, [half], actor="test", now=NOVEMBER)
    assert [reason.details["field"] for reason in refused.value.reasons] == ["0.stores.0.longitude"]
