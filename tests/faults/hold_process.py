"""Workers of payments to be killed: `python -m tests.faults.hold_process URL STRIPE`.

For each instant on standard input two workers are forked, and their ids printed; both handle webhooks and settle deadlines, again
and again, as at that instant. Forking spares importing everything for each of them.
"""

import asyncio
import os
import sys
from datetime import datetime

from psycopg import AsyncConnection

from liyu.redemption.payments.events import handle_event
from liyu.redemption.payments.provider import Provider
from liyu.redemption.payments.settle import settle_due
from tests.redemption.stripe_peer import KEY, SECRET
from tests.world import ZONE

WORKERS = 2


async def handle_events(url: str, now: datetime) -> None:
    """Do what stored events ask for; how many times is enough is for whoever kills this."""
    async with await AsyncConnection.connect(url, autocommit=True) as connection:
        while True:
            found = await connection.execute(
                "SELECT event_id FROM payment_event WHERE handled_at IS NULL ORDER BY random()"
            )
            for (event_id,) in await found.fetchall():
                await handle_event(connection, event_id, now, ZONE)
            await asyncio.sleep(0.001)


async def settle(url: str, stripe: str, now: datetime) -> None:
    """Release what is past its deadline, and take up what was left."""
    async with await AsyncConnection.connect(url, autocommit=True) as connection:
        while True:
            await settle_due(connection, Provider(KEY, SECRET, stripe), now, ZONE)
            await asyncio.sleep(0.001)


async def work(url: str, stripe: str, now: datetime) -> None:
    """Both at once."""
    await asyncio.gather(handle_events(url, now), settle(url, stripe, now))


def fork(url: str, stripe: str, now: datetime) -> int:
    """A worker; its process id."""
    child = os.fork()
    if child == 0:
        # What it logs is no answer to whoever waits for ids.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        asyncio.run(work(url, stripe, now))
    return child


if __name__ == "__main__":
    print("ready", flush=True)
    for line in sys.stdin:
        children = [fork(sys.argv[1], sys.argv[2], datetime.fromisoformat(line.strip())) for _ in range(WORKERS)]
        print(*children, flush=True)
        for one in children:
            os.waitpid(one, 0)
        print("gone", flush=True)
