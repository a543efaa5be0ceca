"""Printed for a campaign: no till takes a number before it is activated, and whoever bears it uses it once."""

from datetime import timedelta
from typing import Any

import pytest

from liyu.core.clock import local_date
from liyu.core.errors import InvalidInputError, NotFoundError
from liyu.vouchers.errors import AlreadyVerifiedError, NotActivatedError, VoucherCancelledError
from liyu.vouchers.expire import expire_vouchers
from liyu.vouchers.facts import fetch_facts
from liyu.vouchers.runs import NothingInRangeError, decide_range, make_run
from tests.vouchers.tills import open_shops
from tests.world import NOW, ZONE, open_world

LAST_DAY = local_date(NOW, ZONE) + timedelta(days=30)


async def test_numbers_are_worth_nothing_until_they_are_activated(database_url: str) -> None:
    async with open_world(database_url) as world:
        shops = await open_shops(world)
        item = await world.one("SELECT item_id FROM voucher WHERE id = %s", await shops.voucher())
        wish: dict[str, Any] = {"name": "Fair", "actor": "staff:1", "now": NOW, "zone": ZONE}
        for total, day, error in (
            (0, LAST_DAY, InvalidInputError),
            (3, LAST_DAY - timedelta(days=60), InvalidInputError),
        ):
            with pytest.raises(error):
                await make_run(world.connection, item, total=total, last_day=day, **wish)
        with pytest.raises(NotFoundError):
            await make_run(world.connection, 999, total=3, last_day=LAST_DAY, **wish)
        assert await world.one("SELECT count(*) FROM voucher") == 1
        run = await make_run(world.connection, item, total=4, last_day=LAST_DAY, **wish)
        facts = await fetch_facts(world.connection, "WHERE v.run_id = %(run)s ORDER BY v.run_number", {"run": run})
        assert (facts[0].number, facts[0].member_id, facts[0].last_day(ZONE)) == ("000001", None, LAST_DAY)
        first, second, third, fourth = (one.id for one in facts)
        with pytest.raises(NotActivatedError):
            await shops.verify(first)
        who: dict[str, Any] = {"reason": "Handed out", "actor": "staff:1", "now": NOW}
        assert await decide_range(world.connection, run, "activated", first=1, last=2, **who) == 2
        assert await decide_range(world.connection, run, "withdrawn", first=2, last=3, **who) == 1
        with pytest.raises(NothingInRangeError):
            await decide_range(world.connection, run, "activated", first=1, last=3, **who)
        assert await world.one("SELECT count(*) FROM voucher_run_activation") == 2
        await shops.verify(first)
        with pytest.raises(AlreadyVerifiedError):
            await shops.verify(first)
        await shops.verify(second)
        with pytest.raises(VoucherCancelledError):
            await shops.verify(third)
        await expire_vouchers(world.connection, NOW + timedelta(days=40))
        assert await shops.state(fourth) == ("expired", 0)
