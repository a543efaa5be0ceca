"""A place on the list against a unit that comes back, on connections of their own; seen to break without the stock's lock."""

import asyncio
from typing import Any

import psycopg
import pytest

from liyu.core.errors import DomainError
from liyu.redemption.drops import waiting
from tests.redemption.drops.shop import Shop, announce
from tests.world import open_world

PAUSE = 0.3
CROWD = 8


async def _do_nothing(*_: Any) -> None:
    pass


def _pause_before_joining(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let time pass between looking at what is left and joining."""
    look = vars(waiting)["_lock"]

    async def look_slowly(*arguments: Any) -> Any:
        found = await look(*arguments)
        await asyncio.sleep(PAUSE)
        return found

    monkeypatch.setattr(waiting, "_lock", look_slowly)


async def _join_while_a_unit_comes_back(shop: Shop) -> tuple[int, int]:
    """How many wait, and how many units are free, once somebody joined while the only unit was given back."""
    redeemed = await shop.redeem("m-0")
    async with (
        await psycopg.AsyncConnection.connect(shop.world.url, autocommit=True) as joining,
        await psycopg.AsyncConnection.connect(shop.world.url, autocommit=True) as cancelling,
    ):

        async def cancel_a_little_later() -> None:
            await asyncio.sleep(PAUSE / 3)
            await shop.cancel(redeemed, connection=cancelling)

        await asyncio.gather(shop.join("m-1", connection=joining), cancel_a_little_later())
    return int(await shop.world.one("SELECT count(*) FROM drop_entry WHERE state = 'waiting'")), await shop.left()


async def test_nobody_waits_while_a_unit_is_free(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_world(database_url) as world:
        shop = await announce(world, 1)
        await shop.open()
        _pause_before_joining(monkeypatch)
        assert await _join_while_a_unit_comes_back(shop) == (0, 0)
        assert await shop.offer_of("m-1") is not None


async def test_without_the_lock_somebody_waits_beside_a_free_unit(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_world(database_url) as world:
        shop = await announce(world, 1)
        await shop.open()
        _pause_before_joining(monkeypatch)
        monkeypatch.setattr(waiting, "lock_stock", _do_nothing)
        assert await _join_while_a_unit_comes_back(shop) == (1, 1)


async def test_a_crowd_that_joins_cancels_and_redeems_at_once_keeps_every_unit_in_one_hand(database_url: str) -> None:
    async with open_world(database_url) as world:
        shop = await announce(world, CROWD, members=3 * CROWD)
        await shop.open()
        redeemed = await asyncio.gather(*(shop.redeem(f"m-{number}") for number in range(CROWD)))

        async def act(number: int) -> None:
            async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
                if number < CROWD:
                    await shop.cancel(redeemed[number], connection=connection)
                else:
                    try:
                        await shop.join(f"m-{number}", connection=connection)
                    except DomainError:
                        return

        await asyncio.gather(*(act(number) for number in range(3 * CROWD)))
        kept = int(await world.one("SELECT count(*) FROM drop_offer WHERE state = 'open'"))
        waits = int(await world.one("SELECT count(*) FROM drop_entry WHERE state = 'waiting'"))
        free = await shop.left()
        assert kept + free == CROWD
        assert waits == 0 or free == 0
