"""Deciding a draw: the seed is revealed, the order is drawn, and the prizes are handed out or offered, once and together."""

import asyncio
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.bulk import encode_rows, insert_of
from liyu.core.database import fetch_all
from liyu.core.sealing import unseal
from liyu.members.notices import NoticeRow, tell_members
from liyu.redemption.draws.algorithm import draw_order
from liyu.redemption.draws.award import Award, hand_out
from liyu.redemption.draws.entries import SYSTEM, read_list
from liyu.redemption.draws.plan import Place, plan_places
from liyu.redemption.draws.prepare import SEED_PURPOSE
from liyu.redemption.draws.records import Draw, Prize, list_prizes, lock_draw, move_draw, read_draw

TOPICS = {"won": "draw_won", "offered": "draw_offered", "waiting": "draw_waiting"}

_HOLDERS = """
    SELECT e.code, e.redemption_id, m.id AS member_id, m.external_id, m.state
    FROM draw_entry e JOIN redemption r ON r.id = e.redemption_id JOIN member m ON m.id = r.member_id WHERE e.draw_id = %s"""
_DECIDE = "UPDATE draw SET state = 'decided', seed = %s, decided_at = %s WHERE id = %s"


class Holder(Struct, frozen=True):
    """Who is behind an entry."""

    code: str
    redemption_id: int
    member_id: int
    external_id: str
    state: str


class _PlaceRow(Struct):
    draw_id: int
    place: int
    code: str
    state: str
    prize_id: int | None
    offered_until: datetime | None
    redemption_id: int | None


class ChangeRow(Struct):
    """A line of the log of a place."""

    draw_id: int
    place: int
    from_state: str | None
    to_state: str
    reason: str
    at: datetime


async def decide_draw(
    connection: AsyncConnection[Any], draw_id: int, *, secret_key: str, now: datetime, zone: ZoneInfo
) -> bool:
    """Reveal the seed of a frozen draw whose instant has come, and give the prizes down the drawn order.

    All in one transaction: whoever else tries finds it decided, and after a crash nothing has happened. The list cannot change,
    so the order is computed before. The connection is in autocommit. False when there was nothing to do.
    """
    draw = await read_draw(connection, draw_id)
    if draw.state != "frozen" or now < draw.draws_at:
        return False
    seed = await _unseal(connection, draw_id, secret_key)
    order = await asyncio.to_thread(draw_order, seed, await read_list(connection, draw_id))
    prizes, holders = await list_prizes(connection, draw_id), await find_holders(connection, draw_id)
    active = {code for code, holder in holders.items() if holder.state == "active"}
    places = plan_places(order, prizes, active, to_claim=draw.claim_hours is not None)

    async def record(redemptions: dict[int, int]) -> bool:
        if await lock_draw(connection, draw_id) != "frozen":
            return False
        await _write_places(connection, draw, places, redemptions, now)
        await connection.execute(_DECIDE, (seed, now, draw_id))
        await move_draw(connection, draw_id, "frozen", "decided", reason="drawn", actor=SYSTEM, now=now)
        await tell_members(connection, _notices(draw, prizes, places, holders, now))
        return True

    awards = _awards(places, prizes, holders)
    if awards:
        return await hand_out(connection, draw.number, awards, record, actor=SYSTEM, now=now, zone=zone)
    async with connection.transaction():
        return await record({})


async def find_holders(connection: AsyncConnection[Any], draw_id: int) -> dict[str, Holder]:
    """Who is behind the entries of a draw, by code."""
    return {holder.code: holder for holder in await fetch_all(connection, Holder, _HOLDERS, (draw_id,))}


def notice_details(draw: Draw, prize: Prize | None = None, **more: object) -> dict[str, Any]:
    """What a notice about a draw names."""
    details: dict[str, Any] = {"draw": {"zh": draw.name_zh, "en": draw.name_en}, **more}
    if prize is not None:
        details["prize"] = {"zh": prize.name_zh, "en": prize.name_en}
    return details


async def _unseal(connection: AsyncConnection[Any], draw_id: int, secret_key: str) -> str:
    row = await (await connection.execute("SELECT sealed_seed FROM draw WHERE id = %s", (draw_id,))).fetchone()
    assert row is not None
    return unseal(secret_key, SEED_PURPOSE, bytes(row[0]))


def _awards(places: list[Place], prizes: list[Prize], holders: dict[str, Holder]) -> list[Award]:
    skus = {prize.id: prize.sku for prize in prizes}
    return [
        Award(place.place, place.prize_id, holders[place.code].external_id, skus[place.prize_id])
        for place in places
        if place.state == "won" and place.prize_id is not None
    ]


async def _write_places(
    connection: AsyncConnection[Any], draw: Draw, places: list[Place], redemptions: dict[int, int], now: datetime
) -> None:
    until = now + timedelta(hours=draw.claim_hours) if draw.claim_hours else None
    rows = [
        _PlaceRow(
            draw.id, one.place, one.code, one.state, one.prize_id, until if one.state == "offered" else None,
            redemptions.get(one.place),
        )
        for one in places
    ]  # fmt: skip
    await connection.execute(insert_of("draw_place", _PlaceRow), (encode_rows(rows),))
    changes = [ChangeRow(draw.id, one.place, None, one.state, one.reason or "drawn", now) for one in places]
    await connection.execute(insert_of("draw_place_change", ChangeRow), (encode_rows(changes),))


def _notices(
    draw: Draw, prizes: list[Prize], places: list[Place], holders: dict[str, Holder], now: datetime
) -> list[NoticeRow]:
    by_id = {prize.id: prize for prize in prizes}
    return [
        NoticeRow(
            holders[one.code].member_id,
            TOPICS[one.state],
            draw.number,
            notice_details(draw, by_id.get(one.prize_id or 0), place=one.place),
            now,
        )
        for one in places
        # Without a time to claim there is no waiting list: who won nothing is told when the draw is finished, right after.
        if one.state in TOPICS and (one.state != "waiting" or draw.claim_hours is not None)
    ]
