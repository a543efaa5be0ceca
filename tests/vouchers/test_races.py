"""Tills on real connections of their own. Each guarantee holds, and is seen to break when its guard is taken away."""

import asyncio
import itertools
import random
from collections import Counter
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from liyu.core.errors import DomainError
from liyu.redemption.cancel import cancel_redemption
from liyu.vouchers import expire, load, undo
from liyu.vouchers.errors import AlreadyUndoneError, VouchersNotCancellableError
from liyu.vouchers.states import may_become
from tests.vouchers.tills import Connections, Shops, open_shops, undo_on, verify_on
from tests.world import NOW, ZONE, World, open_world

TILLS = 50
LOCKS = ("_LOCK_REDEMPTIONS", "_LOCK_VOUCHERS")
NEVER_TOO_OFTEN = "ck_voucher_not_used_too_often"
NONCE_ONCE = "uq_verification_verifier_nonce"


def leave_out_the_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read redemptions and vouchers without locking them, and look long at what was read."""
    for name in LOCKS:
        monkeypatch.setattr(load, name, getattr(load, name).replace("FOR UPDATE", ""))
    monkeypatch.setattr(load, "_LOAD", load._LOAD + " FROM pg_sleep(0.2)")


async def _outcomes(*acts: Any) -> Counter[str]:
    """How often acts that run at the same time ended in which way."""
    results = await asyncio.gather(*acts, return_exceptions=True)
    return Counter(
        result.code
        if isinstance(result, DomainError)
        else type(result).__name__
        if isinstance(result, BaseException)
        else "done"
        for result in results
    )


async def _fifty_tills(shops: Shops, url: str) -> Counter[str]:
    voucher = await shops.voucher(agreement=False)
    async with Connections(url, TILLS) as connections:
        return await _outcomes(*(verify_on(one, shops.request(voucher)) for one in connections))


async def test_fifty_tills_use_a_voucher_once(database_url: str) -> None:
    async with open_world(database_url) as world:
        outcomes = await _fifty_tills(await open_shops(world), database_url)
        assert outcomes == {"done": 1, "already_verified": TILLS - 1}
        assert await world.one("SELECT count(*) FROM verification") == 1


async def test_without_the_locks_the_database_still_refuses_a_second_use(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_out_the_locks(monkeypatch)
    async with open_world(database_url) as world:
        outcomes = await _fifty_tills(await open_shops(world), database_url)
        assert outcomes["done"] == 1
        assert await world.one("SELECT count(*) FROM verification") == 1


async def test_without_locks_and_check_fifty_tills_use_it_again_and_again(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_out_the_locks(monkeypatch)
    async with open_world(database_url) as world:
        await _drop(world, "voucher", NEVER_TOO_OFTEN)
        outcomes = await _fifty_tills(await open_shops(world), database_url)
        assert outcomes["done"] > 1
        assert await world.one("SELECT uses FROM voucher") == outcomes["done"]


async def _drop(world: World, table: str, constraint: str) -> None:
    await world.connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {constraint}")


async def _same_nonce(shops: Shops, url: str) -> list[int]:
    voucher = await shops.voucher(uses=20)
    async with Connections(url, 12) as connections:
        request = shops.request(voucher, nonce="n")
        answers = await asyncio.gather(*(verify_on(one, request) for one in connections))
    return [answer.verification_id for answer in answers]


@pytest.mark.parametrize("locked", [True, False])
async def test_the_same_nonce_at_the_same_time_is_one_use(
    database_url: str, monkeypatch: pytest.MonkeyPatch, locked: bool
) -> None:
    if not locked:
        leave_out_the_locks(monkeypatch)
    async with open_world(database_url) as world:
        answers = await _same_nonce(await open_shops(world), database_url)
        assert len(set(answers)) == 1
        assert await world.one("SELECT uses FROM voucher") == 1


async def test_without_guards_the_same_nonce_uses_again(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    leave_out_the_locks(monkeypatch)
    async with open_world(database_url) as world:
        await _drop(world, "verification", NONCE_ONCE)
        await _same_nonce(await open_shops(world), database_url)
        assert await world.one("SELECT uses FROM voucher") > 1


async def _undo_together(shops: Shops, url: str) -> Counter[str]:
    voucher = await shops.voucher(uses=9, agreement=False)
    used = [await shops.verify(voucher) for _ in range(9)]
    async with Connections(url, 8) as connections:
        return await _outcomes(*(undo_on(one, shops, used[0].verification_id) for one in connections))


async def _use_many_under(limit: str, shops: Shops, url: str) -> Counter[str]:
    """Vouchers of redemptions of their own: nothing but the count of the day is what their tills meet at."""
    first = await shops.voucher(agreement=False)
    sku = await shops.world.one("SELECT i.sku FROM item i JOIN voucher v ON v.item_id = i.id")
    others = [(await shops.world.redeem("m-1", sku)).voucher_ids[0] for _ in range(9)]
    await shops.world.connection.execute(
        f"INSERT INTO till_rule (item_id, {limit}) SELECT item_id, 3 FROM voucher LIMIT 1"
    )
    async with Connections(url, 10) as connections:
        vouchers = [first, *others]
        return await _outcomes(*(verify_on(c, shops.request(v)) for c, v in zip(connections, vouchers, strict=True)))


@pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "guard removed"])
@pytest.mark.parametrize("limit", ["member_uses_a_day", "store_uses_a_day"])
async def test_the_count_of_a_day_holds_over_all_vouchers_of_a_member_or_at_a_store(
    database_url: str, guarded: bool, limit: str
) -> None:
    async with open_world(database_url) as world:
        if not guarded:
            await _drop(world, "till_day_use", "ck_till_day_use_within_the_day")
        outcomes = await _use_many_under(limit, await open_shops(world), database_url)
        assert outcomes["done"] == 3 if guarded else outcomes["done"] > 3
        assert await world.one("SELECT used FROM till_day_use") == outcomes["done"]


async def test_a_verification_is_taken_back_once(database_url: str) -> None:
    async with open_world(database_url) as world:
        outcomes = await _undo_together(await open_shops(world), database_url)
        assert outcomes == {"done": 1, AlreadyUndoneError.code: 7}
        assert await world.one("SELECT uses FROM voucher") == 8


async def test_without_its_condition_a_verification_is_taken_back_twice(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(undo, "_MARK", undo._MARK.replace("AND undone_at IS NULL", ""))
    async with open_world(database_url) as world:
        outcomes = await _undo_together(await open_shops(world), database_url)
        assert outcomes == {"done": 8}
        # The world proves its books when it is left: put right what this run broke on purpose.
        assert await world.one("SELECT uses FROM voucher") == 1
        await world.connection.execute("UPDATE voucher SET uses = 8")


async def _use_two_of_an_order(shops: Shops, url: str) -> str:
    """The second till comes while the first has not committed yet."""
    first, second = await shops.vouchers(2, agreement=False)
    async with Connections(url, 2) as (one, other):
        async with one.transaction():
            await verify_on(one, shops.request(first))
            waiting = asyncio.create_task(verify_on(other, shops.request(second)))
            await asyncio.wait([waiting], timeout=0.3)
        await waiting
    return str(await shops.world.one("SELECT state FROM redemption"))


async def test_two_tills_complete_an_order_together(database_url: str) -> None:
    async with open_world(database_url) as world:
        assert await _use_two_of_an_order(await open_shops(world), database_url) == "completed"


async def test_without_the_lock_neither_completes_it(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "_LOCK_REDEMPTIONS", load._LOCK_REDEMPTIONS.replace("FOR UPDATE", ""))
    async with open_world(database_url) as world:
        assert await _use_two_of_an_order(await open_shops(world), database_url) == "confirmed"


async def _expire_during_a_use(shops: Shops, url: str) -> tuple[str, int]:
    voucher = await shops.voucher()
    end = await shops.world.one("SELECT expires_at FROM voucher")
    async with Connections(url, 2) as (till, job):
        async with till.transaction():
            await verify_on(till, shops.request(voucher), now=end - timedelta(seconds=1))
            expiring = asyncio.create_task(expire.expire_vouchers(job, end))
            await asyncio.wait([expiring], timeout=0.3)
        await expiring
    return await shops.state(voucher)


async def test_a_voucher_in_use_is_not_expired_under_the_till(database_url: str) -> None:
    async with open_world(database_url) as world:
        assert await _expire_during_a_use(await open_shops(world), database_url) == ("used_up", 1)


async def test_without_its_lock_the_job_expires_a_used_voucher(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expire, "_EXPIRE", expire._EXPIRE.replace("FOR UPDATE SKIP LOCKED", ""))
    async with open_world(database_url) as world:
        assert await _expire_during_a_use(await open_shops(world), database_url) == ("expired", 1)


async def test_cancelling_waits_for_a_till_and_then_refuses(database_url: str) -> None:
    async with open_world(database_url) as world:
        shops = await open_shops(world)
        voucher, _ = await shops.vouchers(2)
        number = await world.one("SELECT number FROM redemption")
        async with Connections(database_url, 2) as (till, office):

            async def cancel() -> None:
                async with office.transaction():
                    await cancel_redemption(office, number, member_id=None, reason="no", actor="t", now=NOW, zone=ZONE)

            async with till.transaction():
                await verify_on(till, shops.request(voucher))
                cancelling = asyncio.create_task(cancel())
                done, _ = await asyncio.wait([cancelling], timeout=0.3)
                assert not done
            with pytest.raises(VouchersNotCancellableError):
                await cancelling
        assert await world.one("SELECT count(*) FROM voucher WHERE state = 'cancelled'") == 0


async def test_verifying_undoing_and_running_out_at_once_keeps_the_books(database_url: str) -> None:
    """The world proves its books when it is left; here the chain of states of every voucher is looked at, too."""
    async with open_world(database_url) as world:
        shops = await open_shops(world)
        vouchers = [one for uses in (1, 2, 5) for one in await shops.vouchers(3, uses=uses)]
        end = await world.one("SELECT expires_at FROM voucher LIMIT 1")
        draw = random.Random(11)

        async def act(connection: psycopg.AsyncConnection[Any]) -> None:
            for _ in range(25):
                moment = end + timedelta(seconds=draw.randint(-90, 1))
                try:
                    match draw.randrange(8):
                        case 0:
                            await expire.expire_vouchers(connection, moment)
                        case 1 | 2 | 3:
                            await undo_on(connection, shops, draw.randint(1, 60), now=moment)
                        case _:
                            await verify_on(connection, shops.request(draw.choice(vouchers)), now=moment)
                except DomainError:
                    continue

        async with Connections(database_url, 8) as connections:
            await asyncio.gather(*(act(connection) for connection in connections))
        for voucher in vouchers:
            steps = [(None, "issued"), *await shops.steps(voucher)]
            assert all(before[1] == after[0] for before, after in itertools.pairwise(steps))
            assert all(may_become(*step) for step in steps)
            assert steps[-1][1] == (await shops.state(voucher))[0]
