"""Holds of points + cash whose workers are killed (SIGKILL) at random moments: each is captured or released, once, in time."""

import asyncio
import os
import random
import signal
import sys
from asyncio.subprocess import PIPE
from collections import Counter
from datetime import timedelta

import pytest

from liyu.redemption.payments.settle import PATIENCE, settle_due
from liyu.redemption.payments.split import HOLD_TIME
from tests.proofs import at_size
from tests.redemption.conftest import PRICE, Till, paying, peer, till
from tests.world import ZONE

ORDERS = at_size(32, 400)
KILLS = at_size(4, 40)
MINUTE = timedelta(minutes=1)

__all__ = ["paying", "peer", "till"]
pytestmark = pytest.mark.proof


async def _order(till: Till) -> dict[str, str]:
    """Orders of many members, all but some of them with a payment begun: PaymentIntents by order."""
    members = await till.world.members(*(f"h-{place}" for place in range(ORDERS)), points=1_000)
    await till.world.item("rush", points=100, cash_minor=PRICE, stock=ORDERS, per_member_limit=1)
    intents = {}
    for place, member in enumerate(members):
        # With each round of workers a few more are past their deadline.
        till.world.clock.instant += MINUTE if place % (ORDERS // KILLS) == 0 else timedelta(0)
        number = await till.order("rush", member=member)
        if place % 8:
            intents[number] = await till.intent(number)
    return intents


async def _pay_some(till: Till, chance: random.Random, intents: dict[str, str], share: float) -> None:
    """Members pay; of the webhooks some are lost, the others come once or twice."""
    told = len(till.peer.events)
    for intent in intents.values():
        if till.peer.intents[intent]["status"] == "requires_action" and chance.random() < share:
            till.peer.pay(intent=intent)
    for event in till.peer.events[told:]:
        await till.deliver(*[event] * chance.choice((0, 1, 2)), run=False)


async def _kill_again_and_again(till: Till, chance: random.Random, intents: dict[str, str]) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.faults.hold_process", till.world.url, till.peer.base, stdin=PIPE, stdout=PIPE
    )
    assert parent.stdin is not None
    assert parent.stdout is not None
    assert await parent.stdout.readline() == b"ready\n"
    for _ in range(KILLS):
        # What is released while Stripe does not answer can still be paid there: that money has to go back.
        till.peer.down = chance.random() < 0.3
        parent.stdin.write(f"{till.world.clock.now().isoformat()}\n".encode())
        workers = [int(one) for one in (await parent.stdout.readline()).split()]
        await _pay_some(till, chance, intents, 0.15)
        for worker in workers:
            await asyncio.sleep(chance.random() * (2.4 if till.peer.down else 0.12))
            os.kill(worker, signal.SIGKILL)
        assert await parent.stdout.readline() == b"gone\n"
        till.world.clock.instant += MINUTE
    till.peer.down = False
    parent.stdin.close()
    await parent.wait()


async def test_each_hold_is_captured_or_released_once_whatever_is_killed(till: Till) -> None:
    chance, world = random.Random(20261122), till.world
    intents = await _order(till)
    await _pay_some(till, chance, intents, 0.4)
    world.clock.instant += HOLD_TIME - KILLS * MINUTE
    await _kill_again_and_again(till, chance, intents)
    await _pay_some(till, chance, intents, 0.5)
    undecided = await world.one("SELECT count(*) FROM payment_hold WHERE outcome IS NULL")
    # What the killed ones left: the minutely job does the rest, and what they had begun to refund once its patience is over.
    for _ in range(2):
        world.clock.instant += PATIENCE + MINUTE
        await till.worker.run()
        await settle_due(world.connection, till.provider, world.clock.now(), ZONE)
    assert await world.one("SELECT count(*) FROM payment_hold WHERE outcome IS NULL") == 0, f"{undecided} before"
    ends = await world.connection.execute(
        "SELECT h.outcome, count(t.id) FILTER (WHERE t.to_state = 'confirmed'), "
        "count(t.id) FILTER (WHERE t.to_state = 'released') FROM payment_hold h "
        "JOIN redemption_transition t ON t.redemption_id = h.redemption_id GROUP BY h.redemption_id, h.outcome"
    )
    outcomes = Counter(await ends.fetchall())
    assert set(outcomes) <= {("captured", 1, 0), ("released", 0, 1)}
    assert outcomes.total() == ORDERS
    captured = outcomes["captured", 1, 0]
    assert 0 < captured < ORDERS
    paid = sum(one["status"] == "succeeded" for one in till.peer.intents.values())
    refunded = sum(one["amount"] for one in till.peer.refunds)
    assert paid * PRICE - refunded == captured * PRICE, "what was paid for nothing has gone back, once"
    assert await world.one("SELECT count(*) FROM voucher") == captured
    assert (
        await world.one("SELECT taken FROM item_stock s JOIN item i ON i.id = s.item_id WHERE i.sku = 'rush'")
        == captured
    )
    assert await world.one("SELECT count(*) FROM payment_refund WHERE state <> 'made'") == 0
