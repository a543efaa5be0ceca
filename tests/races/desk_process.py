"""A desk in a process of its own, for race tests: `python -m tests.races.desk_process`.

Its orders are the first line of standard input. It waits for a second line, puts all wishes to its desk at once and prints one
line per outcome as it is known.
With `unguarded` the locks are left out, and with `pause` the first batch waits between reading and writing, so that, however late
the other process gets its turn, it reads meanwhile. Later batches, of which there may be many, wait for a moment.
"""

import asyncio
import sys
from itertools import chain, repeat
from typing import Any

import msgspec

from liyu.core.clock import SystemClock
from liyu.core.errors import DomainError
from liyu.redemption import desk as desk_module
from liyu.redemption import load, save
from liyu.redemption.desk import Desk
from liyu.redemption.state import RedeemRequest
from tests.world import ZONE

MOMENT = 0.1


class Orders(msgspec.Struct):
    """What the test tells the process."""

    url: str
    wishes: list[RedeemRequest]
    unguarded: bool = False
    pause: float = 0.0
    batch_size: int = 256


def leave_out_the_locks() -> None:
    """Read accounts, stocks and tags without locking them."""
    locking = (
        (load, "_LOCK_ACCOUNTS"), (load, "LOCK_STOCKS"), (load, "_LOAD_STOCKS_AND_PEOPLE"), (save, "_CLAIM_STOCKS"),
    )  # fmt: skip
    for module, name in locking:
        unlocked = getattr(module, name).replace("FOR UPDATE", "").replace("FOR KEY SHARE", "")
        setattr(module, name, unlocked)


def pause_before_writing(seconds: float) -> None:
    """Let time pass between reading and writing."""
    save = vars(desk_module)["save"]
    pauses = chain([seconds], repeat(min(seconds, MOMENT)))

    async def save_late(*arguments: Any) -> None:
        await asyncio.sleep(next(pauses))
        await save(*arguments)

    vars(desk_module)["save"] = save_late


async def work(orders: Orders) -> None:
    """Put every wish to the desk and tell how each ended."""
    desk = Desk(orders.url, SystemClock(), ZONE)
    await desk.open()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    await asyncio.gather(*(tell(desk, wish) for wish in orders.wishes))
    await desk.close()


async def tell(desk: Desk, wish: RedeemRequest) -> None:
    """One outcome on one line, at once."""
    try:
        redeemed = await desk.redeem(wish)
        print(f"granted {redeemed.number} {wish.key}", flush=True)
    except DomainError as refusal:
        print(f"refused {refusal.code} {wish.key}", flush=True)


if __name__ == "__main__":
    given = msgspec.json.decode(sys.stdin.readline(), type=Orders)
    if given.unguarded:
        leave_out_the_locks()
    if given.pause:
        pause_before_writing(given.pause)
    vars(desk_module)["BATCH_SIZE"] = given.batch_size
    asyncio.run(work(given))
