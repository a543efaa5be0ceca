"""Handing prizes out: redemptions for no points, made by the code that the desk uses, in the transaction that records who won."""

from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.clock import local_date
from liyu.core.ledger.posting import system_accounts
from liyu.redemption.addresses import Delivery
from liyu.redemption.decide import limits_of
from liyu.redemption.draws.stock import hand_units_over, take_kept_codes
from liyu.redemption.load import load_state, lock_and_read_stocks
from liyu.redemption.save import Batch, add_granted, hash_request, save
from liyu.redemption.state import DeskState, Granted, LimitUsed, RedeemRequest

CHANNEL = "draw"


class Award(Struct, frozen=True):
    """One unit of a prize for one member."""

    place: int
    prize_id: int
    member: str
    """The member's external id."""
    sku: str
    delivery: Delivery | None = None


class NotActiveError(Exception):
    """A winner's membership was frozen or closed while the locks were waited for: somebody else is next."""


Record = Callable[[dict[int, int]], Awaitable[bool]]
"""Writes what is known of the redemptions, by place; false when there is nothing to do any more, and all is rolled back."""


async def hand_out(
    connection: AsyncConnection[Any],
    number: str,
    awards: list[Award],
    record: Record,
    *,
    actor: str,
    now: datetime,
    zone: ZoneInfo,
) -> bool:
    """Make the redemptions of some prizes and let `record` write who got them, in one transaction; false if it did not want to.

    The connection is in autocommit. Locks are taken as the desk does: accounts, stocks, then what `record` locks. Each place has
    an idempotency key, so that the database refuses a second prize for it. Raises NotActiveError, and what the database refuses.
    """
    requests = [_request(number, award, actor) for award in awards]
    today = local_date(now, zone)
    try:
        state, ids = await load_state(connection, requests, now, today, zone, payments_available=False)
        if any(member.state != "active" for member in state.members.values()):
            raise NotActiveError
        await lock_and_read_stocks(connection, state, requests)
        codes = Counter(state.items[award.sku].id for award in awards if state.items[award.sku].kind == "code")
        state.pool_codes = {item: iter(kept) for item, kept in (await take_kept_codes(connection, codes)).items()}
        batch, accounts = Batch(now), await system_accounts(connection)
        redemptions: dict[int, int] = {}
        for award, request in zip(awards, requests, strict=True):
            answer = add_granted(batch, state, request, _grant(state, request), ids)
            assert answer.redemption_id is not None
            redemptions[award.place] = answer.redemption_id
        if not await record(redemptions):
            await connection.execute("ROLLBACK")
            return False
        await hand_units_over(connection, [award.prize_id for award in awards])
        await save(connection, batch, accounts["points_redeemed"])
    except BaseException:
        if not connection.closed:
            await connection.execute("ROLLBACK")
        raise
    return True


def _request(number: str, award: Award, actor: str) -> RedeemRequest:
    body = hash_request(award.member, award.sku, 1)
    return RedeemRequest(
        f"draw:{number}", str(award.place), body, award.member, award.sku, 1, CHANNEL, actor, award.delivery
    )


def _grant(state: DeskState, request: RedeemRequest) -> Granted:
    """A unit for no points. It counts towards the item's limits, and is never refused because of them."""
    member, item = state.members[request.member], state.items[request.sku]
    limits = []
    for limit in limits_of(state, request.member, item):
        place = (item.limits_id, limit.holder_id, limit.period)
        state.used[place] = state.used.get(place, 0) + 1
        limits.append(LimitUsed(limit.holder_id, limit.period, max(limit.cap, state.used[place])))
    codes = [next(state.pool_codes[item.id])] if item.kind == "code" else []
    return Granted(member.id, member.account_id, item, 1, 0, [], codes, limits)
