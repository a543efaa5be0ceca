"""Giving items for nothing: decided under the desk's locks by the desk's own function, saved by its statements.

What campaigns and gift codes give is a redemption for 0 points with a channel of its own, so that stock, limits, codes and
vouchers have one way in. Nobody has to afford it or be of a tier: who gets it was chosen. The item has to be live all the same, the
member active, the stock enough, and the limits for each member hold.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.catalog.models import ITEM_KINDS
from liyu.core.clock import local_date
from liyu.core.database import fetch_all
from liyu.core.ledger.posting import system_accounts
from liyu.redemption.decide import apply, decide
from liyu.redemption.errors import ItemDoesNotFitError, UnknownItemError
from liyu.redemption.load import is_contested, load_state, lock_and_read_stocks
from liyu.redemption.save import Batch, add_granted, save
from liyu.redemption.state import Answer, DeskState, Granted, ItemState, KeptAnswer, RedeemRequest, Refused

GIVEN_KINDS = tuple(kind for kind in ITEM_KINDS if kind not in ("draw", "donation"))
"""What can be given: whatever a member can have and keep."""
LARGEST_QUANTITY = 10

Reasons = list[tuple[str, dict[str, object]]]


class Outcome(Struct, frozen=True):
    """What became of one request: an answer, or the reasons against it."""

    answer: Answer | None
    reasons: Reasons


Objections = dict[str, Reasons]
"""Reasons of the giver's own against requests, by their keys."""


class GivableItem(Struct, frozen=True):
    """An item that can be given."""

    id: int
    sku: str
    name_zh: str
    name_en: str


async def list_givable(connection: AsyncConnection[Any]) -> list[GivableItem]:
    """The live items that can be given, coupons and rights first."""
    return await fetch_all(
        connection,
        GivableItem,
        "SELECT id, sku, name_zh, name_en FROM item WHERE state = 'live' AND kind = ANY(%s) "
        "ORDER BY array_position(%s, kind), position, id",
        (list(GIVEN_KINDS), ["coupon", "partner_right", "code", "top_up", "pick_up", "goods"]),
    )


async def find_givable(connection: AsyncConnection[Any], sku: str) -> int:
    """The id of an item that can be given. Raises UnknownItemError, ItemDoesNotFitError."""
    found = await connection.execute("SELECT id, kind, state FROM item WHERE sku = %s", (sku,))
    row = await found.fetchone()
    if row is None:
        raise UnknownItemError
    item_id, kind, state = row
    if kind not in GIVEN_KINDS or state != "live":
        raise ItemDoesNotFitError
    return int(item_id)


async def give(
    connection: AsyncConnection[Any],
    requests: list[RedeemRequest],
    *,
    object_to: Callable[[], Awaitable[Objections]],
    record: Callable[[dict[str, Outcome]], Awaitable[None]],
    now: datetime,
    zone: ZoneInfo,
) -> None:
    """Decide the requests in one transaction and save what was granted, with what `record` writes of the outcomes by key.

    `object_to` is asked under the locks of the members' accounts. A key that was answered before is left out: it was given.
    Refusals are not kept as answers, so that what failed can be tried again. The connection is in autocommit.

    Raises what `record` raises and what the database refuses, with everything undone; MergedMeanwhileError.
    """
    try:
        state, ids = await load_state(connection, requests, now, local_date(now, zone), zone, payments_available=False)
        if is_contested(state, requests):
            await lock_and_read_stocks(connection, state, requests)
        for item in state.items.values():
            _free_of_conditions(item)
        objections = await object_to()
        batch = Batch(now)
        outcomes: dict[str, Outcome] = {}
        for request in requests:
            place = (request.scope, request.key)
            if place in state.answers:
                continue
            decision = _decide(state, request, objections.get(request.key, []))
            if isinstance(decision, Granted):
                apply(state, request, decision)
                answer = add_granted(batch, state, request, decision, ids)
                state.answers[place] = KeptAnswer(request.body_hash, answer)
                outcomes[request.key] = Outcome(answer, [])
            else:
                outcomes[request.key] = Outcome(None, decision.reasons)
        await record(outcomes)
        await save(connection, batch, (await system_accounts(connection))["points_redeemed"])
    except BaseException:
        if not connection.closed:
            await connection.execute("ROLLBACK")
        raise


def _free_of_conditions(item: ItemState) -> None:
    """Nobody pays, and who may have it was decided by who gives it; what is left is what there is of it and the limits."""
    item.points, item.cash_minor, item.tier_points, item.tier_rank = 0, 0, None, 0
    item.on_sale_from = item.on_sale_to = None
    item.tags = item.cities = None
    item.per_order_limit = None


def _decide(state: DeskState, request: RedeemRequest, objections: Reasons) -> Granted | Refused:
    return Refused(objections) if objections else decide(state, request)
