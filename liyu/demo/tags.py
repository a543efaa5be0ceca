"""Tags, badges and segments of the demo: two badges and a tag by rule, one by hand, and the sleepers."""

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from psycopg import AsyncConnection

from liyu.demo.history import ACTOR
from liyu.members.tags.conditions import Condition, Conditions
from liyu.members.tags.segments import save_segment
from liyu.members.tags.service import TagFacts, evaluate_rules, make_tag

TAGS = [
    TagFacts(
        code="big-spender", name_zh="消费达人", name_en="Big spender", is_badge=True, icon="trophy",
        needs_zh="累计消费满 10,000 元", needs_en="Spend ¥10,000 in all", rule=Conditions([Condition("spent_min", "10000")]),
    ),
    TagFacts(
        code="regular", name_zh="常客", name_en="Regular", is_badge=True, icon="medal", needs_zh="完成 20 次消费",
        needs_en="Buy 20 times", rule=Conditions([Condition("purchases_min", "20")]),
    ),
    TagFacts(
        code="birthday", name_zh="本月寿星", name_en="Birthday this month", icon="cake",
        rule=Conditions([Condition("birthday_month", "now")]),
    ),
    TagFacts(code="vip-care", name_zh="专属客服", name_en="Personal service", icon="star"),
]  # fmt: skip
SLEEPERS = Conditions([Condition("not_bought_for", "180"), Condition("balance_min", "1")])


async def sort_members(connection: AsyncConnection[Any], today: date, now: datetime, zone: ZoneInfo) -> None:
    """Make the demo's tags and let their rules give them; the connection is in autocommit."""
    async with connection.transaction():
        for facts in TAGS:
            await make_tag(connection, facts, now=now)
        await save_segment(connection, "沉睡会员（有积分，半年未消费）", SLEEPERS, actor=ACTOR, now=now)
    await evaluate_rules(connection, today, now=now, zone=zone)
