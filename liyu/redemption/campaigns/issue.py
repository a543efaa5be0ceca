"""Giving: portion by portion, each in one transaction with what is noted of it, until nobody waits or somebody stops it.

What is committed is never given again, so a worker that is killed loses at most the portion in hand, which the next one makes anew.
Three things keep a member from getting it twice, each alone: the primary key of `campaign_gift`, the conditional update of its row,
and the desk's idempotency key, which names campaign, year and member.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from msgspec import Struct
from psycopg import AsyncConnection, IntegrityError
from psycopg.errors import DeadlockDetected, LockNotAvailable, QueryCanceled

from liyu.core.bulk import encode_rows, record_of
from liyu.core.database import fetch_all
from liyu.members.notices import NoticeRow, tell_members
from liyu.redemption.addresses import Delivery, DeliveryAddress
from liyu.redemption.campaigns.records import Campaign, load_campaign, read_state
from liyu.redemption.campaigns.service import finish_decided
from liyu.redemption.decide import is_posted
from liyu.redemption.giving import Objections, Outcome, give
from liyu.redemption.load import MergedMeanwhileError
from liyu.redemption.save import hash_request
from liyu.redemption.state import RedeemRequest

CHANNEL = "campaign"
PORTION = 250
TRIES = 5

log = structlog.get_logger()


class _Waiting(Struct, frozen=True):
    """A member whose turn it is. A member who was merged is given through the one who lives on."""

    member_id: int
    period: str
    lives_on_as: int
    external_id: str
    joined_in: int
    left_out: list[str] | None
    recipient: str | None
    phone: str | None
    province: str | None
    city: str | None
    district: str | None
    detail: str | None

    @property
    def key(self) -> str:
        """What makes it unique for ever within the campaign."""
        return f"{self.period}:{self.lives_on_as}"

    @property
    def delivery(self) -> Delivery | None:
        """Where goods would go: to the member's first address."""
        if self.recipient is None:
            return None
        address = {name: getattr(self, name) or "" for name in DeliveryAddress.__struct_fields__}
        return Delivery(DeliveryAddress(**address), tuple(self.left_out or ()))


class _Decided(Struct):
    """What became of a member."""

    member_id: int
    period: str
    state: str
    reason: str | None
    redemption_id: int | None


_NEXT = """
    SELECT g.member_id, g.period, m.id AS lives_on_as, m.external_id,
        extract(year FROM m.joined_at AT TIME ZONE %(zone)s)::int AS joined_in, i.ships_not_to AS left_out,
        a.recipient, a.phone, a.province, a.city, a.district, a.detail
    FROM campaign_gift g JOIN campaign c ON c.id = g.campaign_id JOIN item i ON i.id = c.item_id
    JOIN member k ON k.id = g.member_id JOIN member m ON m.id = coalesce(k.merged_into, k.id)
    LEFT JOIN LATERAL (
        SELECT * FROM member_address a WHERE a.member_id = m.id AND %(posted)s ORDER BY a.is_default DESC, a.id DESC LIMIT 1
    ) AS a ON true
    WHERE g.campaign_id = %(campaign)s AND g.state = 'waiting' ORDER BY g.member_id, g.period LIMIT %(most)s"""

# A member who was given it under a membership that was merged since has it; whoever decided meanwhile has decided.
_GIVEN = """
    SELECT w.key FROM json_to_recordset(%(wanted)s::json) AS w(key text, member_id bigint, period text)
    JOIN member x ON x.id = w.member_id CROSS JOIN LATERAL (SELECT coalesce(x.merged_into, x.id) AS id) AS m
    WHERE EXISTS (
        SELECT FROM (SELECT m.id UNION ALL SELECT k.id FROM member k WHERE k.merged_into = m.id) AS own
        JOIN campaign_gift g ON g.member_id = own.id
        WHERE g.campaign_id = %(campaign)s AND g.period = w.period AND g.state = 'given')"""

_HOLD = """
    SELECT w.key FROM json_to_recordset(%(wanted)s::json) AS w(key text, member_id bigint, period text)
    WHERE EXISTS (
        SELECT FROM voucher v
        WHERE (v.holder_id = w.member_id OR (v.holder_id IS NULL AND v.member_id = w.member_id)) AND v.item_id = %(item)s
            AND v.state IN ('issued', 'partly_used') AND v.expires_at > %(now)s)"""

_RECORD = f"""
    UPDATE campaign_gift g SET state = r.state, reason = r.reason, redemption_id = r.redemption_id, at = %(now)s
    FROM {record_of(_Decided, "%(rows)s")}
    WHERE g.campaign_id = %(campaign)s AND g.member_id = r.member_id AND g.period = r.period AND g.state = 'waiting'"""

# Of the session: it ends with the connection of a worker that is killed.
_TAKE_CARE = "SELECT pg_advisory_lock_shared(hashtext('liyu:campaign'), %s::int)"
_LEFT = """
    SELECT id FROM campaign c WHERE state = 'issuing' AND (kind = 'once' OR finished_at IS NOT NULL OR EXISTS (
        SELECT FROM campaign_gift g WHERE g.campaign_id = c.id AND g.state = 'waiting'))
    AND pg_try_advisory_xact_lock(hashtext('liyu:campaign'), id::int) ORDER BY id"""

# As at the desk: every portion looks some hundred rows up by their keys, whatever the statistics say of tables that grow under it.
_PLAN_BY_KEY = """
    SELECT set_config(name, 'off', false)
    FROM unnest('{jit,enable_seqscan,enable_hashjoin,enable_mergejoin}'::text[]) AS name"""


class DecidedMeanwhileError(Exception):
    """Another worker has decided on one of the members; the portion is made anew."""


async def carry_out(
    connection: AsyncConnection[Any],
    campaign_id: int,
    *,
    actor: str,
    now: Callable[[], datetime],
    zone: ZoneInfo,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Give to everybody who waits, until it is done or somebody stops it. The connection is in autocommit.

    Any number of workers may do this at once; the campaign counts as taken care of (`list_left`) until the connection ends.
    `progress` hears how many of how many are decided.
    """
    await connection.execute(_PLAN_BY_KEY)
    await connection.execute(_TAKE_CARE, (campaign_id,))
    campaign = await load_campaign(connection, campaign_id)
    while await read_state(connection, campaign_id) == "issuing":
        if progress is not None:
            # It counts all members: not for each portion unless somebody listens.
            campaign = await load_campaign(connection, campaign_id)
            progress(campaign.people - campaign.waiting, campaign.people)
        if await issue_next(connection, campaign, actor=actor, now=now(), zone=zone):
            continue
        if (await load_campaign(connection, campaign_id)).is_open:
            return
        async with connection.transaction():
            await finish_decided(connection, campaign_id, actor=actor, now=now())


async def list_left(connection: AsyncConnection[Any]) -> list[int]:
    """Campaigns with somebody who waits, which nobody has stopped and no worker is at: what one that died has left."""
    return [row[0] for row in await (await connection.execute(_LEFT)).fetchall()]


async def issue_next(
    connection: AsyncConnection[Any], campaign: Campaign, *, actor: str, now: datetime, zone: ZoneInfo
) -> int:
    """Decide on the next members who wait; how many there were. The connection is in autocommit.

    Tried anew when the database refuses a portion, because others took the last units or the same members; then it raises.
    """
    tries = 0
    while waiting := await _read_next(connection, campaign, zone):
        try:
            await _issue(connection, campaign, waiting, actor=actor, now=now, zone=zone)
        except DecidedMeanwhileError:
            continue  # Somebody else came further meanwhile, so this comes to an end.
        except (IntegrityError, DeadlockDetected, LockNotAvailable, QueryCanceled, MergedMeanwhileError) as fault:
            tries += 1
            log.warning("portion_refused", campaign=campaign.id, fault=type(fault).__name__)
            if tries == TRIES:
                raise
        else:
            return len(waiting)
    return 0


async def _read_next(connection: AsyncConnection[Any], campaign: Campaign, zone: ZoneInfo) -> list[_Waiting]:
    values = {
        "campaign": campaign.id, "zone": str(zone), "posted": is_posted(campaign.item_kind), "most": PORTION,
    }  # fmt: skip
    return await fetch_all(connection, _Waiting, _NEXT, values)


async def _issue(
    connection: AsyncConnection[Any],
    campaign: Campaign,
    waiting: list[_Waiting],
    *,
    actor: str,
    now: datetime,
    zone: ZoneInfo,
) -> None:
    """Give to a portion, in one transaction."""
    by_key = {one.key: one for one in waiting}
    wanted = encode_rows(
        [{"key": key, "member_id": one.lives_on_as, "period": one.period} for key, one in by_key.items()]
    )

    async def object_to() -> Objections:
        values = {"wanted": wanted, "campaign": campaign.id, "item": campaign.item_id, "now": now}
        objections: Objections = {}
        if is_posted(campaign.item_kind):
            objections |= {key: [("no_address", {})] for key, one in by_key.items() if one.delivery is None}
        if campaign.skips_holders:
            objections |= {row[0]: [("holds_one", {})] for row in await _keys(connection, _HOLD, values)}
        return objections | {row[0]: [("given_already", {})] for row in await _keys(connection, _GIVEN, values)}

    async def record(outcomes: dict[str, Outcome]) -> None:
        first = {id(one) for one in by_key.values()}
        decided = [_decide(one, outcomes.get(one.key) if id(one) in first else None) for one in waiting]
        values = {"rows": encode_rows(decided), "campaign": campaign.id, "now": now}
        if (await connection.execute(_RECORD, values)).rowcount != len(decided):
            raise DecidedMeanwhileError
        told = [_notice(campaign, by_key[key], outcome, now) for key, outcome in outcomes.items() if outcome.answer]
        if told:
            await tell_members(connection, told)

    requests = [_request(campaign, one, actor) for one in by_key.values()]
    await give(connection, requests, object_to=object_to, record=record, now=now, zone=zone)


async def _keys(connection: AsyncConnection[Any], query: str, values: dict[str, Any]) -> list[tuple[str]]:
    return await (await connection.execute(query, values)).fetchall()


def _request(campaign: Campaign, one: _Waiting, actor: str) -> RedeemRequest:
    body = hash_request(one.external_id, campaign.sku, campaign.quantity)
    return RedeemRequest(
        f"campaign:{campaign.id}",
        one.key,
        body,
        one.external_id,
        campaign.sku,
        campaign.quantity,
        CHANNEL,
        actor,
        one.delivery,
    )


def _decide(one: _Waiting, outcome: Outcome | None) -> _Decided:
    """What became of a member; without an outcome of their own they were given it before."""
    if outcome is not None and outcome.answer is not None:
        return _Decided(one.member_id, one.period, "given", None, outcome.answer.redemption_id)
    reason = outcome.reasons[0][0] if outcome is not None else "given_already"
    return _Decided(one.member_id, one.period, "left_out", reason, None)


def _notice(campaign: Campaign, one: _Waiting, outcome: Outcome, now: datetime) -> NoticeRow:
    assert outcome.answer is not None
    details: dict[str, Any] = {
        "item": {"zh": campaign.item_zh, "en": campaign.item_en},
        "units": campaign.quantity,
        "why": campaign.reason,
    }
    if campaign.is_yearly:
        details["years"] = int(one.period) - one.joined_in
    return NoticeRow(one.lives_on_as, f"campaign_{campaign.kind}", outcome.answer.number, details, now)
