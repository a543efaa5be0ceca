"""Campaigns as rows: reading them, moving them from state to state, counting what became of their members."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from msgspec import Struct, convert
from psycopg import AsyncConnection
from psycopg.rows import dict_row

from liyu.core.database import fetch_all
from liyu.members.tags.conditions import Conditions
from liyu.redemption.campaigns.errors import StepNotPossibleError, UnknownCampaignError
from liyu.redemption.campaigns.states import TRANSITIONS

ONCE = "once"
YEARLY_KINDS = ("birthday", "birthday_month", "anniversary")
KINDS = (ONCE, *YEARLY_KINDS)
GIFT_STATES = ("waiting", "given", "left_out")
PAGE = 50


class Chosen(Struct, frozen=True, omit_defaults=True):
    """How the people of a campaign were chosen."""

    how: str
    """`segment`, `tag`, `tier`, `list`, or `everybody`."""
    name: str = ""
    """Of the segment, tag or tier, or of the file."""
    conditions: Conditions | None = None


class Campaign(Struct, frozen=True, kw_only=True):
    """A campaign with its item; `given`, `waiting` and `left_out` count members."""

    id: int
    name: str
    kind: str
    item_id: int
    sku: str
    item_kind: str
    item_zh: str
    item_en: str
    quantity: int
    reason: str
    audience: Chosen
    audience_zh: str | None
    """What the tiers or the tag are called now; None for all else, and for one that is gone."""
    audience_en: str | None
    skips_holders: bool
    state: str
    starts_on: date | None
    ends_on: date | None
    units: int
    made_by: str
    made_at: datetime
    asked_by: str | None
    asked_at: datetime | None
    decided_by: str | None
    finished_at: datetime | None
    faults: int
    given: int
    waiting: int
    left_out: int

    @property
    def is_yearly(self) -> bool:
        """Whether it comes again every year."""
        return self.kind != ONCE

    @property
    def is_open(self) -> bool:
        """Whether days to come bring members: a yearly one that nobody has given up or ended, if only to try some again."""
        return self.is_yearly and self.finished_at is None and self.state != "refused"

    @property
    def people(self) -> int:
        """Members noted so far."""
        return self.given + self.waiting + self.left_out


class Step(Struct, frozen=True):
    """A change of a campaign's state."""

    from_state: str | None
    to_state: str
    reason: str
    actor: str
    at: datetime


class GiftLine(Struct, frozen=True):
    """One member of a campaign."""

    member_id: int
    external_id: str
    name: str | None
    period: str
    state: str
    reason: str | None
    number: str | None
    at: datetime


class GiftLines(Struct, frozen=True):
    """One page of members; `next` is the place behind which the following page begins."""

    lines: list[GiftLine]
    next: int | None


_SELECT = """
    SELECT c.id, c.name, c.kind, c.item_id, i.sku, i.kind AS item_kind, i.name_zh AS item_zh, i.name_en AS item_en, c.quantity,
        c.reason, c.audience, p.name_zh AS audience_zh, p.name_en AS audience_en, c.skips_holders, c.state, c.starts_on,
        c.ends_on, c.units, c.made_by, c.made_at, c.asked_by, c.asked_at, c.decided_by,
        c.finished_at, jsonb_array_length(c.faults) AS faults, n.given, n.waiting, n.left_out
    FROM campaign c JOIN item i ON i.id = c.item_id
    LEFT JOIN LATERAL (
        SELECT string_agg(t.name_zh, '、' ORDER BY t.rank) AS name_zh, string_agg(t.name_en, ', ' ORDER BY t.rank) AS name_en
        FROM tier t WHERE c.audience ->> 'how' = 'tier' AND t.code = ANY (string_to_array(c.audience ->> 'name', '; '))
        HAVING count(*) > 0
        UNION ALL
        SELECT t.name_zh, t.name_en FROM tag t WHERE c.audience ->> 'how' = 'tag' AND t.code = c.audience ->> 'name'
    ) AS p ON true
    CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE g.state = 'given') AS given, count(*) FILTER (WHERE g.state = 'waiting') AS waiting,
            count(*) FILTER (WHERE g.state = 'left_out') AS left_out
        FROM campaign_gift g WHERE g.campaign_id = c.id) AS n"""

_MOVE = "UPDATE campaign SET state = %(to)s WHERE id = %(id)s"
_NOTE = """
    INSERT INTO campaign_transition (campaign_id, from_state, to_state, reason, actor, at)
    VALUES (%(id)s, %(was)s, %(to)s, %(reason)s, %(actor)s, %(now)s)"""

_GIFTS = """
    SELECT g.member_id, m.external_id, m.name, g.period, g.state, g.reason, r.number, g.at
    FROM campaign_gift g JOIN member k ON k.id = g.member_id JOIN member m ON m.id = coalesce(k.merged_into, k.id)
    LEFT JOIN redemption r ON r.id = g.redemption_id
    WHERE g.campaign_id = %(id)s AND (%(state)s::text IS NULL OR g.state = %(state)s)
        AND (%(after)s::bigint IS NULL OR g.member_id > %(after)s)
    ORDER BY g.member_id, g.period LIMIT %(most)s"""

_REASONS = """
    SELECT reason, count(*) FROM campaign_gift WHERE campaign_id = %s AND state = 'left_out' GROUP BY 1 ORDER BY 2 DESC, 1"""


async def load_campaign(connection: AsyncConnection[Any], campaign_id: int) -> Campaign:
    """One campaign. Raises UnknownCampaignError."""
    found = await _fetch(connection, f"{_SELECT} WHERE c.id = %(id)s", {"id": campaign_id})
    if not found:
        raise UnknownCampaignError
    return found[0]


async def find_by_name(connection: AsyncConnection[Any], name: str) -> Campaign | None:
    """The campaign of a name."""
    found = await _fetch(connection, f"{_SELECT} WHERE c.name = %(name)s", {"name": name})
    return found[0] if found else None


async def list_campaigns(
    connection: AsyncConnection[Any], *, kinds: Sequence[str] = KINDS, before: int | None = None, size: int = PAGE
) -> tuple[list[Campaign], int | None]:
    """One page of campaigns, the newest first, and the id before which the next page begins."""
    found = await _fetch(
        connection,
        f"{_SELECT} WHERE c.kind = ANY(%(kinds)s) AND (%(before)s::bigint IS NULL OR c.id < %(before)s) "
        "ORDER BY c.id DESC LIMIT %(most)s",
        {"kinds": list(kinds), "before": before, "most": size + 1},
    )
    return found[:size], found[size - 1].id if len(found) > size else None


async def list_steps(connection: AsyncConnection[Any], campaign_id: int) -> list[Step]:
    """What happened to a campaign, the oldest first."""
    return await fetch_all(
        connection,
        Step,
        "SELECT from_state, to_state, reason, actor, at FROM campaign_transition WHERE campaign_id = %s ORDER BY id",
        (campaign_id,),
    )


async def list_gifts(
    connection: AsyncConnection[Any],
    campaign_id: int,
    *,
    state: str | None = None,
    after: int | None = None,
    size: int = PAGE,
) -> GiftLines:
    """One page of a campaign's members by id, or of those in a state. Of a yearly one a member's years stand together."""
    values = {"id": campaign_id, "state": state, "after": after, "most": size + 1}
    lines = await fetch_all(connection, GiftLine, _GIFTS, values)
    if len(lines) <= size:
        return GiftLines(lines, None)
    shown = [line for line in lines if line.member_id < lines[size].member_id]
    return GiftLines(shown, shown[-1].member_id)


async def count_reasons(connection: AsyncConnection[Any], campaign_id: int) -> list[tuple[str, int]]:
    """Why members were left out, and how many for each reason."""
    return [(row[0], row[1]) for row in await (await connection.execute(_REASONS, (campaign_id,))).fetchall()]


async def list_faults(connection: AsyncConnection[Any], campaign_id: int) -> list[dict[str, Any]]:
    """The rows of the list that could not be taken: `row`, `given`, `text`, `values`."""
    found = await connection.execute("SELECT faults FROM campaign WHERE id = %s", (campaign_id,))
    row = await found.fetchone()
    return list(row[0]) if row else []


async def read_state(connection: AsyncConnection[Any], campaign_id: int) -> str:
    """The state of a campaign. Raises UnknownCampaignError."""
    return await _state_of(connection, "SELECT state FROM campaign WHERE id = %s", campaign_id)


async def lock_campaign(connection: AsyncConnection[Any], campaign_id: int) -> str:
    """Lock a campaign until the end of the transaction, and return its state. Raises UnknownCampaignError."""
    return await _state_of(connection, "SELECT state FROM campaign WHERE id = %s FOR UPDATE", campaign_id)


async def move(
    connection: AsyncConnection[Any],
    campaign_id: int,
    was: Sequence[str],
    to: str,
    *,
    reason: str,
    actor: str,
    now: datetime,
) -> None:
    """Move a campaign on from one of the states in which it may be, in the caller's transaction.

    Raises StepNotPossibleError when it is in another one, and UnknownCampaignError.
    """
    state = await lock_campaign(connection, campaign_id)
    if state not in was or to not in TRANSITIONS[state]:
        raise StepNotPossibleError
    values = {"id": campaign_id, "was": state, "to": to, "reason": reason, "actor": actor, "now": now}
    await connection.execute(_MOVE, values)
    await connection.execute(_NOTE, values)


async def note_beginning(connection: AsyncConnection[Any], campaign_id: int, *, actor: str, now: datetime) -> None:
    """Note that a campaign was drafted."""
    values = {"id": campaign_id, "was": None, "to": "draft", "reason": "drafted", "actor": actor, "now": now}
    await connection.execute(_NOTE, values)


async def _state_of(connection: AsyncConnection[Any], query: str, campaign_id: int) -> str:
    row = await (await connection.execute(query, (campaign_id,))).fetchone()
    if row is None:
        raise UnknownCampaignError
    return str(row[0])


async def _fetch(connection: AsyncConnection[Any], query: str, values: dict[str, Any]) -> list[Campaign]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query, values)
        return convert(await cursor.fetchall(), list[Campaign])
