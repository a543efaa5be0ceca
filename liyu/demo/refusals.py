"""What the demo's tills refused lately: the mistakes of every day, and one evening on which somebody tried codes."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from psycopg import AsyncConnection

from liyu.core.bulk import encode_rows
from liyu.core.clock import local_date, start_of_day
from liyu.core.settings import Settings
from liyu.demo.activity import SEED
from liyu.demo.history import ACTOR
from liyu.vouchers.errors import Attempt
from liyu.vouchers.refusals import DAYS
from liyu.vouchers.save import KEEP_REFUSALS

MISTAKES = {
    "already_verified": 6,
    "expired": 4,
    "wrong_store": 3,
    "stale": 3,
    "unknown_voucher": 3,
    "daily_limit": 2,
    "wrong_partner": 1,
    "frozen": 1,
}
"""How often each is seen, against the others."""
A_DAY = (2, 7)
TRIED_AT, TRIED_DAYS_AGO, TRIES = "LUCKIN-SH01", 4, 17


async def be_refused_at_times(connection: AsyncConnection[Any], settings: Settings, now: datetime) -> None:
    """Refused attempts of the days that the figures of tills look back on."""
    found = await connection.execute("SELECT code, id, partner_id FROM store WHERE active ORDER BY code")
    stores = {code: (store, partner) for code, store, partner in await found.fetchall()}
    attempts = [one for one in _attempts(stores, settings, now) if one.at < now]
    async with connection.transaction():
        await connection.execute(KEEP_REFUSALS, (encode_rows(attempts),))


def _attempts(stores: dict[str, tuple[int, int]], settings: Settings, now: datetime) -> Iterator[Attempt]:
    draw = random.Random(SEED)  # noqa: S311 - a replay, not a secret
    zone = settings.timezone
    for back in range(DAYS):
        day = start_of_day(local_date(now, zone) - timedelta(days=back), zone)
        codes = draw.choices(list(MISTAKES), list(MISTAKES.values()), k=draw.randint(*A_DAY))
        for code in codes:
            store, partner = draw.choice(list(stores.values()))
            yield Attempt(ACTOR, store, None, code, day + timedelta(minutes=draw.randint(600, 1_290)), partner)
    evening = start_of_day(local_date(now, zone) - timedelta(days=TRIED_DAYS_AGO), zone) + timedelta(hours=20)
    for place in range(TRIES):
        store, partner = stores[TRIED_AT]
        yield Attempt(ACTOR, store, None, "unknown_voucher", evening + timedelta(seconds=40 * place), partner)
