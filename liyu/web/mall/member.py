"""Who looks at a page of the mall: nobody known, or a member with their account, read in one query."""

from datetime import date, datetime, timedelta
from typing import Any

from litestar import Request
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.catalog.availability import MemberFacts
from liyu.catalog.views import ItemView
from liyu.core.clock import local_date
from liyu.core.database import driver_connection
from liyu.members.account import DatedPoints, MemberAccount, load_account
from liyu.redemption.orders import LimitsUsed, load_limit_use
from liyu.web.actor import Actor, actor_of
from liyu.web.formats import current_zone
from liyu.web.visit import visit_of

AnyRequest = Request[Any, Any, Any]

SOON = timedelta(days=92)
"""Points that lapse within this time are worth a word on the home page."""


def now_of(request: AnyRequest) -> datetime:
    """The present instant by the injected clock."""
    return visit_of(request).services.clock.now()


def today_of(request: AnyRequest) -> date:
    """Today in the program's time zone."""
    return local_date(now_of(request), current_zone())


def member_id_of(actor: Actor) -> int:
    """The id of the member who is signed in."""
    assert actor.member_id is not None
    return actor.member_id


def takes_payments(request: AnyRequest) -> bool:
    """Whether a cash part can be paid in this installation."""
    return visit_of(request).services.payments is not None


def own_account(request: AnyRequest) -> MemberAccount | None:
    """The account of the member who is signed in, which came with their session; None for guests."""
    return visit_of(request).account


async def load_shopper(request: AnyRequest, session: AsyncSession, item: ItemView) -> tuple[MemberAccount, MemberFacts]:
    """The signed-in member's account, and what deciding about one item needs to know of them."""
    member_id, today = member_id_of(actor_of(request)), today_of(request)
    connection = await driver_connection(session)
    account = await load_account(connection, member_id, today)
    return account, facts_of(account, item, await load_limit_use(connection, member_id, item.limits_id, today))


def facts_of(account: MemberAccount, item: ItemView | None = None, used: LimitsUsed | None = None) -> MemberFacts:
    """The account as the catalog's availability check wants it, with what was used of the limits of an item."""
    counts = {item.limits_id: used} if item is not None and used is not None else {}
    return MemberFacts(
        state=account.state,
        growth=account.growth,
        tier_rank=account.tier_rank,
        tier_zh=account.tier_zh,
        tier_en=account.tier_en,
        usable=account.balance,
        used={item_id: one.ever for item_id, one in counts.items()},
        used_today={item_id: one.today for item_id, one in counts.items()},
        used_by_person={item_id: one.by_person for item_id, one in counts.items()},
        city=account.city,
        tag_ids=frozenset(account.tag_ids),
    )


def lapsing_next(account: MemberAccount, today: date) -> DatedPoints | None:
    """The points that lapse first, if that is soon."""
    first = account.lots[0] if account.lots else None
    return first if first is not None and first.on is not None and first.on - today <= SOON else None


def draw_lots(account: MemberAccount, points: int) -> list[DatedPoints]:
    """Which points would be used, the earliest to lapse first (docs/rules.md 4)."""
    drawn: list[DatedPoints] = []
    for lot in account.lots:
        if points <= 0:
            break
        drawn.append(DatedPoints(lot.on, min(lot.points, points)))
        points -= drawn[-1].points
    return drawn
