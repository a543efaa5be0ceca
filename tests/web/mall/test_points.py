"""What members see of their points that lapse: every month, the rule, what was changed for them and when they were told."""

from datetime import UTC, date, datetime

from liyu.core.clock import FixedClock
from liyu.members.points.expiry_models import EXTEND
from liyu.members.points.expiry_order import Order, give_order
from liyu.members.points.expiry_remind import remind_of_lapses
from liyu.web.i18n import translate
from tests.web.conftest import Client
from tests.web.console.acts import texts_of
from tests.web.mall.conftest import Shop
from tests.world import ZONE


async def test_the_calendar_names_every_month_and_the_history_every_change(
    member: Client, shop: Shop, clock: FixedClock
) -> None:
    world, now = shop.world, clock.now()
    await world.post(world.purchase("M1", 20_000, at=datetime(2025, 3, 1, tzinfo=UTC)))
    member_id = await world.one("SELECT id FROM member WHERE external_id = 'M1'")
    async with world.connection.transaction():
        order = Order(EXTEND, member_id, date(2026, 12, 31), date(2027, 12, 15), "Store closed", "k")
        await give_order(world.connection, order, actor="staff:1", now=now, zone=ZONE)
    await world.post(world.purchase("M1", 7_000, at=datetime(2025, 3, 1, tzinfo=UTC)))
    today = now.astimezone(ZONE).date()
    await remind_of_lapses(world.connection, today, now=now, translate=translate, base_url="http://x", locale="en")
    words = texts_of(await member.get("/points"))
    for expected in (
        "70 points lapse within a year unless you use them.",
        "Dec 2026 Usable through 31 Dec 2026, 39 more days 70 points",
        "Dec 2027 200 through 15 Dec 1,000 through 31 Dec 1,200 points",
        "On 22 Nov 2026 we sent you an SMS about 70 points that lapse.",
        "until the end of the year after the one in which you earn them",
        "Usable for longer 22 Nov 10:00 Usable through 15 Dec 2027 Store closed 200 balance unchanged",
    ):
        assert expected in words, words
