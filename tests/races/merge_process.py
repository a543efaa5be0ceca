"""A merge in a process of its own, for race tests: `python -m tests.races.merge_process URL SOURCE TARGET [unguarded]`.

It says `ready`, waits for a line, merges, waits once more before it commits, and prints how it ended. `unguarded` leaves the
locks of the accounts out.
"""

import asyncio
import sys

from psycopg import AsyncConnection, Error

from liyu.core.errors import DomainError
from liyu.members import leads
from liyu.redemption.merge import merge
from tests.world import NOW, ZONE

PAUSE = 0.6


async def work(url: str, source: str, target: str) -> str:
    """Merge and tell how it ended."""
    async with await AsyncConnection.connect(url, autocommit=True, options="-c timezone=UTC") as connection:
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        try:
            async with connection.transaction():
                merged = await merge(connection, source, target, reason="race", actor="test", now=NOW, zone=ZONE)
                print("merging", flush=True)
                await asyncio.sleep(PAUSE)
        except DomainError as refusal:
            return f"refused {refusal.code}"
        except Error as fault:
            return f"failed {type(fault).__name__}"
        return f"merged {merged.members.points.usable} {merged.redemptions}"


if __name__ == "__main__":
    if "unguarded" in sys.argv:
        leads._LOCK = leads._LOCK.replace("FOR UPDATE", "")
    print(asyncio.run(work(*sys.argv[1:4])), flush=True)
