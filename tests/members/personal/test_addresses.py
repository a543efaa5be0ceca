"""Addresses: real divisions, one default, one's own only."""

import asyncio

import pytest
from msgspec import structs
from psycopg import AsyncConnection

from liyu.core.errors import InvalidInputError, NotFoundError
from liyu.members.personal.addresses import (
    MOST_ADDRESSES,
    AddressDraft,
    delete_address,
    find_address,
    list_addresses,
    make_default,
    save_address,
)
from liyu.members.personal.divisions import cities_of, districts_of, division_code, provinces
from liyu.members.personal.errors import TooManyAddressesError
from tests.members.personal.people import OTHER_PHONE, enrol
from tests.world import NOW, open_world

HOME = AddressDraft(
    recipient="林岚", phone="138 0013 8000", province="上海市", city="市辖区", district="徐汇区", detail="漕溪北路 1 号"
)


def test_the_divisions_are_whole() -> None:
    assert len(provinces()) == 34
    districts = [(p, c, d) for p in provinces() for c in cities_of(p) for d in districts_of(p, c)]
    assert len([one for one in districts if division_code(*one)]) == 2_978 - 4 + 82, (
        "townships stand for the districts of four cities that have none"
    )
    assert all(cities_of(p) and districts_of(p, c) for p in provinces() for c in cities_of(p))
    assert division_code("北京市", "市辖区", "东城区") == "110101"
    assert division_code("香港特别行政区", "九龙", "观塘区") is None
    assert districts_of("北京市", "上海市") == cities_of("Nowhere") == []


async def test_there_is_always_one_default_and_the_newest_takes_its_place(database_url: str) -> None:
    async with open_world(database_url) as world:
        one, connection = await enrol(world), world.connection
        first = await save_address(connection, one, HOME, now=NOW)
        second = await save_address(connection, one, structs.replace(HOME, label="公司"), now=NOW)
        assert [(a.id, a.is_default) for a in await list_addresses(connection, one)] == [(first, True), (second, False)]
        assert (await find_address(connection, one, first)).phone == "+8613800138000"
        assert (await find_address(connection, one, first)).region == "上海市徐汇区"
        await save_address(connection, one, HOME, now=NOW, address_id=first)
        assert (await find_address(connection, one, first)).is_default, "a default is given up by naming another"
        await make_default(connection, one, second)
        third = await save_address(connection, one, HOME, now=NOW)
        await delete_address(connection, one, second)
        assert [(a.id, a.is_default) for a in await list_addresses(connection, one)] == [(third, True), (first, False)]


async def test_a_faulty_address_names_every_fault_and_changes_nothing(database_url: str) -> None:
    async with open_world(database_url) as world:
        one = await enrol(world)
        faulty = structs.replace(HOME, recipient=" ", phone="12", district="静安县", detail="x" * 300, label="l" * 21)
        with pytest.raises(InvalidInputError) as refused:
            await save_address(world.connection, one, faulty, now=NOW)
        fields = {reason.details["field"] for reason in refused.value.reasons}
        assert fields == {"recipient", "phone", "district", "detail", "label"}
        assert await list_addresses(world.connection, one) == []


async def test_nobody_reaches_the_address_of_another(database_url: str) -> None:
    async with open_world(database_url) as world:
        one, other = await enrol(world), await enrol(world, "m-2", OTHER_PHONE)
        theirs = await save_address(world.connection, other, HOME, now=NOW)
        for act in (
            find_address(world.connection, one, theirs),
            save_address(world.connection, one, HOME, now=NOW, address_id=theirs),
            make_default(world.connection, one, theirs),
            delete_address(world.connection, one, theirs),
        ):
            with pytest.raises(NotFoundError):
                await act
        assert [a.is_default for a in await list_addresses(world.connection, other)] == [True]
        assert await list_addresses(world.connection, one) == []


async def test_the_book_is_never_fuller_than_full_under_parallel_saves(database_url: str) -> None:
    async with open_world(database_url) as world:
        one = await enrol(world)
        for _ in range(MOST_ADDRESSES - 1):
            await save_address(world.connection, one, HOME, now=NOW)

        async def save() -> bool:
            async with await AsyncConnection.connect(database_url) as connection:
                try:
                    await save_address(connection, one, HOME, now=NOW)
                except TooManyAddressesError:
                    return False
                return True

        assert sorted(await asyncio.gather(*(save() for _ in range(6)))) == [False] * 5 + [True]
        assert len(await list_addresses(world.connection, one)) == MOST_ADDRESSES
