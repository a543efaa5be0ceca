"""A campaign's way: drafted with its people, looked at, started by one person or two, stopped, resumed, tried again.

Starting counts the units against what one person may give away in a day (`program.issue_limit`); above it somebody else decides.
That the two are not the same is held by a CHECK.
"""

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct, to_builtins
from psycopg import AsyncConnection
from psycopg.errors import UniqueViolation
from psycopg.types.json import Jsonb

from liyu.core.clock import local_date, start_of_day
from liyu.core.errors import InvalidInputError
from liyu.core.i18n import N_, Message
from liyu.core.jobs import defer
from liyu.members.program import load_terms
from liyu.redemption.campaigns.calendar import expect_units
from liyu.redemption.campaigns.errors import (
    NobodyMeantError,
    OwnCampaignError,
    StepNotPossibleError,
)
from liyu.redemption.campaigns.people import Fault, ReadList, note_list, note_people
from liyu.redemption.campaigns.records import ONCE, Chosen, load_campaign, lock_campaign, move, note_beginning
from liyu.redemption.errors import NameTakenError
from liyu.redemption.giving import LARGEST_QUANTITY, find_givable

LONGEST_NAME = 100
LONGEST_REASON = 200
KEPT_DRAFT_DAYS = 30
"""A draft that nobody started goes after so many days, with the people and faulty rows that it names."""


class Draft(Struct, frozen=True, kw_only=True):
    """What is to be given to whom: a name that no other campaign has, an item, units for each member, a reason for members."""

    name: str
    sku: str
    reason: str
    chosen: Chosen
    kind: str = ONCE
    quantity: int = 1
    skips_holders: bool = False
    starts_on: date | None = None
    ends_on: date | None = None


_MAKE = """
    INSERT INTO campaign (name, kind, item_id, quantity, reason, audience, skips_holders, state, starts_on, ends_on,
        made_by, made_at)
    VALUES (%(name)s, %(kind)s, %(item)s, %(quantity)s, %(reason)s, %(audience)s, %(skips)s, 'draft', %(starts)s, %(ends)s,
        %(actor)s, %(now)s)
    RETURNING id"""
_STARTED_TODAY = """
    SELECT coalesce(sum(units), 0)::bigint FROM campaign
    WHERE asked_by = %s AND asked_at >= %s AND decided_by IS NULL AND state IN ('issuing', 'stopped', 'finished')"""
_ASK = "UPDATE campaign SET asked_by = %s, asked_at = %s, units = %s WHERE id = %s"
_AGAIN = """
    UPDATE campaign_gift g SET state = 'waiting', reason = NULL, at = %s
    WHERE campaign_id = %s AND state = 'left_out' AND reason <> 'given_already' AND NOT EXISTS (
        SELECT FROM campaign_gift later
        WHERE later.campaign_id = g.campaign_id AND later.member_id = g.member_id AND later.day > g.day)"""
_LEAVE_OUT = """
    UPDATE campaign_gift SET state = 'left_out', reason = 'campaign_over', at = %s WHERE campaign_id = %s AND state = 'waiting'"""
_WAITS = "SELECT FROM campaign_gift WHERE campaign_id = %s AND state = 'waiting' LIMIT 1"
_FORGET_DRAFTS = "SELECT id FROM campaign WHERE state = 'draft' AND made_at < %s ORDER BY id"


async def draft_campaign(
    connection: AsyncConnection[Any],
    draft: Draft,
    *,
    actor: str,
    now: datetime,
    zone: ZoneInfo,
    listed: ReadList | None = None,
) -> tuple[int, list[Fault]]:
    """Write a campaign down with the people it is for, in the caller's transaction: its id, and the rows that name nobody.

    Who is meant by a campaign of one time is decided now; what is shown is what is started. Raises InvalidInputError,
    UnknownItemError, ItemDoesNotFitError, NameTakenError, NobodyMeantError, TooManyPeopleError.
    """
    _check(draft)
    item_id = await find_givable(connection, draft.sku)
    values = {
        "name": draft.name, "kind": draft.kind, "item": item_id, "quantity": draft.quantity, "reason": draft.reason,
        "audience": Jsonb(to_builtins(draft.chosen)), "skips": draft.skips_holders, "starts": draft.starts_on,
        "ends": draft.ends_on, "actor": actor, "now": now,
    }  # fmt: skip
    try:
        async with connection.transaction():
            row = await (await connection.execute(_MAKE, values)).fetchone()
    except UniqueViolation:
        raise NameTakenError from None
    assert row is not None
    campaign_id: int = row[0]
    await note_beginning(connection, campaign_id, actor=actor, now=now)
    if draft.kind != ONCE:
        return campaign_id, []
    if listed is not None:
        return campaign_id, await note_list(connection, campaign_id, listed, now=now)
    await note_people(connection, campaign_id, draft.chosen.conditions, now=now, today=local_date(now, zone), zone=zone)
    return campaign_id, []


async def start_campaign(
    connection: AsyncConnection[Any], campaign_id: int, *, actor: str, now: datetime, zone: ZoneInfo
) -> str:
    """Start a draft, or ask for a second person when it is more than the actor may give away today; the state it is in then.

    A yearly one is counted with what it will give in the next 30 days. Raises StepNotPossibleError, NobodyMeantError,
    ItemDoesNotFitError, UnknownCampaignError.
    """
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"campaigns:{actor}",))
    campaign = await load_campaign(connection, campaign_id)
    if campaign.state != "draft":
        raise StepNotPossibleError
    await find_givable(connection, campaign.sku)
    if not campaign.is_yearly and not campaign.waiting:
        raise NobodyMeantError
    today = local_date(now, zone)
    units = await expect_units(connection, campaign, today, zone)
    found = await connection.execute(_STARTED_TODAY, (actor, start_of_day(today, zone)))
    (started,) = await found.fetchone() or (0,)
    limit = (await load_terms(connection)).issue_limit
    to = "asked" if started + units > limit else "issuing"
    await move(
        connection, campaign_id, ["draft"], to, reason="started" if to == "issuing" else "asked", actor=actor, now=now
    )
    await connection.execute(_ASK, (actor, now, units, campaign_id))
    await _let_work(connection, campaign_id, to)
    return to


async def approve_campaign(connection: AsyncConnection[Any], campaign_id: int, *, actor: str, now: datetime) -> None:
    """Approve what somebody else asked for. Raises OwnCampaignError, StepNotPossibleError, UnknownCampaignError."""
    await _decide(connection, campaign_id, "issuing", reason="approved", actor=actor, now=now)


async def refuse_campaign(
    connection: AsyncConnection[Any], campaign_id: int, *, reason: str, actor: str, now: datetime
) -> None:
    """Refuse what somebody else asked for, with a reason. Raises as `approve_campaign`."""
    await _decide(connection, campaign_id, "refused", reason=reason, actor=actor, now=now)
    await _forget_people(connection, campaign_id)


async def discard_campaign(connection: AsyncConnection[Any], campaign_id: int, *, actor: str, now: datetime) -> None:
    """Give a draft or a wish of one's own up; nothing was given. Raises StepNotPossibleError, UnknownCampaignError."""
    await move(connection, campaign_id, ["draft", "asked"], "refused", reason="discarded", actor=actor, now=now)
    await _forget_people(connection, campaign_id)


async def stop_campaign(connection: AsyncConnection[Any], campaign_id: int, *, actor: str, now: datetime) -> None:
    """Let it stop after the portion in hand; what is given stays. Raises StepNotPossibleError, UnknownCampaignError."""
    await move(connection, campaign_id, ["issuing"], "stopped", reason="stopped", actor=actor, now=now)


async def resume_campaign(connection: AsyncConnection[Any], campaign_id: int, *, actor: str, now: datetime) -> None:
    """Let it go on where it was. Raises StepNotPossibleError, UnknownCampaignError."""
    await move(connection, campaign_id, ["stopped"], "issuing", reason="resumed", actor=actor, now=now)
    await _let_work(connection, campaign_id, "issuing")


async def try_again(connection: AsyncConnection[Any], campaign_id: int, *, actor: str, now: datetime) -> int:
    """Try those again who were left out, after stock came or accounts were freed; how many. Nobody is given anything twice,
    of years gone by only the last, and a yearly one that was ended brings nobody new.

    Raises StepNotPossibleError, NobodyMeantError, UnknownCampaignError.
    """
    state = await lock_campaign(connection, campaign_id)
    if state not in ("issuing", "finished"):
        raise StepNotPossibleError
    again = (await connection.execute(_AGAIN, (now, campaign_id))).rowcount
    if not again:
        raise NobodyMeantError
    if state == "finished":
        await move(connection, campaign_id, ["finished"], "issuing", reason="again", actor=actor, now=now)
    await _let_work(connection, campaign_id, "issuing")
    return again


async def finish_campaign(
    connection: AsyncConnection[Any], campaign_id: int, *, reason: str, actor: str, now: datetime
) -> None:
    """End a campaign for good, or until those left out are tried again: who still waits is left out.

    Raises StepNotPossibleError, UnknownCampaignError.
    """
    await move(connection, campaign_id, ["issuing", "stopped"], "finished", reason=reason, actor=actor, now=now)
    await connection.execute(_LEAVE_OUT, (now, campaign_id))
    await connection.execute("UPDATE campaign SET finished_at = %s, faults = '[]' WHERE id = %s", (now, campaign_id))


async def finish_decided(connection: AsyncConnection[Any], campaign_id: int, *, actor: str, now: datetime) -> None:
    """End a campaign that is being given, unless somebody waits: those left out may have been called back a moment ago.

    Raises UnknownCampaignError.
    """
    if await lock_campaign(connection, campaign_id) != "issuing":
        return
    waits = await connection.execute(_WAITS, (campaign_id,))
    if await waits.fetchone() is None:
        await finish_campaign(connection, campaign_id, reason="all_decided", actor=actor, now=now)


async def forget_drafts(connection: AsyncConnection[Any], *, before: datetime, actor: str, now: datetime) -> int:
    """Discard drafts made before an instant; how many."""
    found = await (await connection.execute(_FORGET_DRAFTS, (before,))).fetchall()
    for (campaign_id,) in found:
        await discard_campaign(connection, campaign_id, actor=actor, now=now)
    return len(found)


async def _decide(
    connection: AsyncConnection[Any], campaign_id: int, to: str, *, reason: str, actor: str, now: datetime
) -> None:
    campaign = await load_campaign(connection, campaign_id)
    if campaign.asked_by == actor:
        raise OwnCampaignError
    await move(connection, campaign_id, ["asked"], to, reason=reason, actor=actor, now=now)
    await connection.execute("UPDATE campaign SET decided_by = %s WHERE id = %s", (actor, campaign_id))
    await _let_work(connection, campaign_id, to)


async def _let_work(connection: AsyncConnection[Any], campaign_id: int, state: str) -> None:
    if state == "issuing":
        await defer(connection, "issue_campaign", campaign_id=campaign_id)


async def _forget_people(connection: AsyncConnection[Any], campaign_id: int) -> None:
    """Nothing was given: who was meant is nobody's business any more. The name is free again."""
    await connection.execute("DELETE FROM campaign_gift WHERE campaign_id = %s", (campaign_id,))
    await connection.execute(
        "UPDATE campaign SET faults = '[]', name = name || ' #' || id WHERE id = %s", (campaign_id,)
    )


def _check(draft: Draft) -> None:
    faults: dict[str, Message] = {}
    for field, text, most in (("name", draft.name, LONGEST_NAME), ("reason", draft.reason, LONGEST_REASON)):
        if not text.strip() or len(text) > most:
            faults[field] = Message(N_("Must have 1 to %(most)s characters."), {"most": most})
    if not 1 <= draft.quantity <= LARGEST_QUANTITY:
        faults["quantity"] = Message(N_("Must be from 1 to %(most)s."), {"most": LARGEST_QUANTITY})
    if draft.starts_on and draft.ends_on and draft.ends_on < draft.starts_on:
        faults["ends_on"] = Message(N_("The last day comes after the first."))
    if faults:
        raise InvalidInputError.of_fields(faults)
