"""Shipping: no unit is sent twice, wrong waybills are told, files send what is right in them, parcels complete their order."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
from psycopg import AsyncConnection

from liyu.core.errors import DomainError, InvalidInputError, NotFoundError
from liyu.core.storage import FolderStorage
from liyu.redemption.shipping.batches import apply_file, dry_run, load_file, take_in
from liyu.redemption.shipping.carriers import CARRIERS, find_carrier
from liyu.redemption.shipping.errors import NotShippableError, ParcelKnownError, TooManyUnitsError
from liyu.redemption.shipping.parcels import (
    Waybill,
    check_waybill,
    correct_parcel,
    receive_overdue,
    receive_parcels,
    send_parcel,
)
from liyu.redemption.shipping.queries import list_parcels, list_to_send
from liyu.redemption.shipping.sheet import read_sheet, write_to_send
from tests.world import ZONE, World, open_world

SF, ZTO = "SF1234567890123", "75312345678901"


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    async with open_world(database_url) as opened:
        await opened.member("m", points=1_000)
        await opened.item("mug", kind="goods", points=10)
        yield opened


async def _send(world: World, number: str, waybill: Waybill, partner_id: int | None = None) -> int:
    async with world.connection.transaction():
        return await send_parcel(
            world.connection, number, waybill, partner_id=partner_id, actor="staff:1", now=world.clock.now()
        )


async def _state(world: World, number: str) -> Any:
    return await world.one("SELECT state FROM redemption WHERE number = %s", number)


async def _receive(world: World, number: str, actor: str = "member:1") -> None:
    order = await world.one("SELECT id FROM redemption WHERE number = %s", number)
    async with world.connection.transaction():
        await receive_parcels(world.connection, order, actor=actor, now=world.clock.now())


@pytest.mark.parametrize("carrier", CARRIERS.values(), ids=CARRIERS)
def test_every_carrier_knows_its_own_numbers_however_they_are_typed(carrier: Any) -> None:
    typed = " ".join(carrier.example.lower())
    assert check_waybill(Waybill(carrier.code, typed)).tracking_number == carrier.example
    assert {find_carrier(name) for name in (carrier.name_zh, carrier.name_en, *carrier.names)} == {carrier}
    assert carrier.follows(carrier.example).endswith(carrier.example)
    with pytest.raises(InvalidInputError) as refusal:
        check_waybill(Waybill(carrier.code, "12", 0))
    assert {one.details["field"] for one in refusal.value.reasons} == {"tracking_number", "quantity"}


async def test_an_order_goes_in_parcels_and_is_complete_when_the_last_has_arrived(world: World) -> None:
    number = (await world.redeem("m", "mug", 3)).number
    assert await _send(world, number, Waybill("SF", SF, 1)) == 1
    with pytest.raises(ParcelKnownError):
        await _send(world, number, Waybill("SF", SF, 1))
    with pytest.raises(TooManyUnitsError):
        await _send(world, number, Waybill("ZTO", ZTO, 3))
    await _receive(world, number)
    assert await _state(world, number) == "fulfilling"
    assert await _send(world, number, Waybill("ZTO", ZTO)) == 2
    with pytest.raises(NotShippableError):
        await _send(world, number, Waybill("SF", "SF1234567890999"))
    order = await world.one("SELECT id FROM redemption")
    parcels = await list_parcels(world.connection, order)
    async with world.connection.transaction():
        await correct_parcel(
            world.connection, number, parcels[1].id, Waybill("STO", "773123456789012"), partner_id=None
        )
    assert [one.carrier for one in await list_parcels(world.connection, order)] == ["SF", "STO"]
    assert await world.one("SELECT count(*) FROM member_notice WHERE topic = 'order_sent'") == 1
    assert await receive_overdue(world.connection, 10, now=world.clock.now()) == 0
    world.clock.instant += timedelta(days=10)
    assert await receive_overdue(world.connection, 10, now=world.clock.now()) == 1
    assert await receive_overdue(world.connection, 10, now=world.clock.now()) == 0
    assert await _state(world, number) == "completed"
    with pytest.raises(DomainError):
        await _receive(world, number)


async def test_what_cannot_be_sent_stays_as_it_is(world: World) -> None:
    coupon = (await world.redeem("m", await world.item("coupon"))).number
    mug = (await world.redeem("m", "mug")).number
    for number, waybill, partner, fault in (
        (coupon, Waybill("SF", SF), None, NotShippableError),
        (mug, Waybill("SF", "nonsense"), None, InvalidInputError),
        (mug, Waybill("DHL", SF), None, InvalidInputError),
        (mug, Waybill("SF", SF), 77, NotFoundError),
        ("R0", Waybill("SF", SF), None, NotFoundError),
    ):
        with pytest.raises(fault):
            await _send(world, number, waybill, partner)
    assert await world.one("SELECT count(*) FROM parcel") == 0
    assert await _state(world, mug) == "confirmed"


async def test_two_who_send_the_same_order_send_it_once(world: World, database_url: str) -> None:
    number = (await world.redeem("m", "mug", 2)).number

    async def send(tracking: str) -> bool:
        async with await AsyncConnection.connect(database_url) as connection:
            try:
                await send_parcel(
                    connection, number, Waybill("SF", tracking), partner_id=None, actor="staff:1", now=world.clock.now()
                )
            except DomainError:
                return False
            return True

    done = await asyncio.gather(*(send(f"SF12345678901{place:02d}") for place in range(8)))
    assert done.count(True) == 1
    assert await world.one("SELECT sum(quantity) FROM parcel") == 2


async def test_a_file_sends_what_is_right_in_it_and_names_the_rest(world: World, tmp_path: Path) -> None:
    numbers = [(await world.redeem("m", "mug", 2)).number for _ in range(3)]
    book = tmp_path / "to-send.xlsx"
    written = await write_to_send(
        world.connection, None, book, translate=lambda text: text, name_of=lambda one, name: "Mug", zone=ZONE
    )
    assert written == 3
    assert read_sheet(book.read_bytes()) == ([], [])
    rows: list[tuple[str, ...]] = [
        (numbers[0], "顺丰", SF, "1"), (numbers[0], "SF", SF, "1"), (numbers[0], "中通", ZTO, ""), (numbers[1], "SF", SF, "3"),
        (numbers[2], "", SF, ""), ("R0", "SF", SF, "x"), (numbers[2], "", "", ""),
    ]  # fmt: skip
    content = _workbook(tmp_path, ("订单号", "快递公司", "快递单号", "本件数量"), rows)
    storage = FolderStorage(tmp_path)
    await storage.put("file", content, "application/octet-stream")
    upload = await take_in(world.connection, None, "x.xlsx", "file", actor="staff:1", now=world.clock.now())
    plan = await dry_run(world.connection, storage, await load_file(world.connection, None, upload))
    assert [(one.row, one.quantity) for one in plan.parcels] == [(2, 1), (4, 1)]
    assert {(one.row, one.column) for one in plan.faults} == {
        (3, "tracking_number"), (5, "quantity"), (6, "carrier"), (7, "number"), (7, "quantity"),
    }  # fmt: skip
    assert await world.one("SELECT count(*) FROM parcel") == 0
    async with world.connection.transaction():
        await apply_file(world.connection, storage, None, upload, actor="staff:1", now=world.clock.now())
    with pytest.raises(DomainError):
        await apply_file(world.connection, storage, None, upload, actor="staff:1", now=world.clock.now())
    assert await world.one("SELECT result FROM shipping_upload") == {"parcels": 2, "faults": 4}
    assert await world.one("SELECT sum(quantity) FROM parcel") == 2
    left, _ = await list_to_send(world.connection, None)
    assert [(one.number, one.left) for one in left] == [(numbers[1], 2), (numbers[2], 2)]
    assert (await list_to_send(world.connection, 77))[0] == []
    with pytest.raises(NotFoundError):
        await load_file(world.connection, 77, upload)


def _workbook(folder: Path, header: tuple[str, ...], rows: list[tuple[str, ...]]) -> bytes:
    path = folder / "filled.xlsx"
    with xlsxwriter.Workbook(str(path)) as book:
        sheet = book.add_worksheet()
        for line, row in enumerate([header, *rows]):
            for place, cell in enumerate(row):
                sheet.write_string(line, place, cell)
    return path.read_bytes()
