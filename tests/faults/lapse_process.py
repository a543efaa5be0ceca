"""A process that lapses points, or reminds of them, in small portions until it is done or killed.

Started as `python -m tests.faults.lapse_process URL expire|remind DAY`; it prints a line for each portion.
"""

import asyncio
import sys
from datetime import UTC, date, datetime

from psycopg import AsyncConnection

from liyu.members.points import expiry_remind, portions
from liyu.members.points.expiry_remind import remind_of_lapses
from liyu.members.points.lapse import lapse_points
from liyu.web.i18n import load_catalogs, translate

PORTION = 5


def _say(done: object) -> None:
    print(done, flush=True)


async def work(url: str, what: str, day: date) -> None:
    """Do it all."""
    now = datetime.now(UTC)
    async with await AsyncConnection.connect(url, autocommit=True, options="-c timezone=UTC") as connection:
        _say("ready")
        if what == "expire":
            await lapse_points(connection, day, actor="system", now=now, report=_say)
        else:
            await remind_of_lapses(
                connection, day, now=now, translate=translate, base_url="http://x", locale="zh_CN", report=_say
            )


if __name__ == "__main__":
    portions.PORTION = expiry_remind.PORTION = PORTION
    load_catalogs()
    asyncio.run(work(sys.argv[1], sys.argv[2], date.fromisoformat(sys.argv[3])))
