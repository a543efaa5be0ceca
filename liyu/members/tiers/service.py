"""Changing where single members stand: a tier set by hand, growth value from elsewhere, the beginning of a validity."""

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.clock import local_date
from liyu.core.errors import InvalidInputError
from liyu.core.i18n import N_, Message
from liyu.members.tiers.errors import MemberHasEndedError, NotATierDayError
from liyu.members.tiers.rules import activate, place
from liyu.members.tiers.save import SYSTEM, TierWrites, load_ladder, lock_standings, save_tiers

LONGEST_REASON = 200
LONGEST_BY_HAND = timedelta(days=3660)


class Placement(Struct, frozen=True):
    """A member who is to stand in a tier through a day."""

    member_id: int
    tier: str
    """The code of the tier."""
    until: date


class GrowthGift(Struct, frozen=True):
    """Growth value that comes from elsewhere than an event (> 0), or goes (< 0); `source` counts once for a member's period."""

    member_id: int
    amount: int
    source: str


async def set_tiers(
    connection: AsyncConnection[Any],
    placements: list[Placement],
    *,
    reason: str,
    actor: str,
    now: datetime,
    zone: ZoneInfo,
) -> None:
    """Put members into tiers by hand, in the caller's transaction. Raises InvalidInputError, NotATierDayError, MemberHasEndedError.

    The tier holds through its day; then the member is back in the tier that growth value has reached, at least in the former.
    """
    today = local_date(now, zone)
    if not reason.strip() or len(reason) > LONGEST_REASON:
        words = Message(N_("Must have 1 to %(most)s characters."), {"most": LONGEST_REASON})
        raise InvalidInputError.of_fields({"reason": words})
    if any(not today <= one.until <= today + LONGEST_BY_HAND for one in placements):
        raise NotATierDayError
    codes = await _tier_ids(connection)
    if any(one.tier not in codes for one in placements):
        raise InvalidInputError.of_fields({"tier": Message(N_("There is no such tier."))})
    ladder, writes = await load_ladder(connection), TierWrites()
    standings = await lock_standings(connection, [one.member_id for one in placements])
    await _refuse_ended(connection, list(standings))
    for one in placements:
        settled = writes.settle(ladder, one.member_id, standings[one.member_id], today, now)
        placed, decision = place(ladder, settled, codes[one.tier], one.until, today)
        writes.note(one.member_id, placed, [decision], now, actor=actor, note=reason.strip())
    await save_tiers(connection, writes)


async def give_growth(
    connection: AsyncConnection[Any], gifts: list[GrowthGift], *, now: datetime, zone: ZoneInfo
) -> None:
    """Add growth value from elsewhere (an import, a merge), in the caller's transaction; tiers rise at once."""
    today, ladder, writes = local_date(now, zone), await load_ladder(connection), TierWrites()
    standings = await lock_standings(connection, [one.member_id for one in gifts])
    for one in gifts:
        settled = writes.settle(ladder, one.member_id, standings[one.member_id], today, now)
        standings[one.member_id] = writes.grow(ladder, one.member_id, settled, one.amount, today, now, one.source)
    await save_tiers(connection, writes)


async def begin_tier_validity(
    connection: AsyncConnection[Any], member_id: int, *, now: datetime, zone: ZoneInfo
) -> None:
    """The validity of a tier gained while pre-registered begins with the activation; the caller holds the member's lock."""
    ladder, writes = await load_ladder(connection), TierWrites()
    standing = (await lock_standings(connection, [member_id]))[member_id]
    writes.note(member_id, activate(ladder, standing, local_date(now, zone)), [], now, actor=SYSTEM)
    await save_tiers(connection, writes)


async def _tier_ids(connection: AsyncConnection[Any]) -> dict[str, int]:
    found = await connection.execute("SELECT code, id FROM tier")
    return dict(await found.fetchall())


async def _refuse_ended(connection: AsyncConnection[Any], member_ids: list[int]) -> None:
    query = "SELECT EXISTS (SELECT FROM member WHERE id = ANY(%s) AND state IN ('closed', 'merged'))"
    if await (await connection.execute(query, (member_ids,))).fetchone() == (True,):
        raise MemberHasEndedError
