"""Prizes that have to be claimed: a winner says yes in time, or the next in the drawn order is asked; and the end of a draw."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.catalog.models import POSTED_KINDS
from liyu.core.bulk import encode_rows, insert_of
from liyu.core.database import fetch_all, fetch_one
from liyu.core.errors import NotFoundError
from liyu.members.notices import NoticeRow, tell_members
from liyu.members.personal.addresses import find_address, list_addresses
from liyu.redemption.addresses import Delivery, snapshot_of
from liyu.redemption.draws.award import Award, hand_out
from liyu.redemption.draws.decide import ChangeRow, Holder, find_holders, notice_details
from liyu.redemption.draws.entries import SYSTEM
from liyu.redemption.draws.errors import AddressNeededError, NothingToClaimError
from liyu.redemption.draws.plan import NOT_ACTIVE, units_of
from liyu.redemption.draws.records import Draw, Prize, find_draw, list_prizes, lock_draw, move_draw, read_draw
from liyu.redemption.draws.stock import return_units

ROUNDS = 3
"""How often a unit is offered at most: what nobody has claimed after so many times the hours to claim goes back on sale."""

_OPEN = """
    SELECT place, code, state, prize_id, offered_until FROM draw_place
    WHERE draw_id = %s AND state IN ('offered', 'waiting') ORDER BY place"""
_OFFERED = """
    SELECT p.place, p.prize_id, p.offered_until, m.external_id, i.sku, i.kind, i.ships_not_to
    FROM draw_place p JOIN draw_entry e ON e.draw_id = p.draw_id AND e.code = p.code
    JOIN redemption r ON r.id = e.redemption_id JOIN member m ON m.id = r.member_id
    JOIN draw_prize z ON z.id = p.prize_id JOIN item i ON i.id = z.item_id
    WHERE p.draw_id = %s AND m.id = %s AND p.state = 'offered' ORDER BY p.place LIMIT 1"""
_WIN = """
    UPDATE draw_place SET state = 'won', redemption_id = %s
    WHERE draw_id = %s AND place = %s AND state = 'offered' AND offered_until > %s"""
_MOVE = """
    UPDATE draw_place p SET state = r.state, prize_id = r.prize_id, offered_until = r.offered_until
    FROM json_to_recordset(%s::json) AS r(place bigint, state text, prize_id bigint, offered_until timestamptz)
    WHERE p.draw_id = %s AND p.place = r.place"""


class OpenPlace(Struct):
    """A place on which nothing is decided yet."""

    place: int
    code: str
    state: str
    prize_id: int | None
    offered_until: datetime | None


class _Offered(Struct, frozen=True):
    place: int
    prize_id: int
    offered_until: datetime
    external_id: str
    sku: str
    kind: str
    ships_not_to: list[str] | None


async def claim_prize(
    connection: AsyncConnection[Any],
    number: str,
    member_id: int,
    *,
    address_id: int | None = None,
    actor: str,
    now: datetime,
    zone: ZoneInfo,
) -> None:
    """Say yes to the prize that is kept for a member; it becomes a redemption for no points in the same transaction.

    Goods go to the address that was chosen, or else to the member's first one to which they are sent. The connection is in
    autocommit. Raises NotFoundError, NothingToClaimError, or AddressNeededError.
    """
    draw = await find_draw(connection, number)
    offered = await fetch_one(connection, _Offered, _OFFERED, (draw.id, member_id))
    if offered is None or offered.offered_until <= now:
        raise NothingToClaimError
    delivery = await _delivery(connection, member_id, offered, address_id)
    award = Award(offered.place, offered.prize_id, offered.external_id, offered.sku, delivery)

    async def record(redemptions: dict[int, int]) -> bool:
        await lock_draw(connection, draw.id)
        won = await connection.execute(_WIN, (redemptions[award.place], draw.id, award.place, now))
        if not won.rowcount:
            return False
        await _log(connection, [ChangeRow(draw.id, award.place, "offered", "won", "claimed", now)])
        return True

    if not await hand_out(connection, number, [award], record, actor=actor, now=now, zone=zone):
        raise NothingToClaimError


async def carry_on(connection: AsyncConnection[Any], draw_id: int, *, now: datetime) -> bool:
    """Offer what was not claimed in time to the next in the drawn order, and finish a draw in which nothing is open any more.

    The connection is in autocommit. True when the draw is finished with this.
    """
    draw = await read_draw(connection, draw_id)
    holders = await find_holders(connection, draw_id)
    async with connection.transaction():
        await connection.execute(
            "SELECT item_id FROM item_stock WHERE item_id IN (SELECT item_id FROM draw_prize WHERE draw_id = %s) "
            "ORDER BY item_id FOR UPDATE",
            (draw_id,),
        )
        if await lock_draw(connection, draw_id) != "decided":
            return False
        prizes = await list_prizes(connection, draw_id)
        places = await fetch_all(connection, OpenPlace, _OPEN, (draw_id,))
        moved = hand_on(draw, prizes, places, holders, now)
        is_over = not any(place.state == "offered" for place in places)
        if is_over:
            moved += [_move(place, "missed") for place in places if place.state == "waiting"]
        await _write(connection, draw, prizes, moved, holders, now)
        if is_over:
            await return_units(connection, draw_id)
            await connection.execute(
                "UPDATE draw SET state = 'finished', finished_at = %s WHERE id = %s", (now, draw_id)
            )
            await move_draw(connection, draw_id, "decided", "finished", reason="nothing_open", actor=SYSTEM, now=now)
    return is_over


def hand_on(
    draw: Draw, prizes: list[Prize], places: list[OpenPlace], holders: dict[str, Holder], now: datetime
) -> list[tuple[OpenPlace, str, str]]:
    """Let offers lapse whose time is over, and offer their units down the order.

    Returns the places moved, each with the state before and the reason; `places` are moved on in place.
    """
    moved = [
        _move(one, "lapsed", "not_claimed")
        for one in places
        if one.state == "offered" and one.offered_until is not None and one.offered_until <= now
    ]
    if draw.claim_hours is None or draw.decided_at is None:
        return moved
    hours = timedelta(hours=draw.claim_hours)
    if now >= draw.decided_at + ROUNDS * hours:
        return moved
    left = {prize.id: prize.units - prize.given for prize in prizes}
    for one in places:
        if one.state == "offered" and one.prize_id is not None:
            left[one.prize_id] -= 1
    units = units_of(left)
    waiting = [one for one in places if one.state == "waiting"]
    for prize_id in units:
        while waiting and holders[waiting[0].code].state != "active":
            moved.append(_move(waiting.pop(0), "passed_over", NOT_ACTIVE))
        if not waiting:
            break
        place = waiting.pop(0)
        moved.append(_move(place, "offered", "handed_on"))
        place.prize_id, place.offered_until = prize_id, now + hours
    return moved


def _move(place: OpenPlace, wanted: str, reason: str = "draw_over") -> tuple[OpenPlace, str, str]:
    before, place.state = place.state, wanted
    return place, before, reason


async def _write(
    connection: AsyncConnection[Any],
    draw: Draw,
    prizes: list[Prize],
    moved: list[tuple[OpenPlace, str, str]],
    holders: dict[str, Holder],
    now: datetime,
) -> None:
    if not moved:
        return
    await connection.execute(_MOVE, (encode_rows([place for place, _, _ in moved]), draw.id))
    await _log(
        connection,
        [ChangeRow(draw.id, place.place, before, place.state, reason, now) for place, before, reason in moved],
    )
    by_id = {prize.id: prize for prize in prizes}
    topics = {"offered": "draw_offered", "lapsed": "draw_lapsed", "missed": "draw_missed"}
    await tell_members(
        connection,
        [
            NoticeRow(
                holders[place.code].member_id,
                topics[place.state],
                draw.number,
                notice_details(draw, by_id.get(place.prize_id or 0), place=place.place),
                now,
            )
            for place, _, _ in moved
            if place.state in topics
        ],
    )


async def _log(connection: AsyncConnection[Any], changes: list[ChangeRow]) -> None:
    await connection.execute(insert_of("draw_place_change", ChangeRow), (encode_rows(changes),))


async def _delivery(
    connection: AsyncConnection[Any], member_id: int, offered: _Offered, address_id: int | None
) -> Delivery | None:
    if offered.kind not in POSTED_KINDS:
        return None
    if address_id is None:
        addresses = await list_addresses(connection, member_id)
    else:
        try:
            addresses = [await find_address(connection, member_id, address_id)]
        except NotFoundError:
            raise AddressNeededError from None
    left_out = tuple(offered.ships_not_to or ())
    possible = [Delivery(snapshot_of(address), left_out) for address in addresses]
    delivery = next((one for one in possible if one.is_possible), None)
    if delivery is None:
        raise AddressNeededError
    return delivery
