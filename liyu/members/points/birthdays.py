"""Birthdays as events: where a rule gives something for them, each member's comes once a year, by itself."""

from calendar import isleap
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from psycopg import AsyncConnection

from liyu.core.clock import start_of_day
from liyu.members.points.events import Event
from liyu.members.points.post import post_events

BIRTHDAY = "birthday"
PORTION = 1_000

_IS_REWARDED = """
    SELECT EXISTS (SELECT FROM earning_rule
        WHERE event_type = 'birthday' AND valid_from <= %(now)s AND (valid_to IS NULL OR %(now)s < valid_to))"""

_CELEBRATING = """
    SELECT m.external_id FROM member m
    WHERE m.state = 'active' AND to_char(m.birthday, 'MM-DD') = ANY(%(days)s)
        AND NOT EXISTS (SELECT FROM earning_event e
            WHERE e.member_id = m.id AND e.type = 'birthday' AND e.occurred_at >= %(since)s)
    ORDER BY m.id LIMIT %(most)s"""


async def post_birthdays(
    connection: AsyncConnection[Any], day: date, *, actor: str, now: datetime, zone: ZoneInfo
) -> int:
    """Post the birthdays of a day and return how many; again on the same day it posts those that are missing.

    Whoever had a birthday this year, told by the host or by us, has none again.

    The connection is in autocommit: each portion has a transaction of its own.
    """
    found = await (await connection.execute(_IS_REWARDED, {"now": now})).fetchone()
    if not found or not found[0]:
        return 0
    # Who was born on 29 February has the 28th in other years, as in pricing.
    days = [f"{day:%m-%d}"] + (["02-29"] if (day.month, day.day) == (2, 28) and not isleap(day.year) else [])
    values = {"days": days, "since": start_of_day(date(day.year, 1, 1), zone), "most": PORTION}
    count = 0
    while members := [row[0] for row in await (await connection.execute(_CELEBRATING, values)).fetchall()]:
        events = [
            Event(member=one, type=BIRTHDAY, reference=f"birthday:{one}:{day.year}", occurred_at=now) for one in members
        ]
        async with connection.transaction():
            posted = await post_events(connection, events, actor=actor, now=now, zone=zone)
        count += sum(one.status == "ok" for one in posted)
        if any(one.status == "failed" for one in posted):
            break
    return count
