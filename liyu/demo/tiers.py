"""Tiers from before: members who brought growth value along, so that some are about to fall, have fallen or keep their tier."""

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from psycopg import AsyncConnection

from liyu.core.clock import start_of_day
from liyu.members.enrol import find_members
from liyu.members.paid.plans import PlanDraft, make_plan
from liyu.members.paid.service import Sale, sell_membership
from liyu.members.points.lots import add_months, end_of_month
from liyu.members.tiers.service import GrowthGift, Placement, give_growth, set_tiers

VALIDITY_MONTHS = 12
BROUGHT_ALONG = (
    ("15320", 1_000, 0),
    ("15417", 3_000, 0),
    ("16119", 1_000, 0),
    ("15272", 3_000, -2),
    ("16549", 1_000, -2),
)
"""Customer, growth value, and in which month the validity ends that it gave, counted from the present one."""

SET_BY_HAND = ("17409", "gold", 3, "来自合作品牌的金卡会员，等级匹配")
"""Customer, tier, through the end of the month so many months ahead, and the reason."""

PLANS = [
    PlanDraft("gold-month", "gold", "金卡体验月卡", "Gold for a month", 1, 800, 3_000, 7, offered=True),
    PlanDraft("gold-season", "gold", "金卡季卡", "Gold for a season", 3, 2_000, 7_800, 7, offered=True),
    PlanDraft("platinum-month", "platinum", "白金体验月卡", "Platinum for a month", 1, 3_000, 6_800, 7, offered=True),
    PlanDraft("platinum-year", "platinum", "白金年卡", "Platinum for a year", 12, None, 59_800, 7, offered=True),
]
SOLD = (("15320", "gold-season", 7_800, 20), ("15417", "platinum-year", 59_800, 200))
"""Customer, offer, what they paid, and how many days ago."""


async def bring_growth_along(connection: AsyncConnection[Any], today: date, zone: ZoneInfo) -> None:
    """Give growth value in the month in which a validity began that ends around now; to be called before the purchases of then."""
    members = await find_members(connection, [customer for customer, _, _ in BROUGHT_ALONG])
    for customer, growth, ends in sorted(BROUGHT_ALONG, key=lambda one: one[2]):
        gift = GrowthGift(members[customer], growth, f"opening:{customer}")
        begun = start_of_day(add_months(today, ends - VALIDITY_MONTHS), zone)
        async with connection.transaction():
            await give_growth(connection, [gift], now=begun, zone=zone)


async def set_one_by_hand(connection: AsyncConnection[Any], today: date, now: datetime, zone: ZoneInfo) -> None:
    """A tier matched to that of another brand, through a day ahead."""
    customer, tier, months, reason = SET_BY_HAND
    members = await find_members(connection, [customer])
    placement = Placement(members[customer], tier, end_of_month(add_months(today, months)))
    async with connection.transaction():
        await set_tiers(connection, [placement], reason=reason, actor="demo", now=now, zone=zone)


async def sell_memberships(connection: AsyncConnection[Any], now: datetime, zone: ZoneInfo) -> None:
    """What can be bought, and two members who have."""
    for draft in PLANS:
        await make_plan(connection, draft)
    for customer, plan, paid_minor, days in SOLD:
        sale, at = Sale(customer, plan, f"VIP-{customer}", paid_minor), now - timedelta(days=days)
        async with connection.transaction():
            await sell_membership(connection, sale, actor="demo", now=at, zone=zone)
