"""Preparing a draw: draft, announcement with the commitment, and calling off before the list is frozen."""

import secrets
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct, field
from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from liyu.catalog.models import POSTED_KINDS
from liyu.catalog.service import set_state
from liyu.catalog.states import may_become as item_may_become
from liyu.core.errors import InvalidInputError, Reason
from liyu.core.i18n import N_, Message
from liyu.core.ids import make_number
from liyu.core.sealing import seal
from liyu.members.notices import NoticeRow, tell_members
from liyu.redemption.draws.algorithm import commitment_to
from liyu.redemption.draws.errors import DrawNotReadyError, DrawStateError
from liyu.redemption.draws.records import Draw, Prize, TierTickets, find_draw, list_prizes, lock_draw, move_draw
from liyu.redemption.draws.stock import return_units, set_units_aside

SEED_PURPOSE = "draw seed"
SEED_BYTES = 32
MOST_UNITS = 1_000
"""Prizes of one draw: they are handed out in one transaction."""
MOST_TICKETS = 100
LIST_STANDS_FOR = timedelta(minutes=5)
"""The list is public for so long before the seed is revealed, so that anybody can keep a copy."""
PRIZE_KINDS = ("goods", "pick_up", "coupon", "partner_right", "code", "top_up")
"""What can be won: all that is handed out as an order."""
LOSING_POINTS = ("kept", "given_back")


class PrizeDraft(Struct, frozen=True):
    """Units of an item to be won, by the item's number."""

    sku: str
    units: int


class DrawDraft(Struct, frozen=True):
    """A draw as it is planned."""

    sku: str
    """The item of the kind `draw` that stands for an entry."""
    prizes: list[PrizeDraft]
    draws_at: datetime
    losing_points: str
    claim_hours: int | None = None
    tier_tickets: list[TierTickets] = field(default_factory=list)


_ITEM = """
    SELECT i.id, i.kind, i.state, i.cash_minor, d.number FROM item i
    LEFT JOIN draw d ON d.entry_item_id = i.id WHERE i.sku = %s"""
_INSERT = """
    INSERT INTO draw (number, entry_item_id, state, draws_at, losing_points, claim_hours, tier_tickets, created_by, created_at)
    VALUES (%(number)s, %(item)s, 'draft', %(draws_at)s, %(losing_points)s, %(claim_hours)s, %(tier_tickets)s, %(actor)s, %(now)s)
    RETURNING id"""
_UPDATE = """
    UPDATE draw SET entry_item_id = %(item)s, draws_at = %(draws_at)s, losing_points = %(losing_points)s,
        claim_hours = %(claim_hours)s, tier_tickets = %(tier_tickets)s
    WHERE id = %(id)s"""
_ANNOUNCE = """
    UPDATE draw SET state = 'announced', announced_at = %(now)s, commitment = %(commitment)s, sealed_seed = %(sealed)s,
        opens_at = i.on_sale_from, closes_at = i.on_sale_to
    FROM item i WHERE draw.id = %(id)s AND i.id = draw.entry_item_id"""
_ENTRANTS = "SELECT DISTINCT member_id FROM redemption WHERE item_id = %s AND state = 'completed'"


async def plan_draw(connection: AsyncConnection[Any], draft: DrawDraft, *, actor: str, now: datetime) -> str:
    """Write a draft down; returns its number. Raises InvalidInputError with every fault."""
    items = await _check(connection, draft, None)
    number = make_number("D")
    row = await (
        await connection.execute(_INSERT, _values(draft, items) | {"number": number, "actor": actor, "now": now})
    ).fetchone()
    assert row is not None
    await _write_prizes(connection, row[0], draft, items)
    return number


async def change_plan(connection: AsyncConnection[Any], number: str, draft: DrawDraft) -> None:
    """Write a draft anew. Raises NotFoundError, DrawStateError once it is announced, or InvalidInputError with every fault."""
    draw = await _lock_draft(connection, number)
    items = await _check(connection, draft, number)
    await connection.execute(_UPDATE, _values(draft, items) | {"id": draw.id})
    await connection.execute("DELETE FROM draw_prize WHERE draw_id = %s", (draw.id,))
    await _write_prizes(connection, draw.id, draft, items)


async def announce_draw(
    connection: AsyncConnection[Any], number: str, *, secret_key: str, actor: str, now: datetime
) -> None:
    """Publish the rule and the commitment, set the prizes' units aside, and open the item for entries, in one transaction.

    Raises NotFoundError, DrawStateError, or DrawNotReadyError that names everything in the way.
    """
    draw = await _lock_draft(connection, number)
    prizes = await list_prizes(connection, draw.id)
    # The desk locks the stock while it settles: nobody can enter between the check and the commitment.
    await connection.execute(
        "SELECT item_id FROM item_stock WHERE item_id = ANY(%s) ORDER BY item_id FOR UPDATE",
        ([draw.item_id, *(prize.item_id for prize in prizes)],),
    )
    await _check_ready(connection, draw, prizes, now)
    await set_units_aside(connection, draw.id)
    seed = secrets.token_hex(SEED_BYTES)
    await connection.execute(
        _ANNOUNCE,
        {
            "id": draw.id,
            "now": now,
            "commitment": commitment_to(seed),
            "sealed": seal(secret_key, SEED_PURPOSE, seed),
        },
    )
    await move_draw(connection, draw.id, "draft", "announced", reason="announced", actor=actor, now=now)
    state = await _state_of(connection, draw.item_id)
    if state != "live":
        await set_state(connection, draw.item_id, "live", actor=actor, reason="draw_announced", now=now)


async def discard_draft(connection: AsyncConnection[Any], number: str) -> None:
    """Delete a draft. Raises NotFoundError, or DrawStateError once it is announced."""
    draw = await _lock_draft(connection, number)
    await connection.execute("DELETE FROM draw_prize WHERE draw_id = %s", (draw.id,))
    await connection.execute("DELETE FROM draw WHERE id = %s", (draw.id,))


async def call_off(connection: AsyncConnection[Any], number: str, *, reason: str, actor: str, now: datetime) -> None:
    """Call an announced draw off while its list is not frozen; a job gives every entry's points back.

    Raises NotFoundError or DrawStateError.
    """
    draw = await find_draw(connection, number)
    prizes = await list_prizes(connection, draw.id)
    await connection.execute(
        "SELECT item_id FROM item_stock WHERE item_id = ANY(%s) ORDER BY item_id FOR UPDATE",
        ([draw.item_id, *(prize.item_id for prize in prizes)],),
    )
    if await lock_draw(connection, draw.id) != "announced":
        raise DrawStateError
    await return_units(connection, draw.id)
    await connection.execute("UPDATE draw SET state = 'called_off' WHERE id = %s", (draw.id,))
    await move_draw(connection, draw.id, "announced", "called_off", reason=reason, actor=actor, now=now)
    state = await _state_of(connection, draw.item_id)
    if item_may_become(state, "ended"):
        await set_state(connection, draw.item_id, "ended", actor=actor, reason="draw_called_off", now=now)
    entrants = await (await connection.execute(_ENTRANTS, (draw.item_id,))).fetchall()
    details = {"draw": {"zh": draw.name_zh, "en": draw.name_en}, "reason": reason}
    await tell_members(
        connection, [NoticeRow(member, "draw_called_off", draw.number, details, now) for (member,) in entrants]
    )


async def _lock_draft(connection: AsyncConnection[Any], number: str) -> Draw:
    draw = await find_draw(connection, number)
    if await lock_draw(connection, draw.id) != "draft":
        raise DrawStateError
    return await find_draw(connection, number)


async def _check(connection: AsyncConnection[Any], draft: DrawDraft, own: str | None) -> dict[str, int]:
    """The ids of the items that a draft names, by their numbers."""
    faults: dict[str, Message] = {}
    row = await (await connection.execute(_ITEM, (draft.sku,))).fetchone()
    if row is None or row[1] != "draw" or row[3]:
        faults["sku"] = Message(N_("Choose an item of the kind “Lucky draw” without a cash part."))
    elif row[4] is not None and row[4] != own:
        faults["sku"] = Message(N_("This item has a draw already: %(number)s."), {"number": row[4]})
    if draft.losing_points not in LOSING_POINTS:
        faults["losing_points"] = Message(N_("Choose one of the values offered."))
    if any(not 1 <= one.tickets <= MOST_TICKETS for one in draft.tier_tickets):
        faults["tier_tickets"] = Message(N_("An entry has 1 to %(most)s tickets."), {"most": MOST_TICKETS})
    ids = {draft.sku: row[0]} if row else {}
    fault = await _check_prizes(connection, draft.prizes, ids)
    if fault is not None:
        faults["prizes"] = fault
    elif draft.claim_hours is None and await _is_any_posted(connection, list(ids.values())):
        faults["claim_hours"] = Message(N_("Goods need hours to claim: within them the winner says where they go."))
    if faults:
        raise InvalidInputError.of_fields(faults)
    return ids


async def _check_prizes(
    connection: AsyncConnection[Any], prizes: list[PrizeDraft], ids: dict[str, int]
) -> Message | None:
    if not prizes:
        return Message(N_("A draw needs a prize."))
    if any(prize.units < 1 for prize in prizes) or sum(prize.units for prize in prizes) > MOST_UNITS:
        return Message(N_("Enter 1 to %(most)s units in all."), {"most": MOST_UNITS})
    for prize in prizes:
        row = await (await connection.execute(_ITEM, (prize.sku,))).fetchone()
        if row is None:
            return Message(N_("There is no item %(sku)s."), {"sku": prize.sku})
        if row[1] not in PRIZE_KINDS or row[3]:
            return Message(
                N_(
                    "%(sku)s cannot be won: prizes are goods, coupons, partner rights, codes and top-ups without a cash part."
                ),
                {"sku": prize.sku},
            )
        ids[prize.sku] = row[0]
    return None


async def _is_any_posted(connection: AsyncConnection[Any], items: list[int]) -> bool:
    found = await connection.execute(
        "SELECT EXISTS (SELECT FROM item WHERE id = ANY(%s) AND kind = ANY(%s))", (items, list(POSTED_KINDS))
    )
    return await found.fetchone() == (True,)


async def _check_ready(connection: AsyncConnection[Any], draw: Draw, prizes: list[Prize], now: datetime) -> None:
    reasons = []
    state = await _state_of(connection, draw.item_id)
    if state != "live" and not item_may_become(state, "live"):
        reasons.append(Message(N_("The item of its entries cannot go live.")))
    if draw.opens_at is None or draw.closes_at is None:
        reasons.append(Message(N_("The item needs a begin and an end of its sale: that is when one can enter.")))
    else:
        if draw.opens_at < now:
            reasons.append(Message(N_("One could enter already: the commitment has to be published before.")))
        if draw.draws_at < draw.closes_at + LIST_STANDS_FOR:
            minutes = LIST_STANDS_FOR // timedelta(minutes=1)
            reasons.append(
                Message(N_("The winners are drawn at least %(minutes)s minutes after the end."), {"minutes": minutes})
            )
    found = await connection.execute("SELECT EXISTS (SELECT FROM redemption WHERE item_id = %s)", (draw.item_id,))
    if await found.fetchone() == (True,):
        reasons.append(Message(N_("Somebody has entered before: make a new item for the draw.")))
    reasons += [
        Message(N_("%(name)s has not enough units left."), {"name": prize.name_zh})
        for prize in await short_of(connection, prizes)
    ]
    if reasons:
        raise DrawNotReadyError(reasons=[Reason("draw_not_ready", message) for message in reasons])


async def short_of(connection: AsyncConnection[Any], prizes: list[Prize]) -> list[Prize]:
    """Prizes of whose items fewer units are left than are to be won."""
    found = await connection.execute(
        "SELECT item_id, total - taken FROM item_stock WHERE item_id = ANY(%s) AND total IS NOT NULL",
        ([prize.item_id for prize in prizes],),
    )
    left = dict(await found.fetchall())
    short = []
    for prize in prizes:
        if prize.item_id in left:
            left[prize.item_id] -= prize.units
            if left[prize.item_id] < 0:
                short.append(prize)
    return short


async def _state_of(connection: AsyncConnection[Any], item_id: int) -> str:
    row = await (await connection.execute("SELECT state FROM item WHERE id = %s", (item_id,))).fetchone()
    assert row is not None
    return str(row[0])


def _values(draft: DrawDraft, items: dict[str, int]) -> dict[str, Any]:
    tickets = [msgspec.to_builtins(one) for one in draft.tier_tickets if one.tickets != 1]
    return {
        "item": items[draft.sku],
        "draws_at": draft.draws_at,
        "losing_points": draft.losing_points,
        "claim_hours": draft.claim_hours,
        "tier_tickets": Jsonb(tickets) if tickets else None,
    }


async def _write_prizes(
    connection: AsyncConnection[Any], draw_id: int, draft: DrawDraft, items: dict[str, int]
) -> None:
    for position, prize in enumerate(draft.prizes, 1):
        await connection.execute(
            "INSERT INTO draw_prize (draw_id, position, item_id, units, given) VALUES (%s, %s, %s, %s, 0)",
            (draw_id, position, items[prize.sku], prize.units),
        )
