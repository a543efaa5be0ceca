"""Drops that are to come: announced in two waves, the last one still a plan."""

from datetime import datetime
from typing import Any

from psycopg import AsyncConnection

from liyu.demo.files import from_now, read_json
from liyu.demo.history import ACTOR
from liyu.redemption.drops.service import DropPlan, WavePlan, announce_drop, plan_drop

FIRST_SHARE = 60
"""Percent of the units that the first wave has."""


async def plan_coming_drops(connection: AsyncConnection[Any], now: datetime) -> None:
    """Plan a drop for every item that opens later, and announce all but the last."""
    plans = [
        plan
        for item in read_json("items")
        if item["drop"] is not None and item["kind"] != "draw" and (plan := _plan_of(item, now)) is not None
    ]
    for place, plan in enumerate(plans, 1):
        number = await plan_drop(connection, plan, actor=ACTOR, now=now)
        if place < len(plans):
            await announce_drop(connection, number, actor=ACTOR, now=now)


def _plan_of(item: dict[str, Any], now: datetime) -> DropPlan | None:
    opens, ends = from_now(item["drop"]["opens"], now), from_now(item["drop"]["closes"], now)
    if opens is None or ends is None or opens <= now:
        return None
    first = item["stock"] * FIRST_SHARE // 100
    waves = [WavePlan(opens, first), WavePlan(opens + (ends - opens) / 2, item["stock"] - first)]
    return DropPlan(item["sku"], waves, ends)
