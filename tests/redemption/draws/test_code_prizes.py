"""Codes of a pool as prizes: set aside with the announcement, each won once, replaced when they turn out bad."""

import asyncio
from datetime import timedelta
from random import Random

import pytest
from psycopg import AsyncConnection
from psycopg.errors import CheckViolation

from liyu.catalog.pools.imports import import_codes, split_codes
from liyu.catalog.pools.recall import Recall, recall_codes
from liyu.catalog.pools.reveal import reveal
from liyu.core.errors import DomainError
from liyu.redemption.draws.claims import claim_prize
from liyu.redemption.draws.prepare import call_off
from liyu.redemption.draws.run import run_draws
from liyu.redemption.errors import RefusedError
from tests.redemption.draws.conftest import CLOSES, DRAWS, OPENS, SECRET, Lottery
from tests.world import ZONE

_STOCK = "SELECT ARRAY[s.total, s.taken] FROM item_stock s JOIN item i ON i.id = s.item_id WHERE i.sku = 'codes'"
_KEPT = "SELECT count(*) FROM pool_code WHERE kept"
_TOTAL = """
    SELECT s.total - s.taken - count(c.id) FROM item_stock s JOIN item i ON i.id = s.item_id AND i.sku = 'codes'
    LEFT JOIN pool_code c ON c.item_id = i.id AND c.redemption_id IS NULL AND c.recall_id IS NULL AND NOT c.kept
    GROUP BY s.total, s.taken"""

_GIVEN = """
    SELECT ARRAY[count(*), count(DISTINCT redemption_id)] FROM pool_code
    WHERE redemption_id IS NOT NULL AND replaced_by IS NULL"""
_SOLD = "SELECT ARRAY[count(*), count(*)] FROM redemption r JOIN item i ON i.id = r.item_id WHERE i.sku = 'codes'"


async def _bring(lottery: Lottery, text: str) -> None:
    world = lottery.world
    await import_codes(
        world.connection, "codes", split_codes(text), secret_key=SECRET, actor="test", now=world.clock.now()
    )


async def _recall(lottery: Lottery, text: str) -> None:
    world = lottery.world
    recall = Recall("bad", codes=split_codes(text))
    await recall_codes(world.connection, "codes", recall, secret_key=SECRET, actor="test", now=world.clock.now())


async def _won(lottery: Lottery) -> list[tuple[list[str], int]]:
    """What each winner sees: codes, and how many are still to come."""
    world = lottery.world
    found = await world.connection.execute(
        "SELECT r.member_id, r.id FROM redemption r WHERE r.channel = 'draw' ORDER BY r.id"
    )
    seen = [
        await reveal(world.connection, member, redemption, secret_key=SECRET, now=world.clock.now())
        for member, redemption in await found.fetchall()
    ]
    return [(one.codes, one.waiting) for one in seen]


@pytest.fixture
async def pool(lottery: Lottery) -> Lottery:
    """A pool with the codes A1 to A4."""
    await lottery.world.item("codes", kind="code", points=10, stock=0)
    await _bring(lottery, "A1\nA2\nA3\nA4")
    return lottery


async def test_codes_are_set_aside_and_every_winner_gets_one(pool: Lottery) -> None:
    world = pool.world
    await pool.open({"codes": 3})
    assert await world.one(_STOCK) == [4, 3]
    await world.redeem("m9", "codes")
    with pytest.raises(CheckViolation):
        await world.connection.execute("UPDATE pool_code SET redemption_id = (SELECT id FROM redemption) WHERE kept")
    with pytest.raises(RefusedError):
        await world.redeem("m8", "codes")
    await _bring(pool, "B1")
    await world.redeem("m8", "codes")
    await pool.enter(*(f"m{number}" for number in range(6)))
    await pool.decide()
    won = await _won(pool)
    assert len({codes[0] for codes, waiting in won if not waiting}) == len(won) == 3
    assert (await world.one(_STOCK), await world.one(_KEPT)) == ([5, 5], 0)


async def test_a_bad_code_gives_its_place_to_a_good_one_and_its_winner_waits_for_the_next_at_worst(
    pool: Lottery,
) -> None:
    world = pool.world
    await pool.open({"codes": 2})
    await _recall(pool, "A4")
    assert (await world.one(_STOCK), await world.one(_KEPT)) == ([3, 2], 2)
    await _recall(pool, "A1\nA2\nA3")
    assert (await world.one(_STOCK), await world.one(_KEPT)) == ([2, 2], 2)
    await pool.enter("m0", "m1")
    await pool.decide()
    assert await _won(pool) == [([], 1), ([], 1)]
    await _bring(pool, "B1\nB2\nB3")
    (one, other) = await _won(pool)
    assert (one[1], other[1]) == (0, 0)
    assert one[0] != other[0]
    assert {*one[0], *other[0]} < {"B1", "B2", "B3"}
    assert await world.one("SELECT count(*) FROM member_notice WHERE topic = 'code_replaced'") == 2
    assert await world.one(_STOCK) == [3, 2]


async def test_winners_get_the_good_codes_and_bad_ones_do_not_go_back_on_sale(pool: Lottery) -> None:
    world = pool.world
    await _bring(pool, "Z1")
    number = await pool.open({"codes": 5}, claim_hours=1)
    await _recall(pool, "A1\nA2\nA3")
    await pool.enter("m0", "m1")
    await pool.decide()
    for member in ("m0", "m1"):
        member_id = await world.one("SELECT id FROM member WHERE external_id = %s", member)
        await claim_prize(world.connection, number, member_id, actor="test", now=world.clock.now(), zone=ZONE)
    assert sorted(await _won(pool)) == [(["A4"], 0), (["Z1"], 0)]
    for _ in range(4):
        await pool.run(timedelta(hours=1))
    assert (await world.one(_STOCK), await world.one(_KEPT)) == ([2, 2], 0)


async def test_any_history_keeps_as_many_codes_as_there_are_prizes_and_gives_each_once(pool: Lottery) -> None:
    """Draws come and go while codes come in, are sold and turn out bad; the proof of the books compares after every step."""
    world, draw = pool.world, Random(7)
    await world.item("entry2", kind="draw", state="draft", points=1, on_sale_from=OPENS, on_sale_to=CLOSES)
    plans = [await pool.plan({"codes": 2}), await pool.plan({"codes": 1}, sku="entry2", claim_hours=5)]
    fresh = 0
    for step in range(24):
        try:
            match draw.randrange(4):
                case 0:
                    fresh += 2
                    await _bring(pool, f"C{fresh}\nC{fresh + 1}")
                case 1:
                    await world.redeem(f"m{draw.randrange(10)}", "codes")
                case 2:
                    await _recall(pool, draw.choice(["A1", "A2", "A3", "A4", "C2", "C3", "C4"]))
                case _ if plans and step < 20:
                    await pool.announce(plans.pop())
        except DomainError:
            pass
        assert await world.one(_TOTAL) == 0
        assert (await world.proof()).balanced
    assert (plans, await world.one(_KEPT)) == ([], 3)
    world.clock.instant = OPENS
    await pool.enter("m0", "m1", "m2")
    async with world.connection.transaction():
        await call_off(
            world.connection,
            await world.one("SELECT number FROM draw ORDER BY claim_hours LIMIT 1"),
            reason="x", actor="test", now=OPENS,
        )  # fmt: skip
    await pool.decide()
    assert await world.one(_TOTAL) == 0
    assert await world.one(_GIVEN) == await world.one(_SOLD)


async def test_selling_recalling_and_deciding_at_once_gives_every_code_once(pool: Lottery) -> None:
    world = pool.world
    await pool.open({"codes": 3})
    await pool.enter(*(f"m{number}" for number in range(6)))
    world.clock.instant = CLOSES
    await pool.run()
    world.clock.instant = DRAWS
    workers = [await AsyncConnection.connect(world.url, autocommit=True, options="-c timezone=UTC") for _ in range(3)]

    async def recall() -> None:
        bad = Recall("bad", codes=split_codes("A4"))
        await recall_codes(workers[2], "codes", bad, secret_key=SECRET, actor="test", now=DRAWS)

    async with world.desk() as desk:
        await asyncio.gather(
            *(run_draws(one, secret_key=SECRET, now=DRAWS, zone=ZONE) for one in workers[:2]),
            recall(),
            *(desk.redeem(world.wish(f"m{number}", "codes")) for number in range(6, 10)),
            return_exceptions=True,
        )
    for one in workers:
        await one.close()
    assert await world.one("SELECT count(*) FROM redemption WHERE channel = 'draw'") == 3
    assert await world.one(_GIVEN) == await world.one(_SOLD)
    assert await world.one(_TOTAL) == 0
