"""The demo's draws: one that is decided, with its proof, one that is open, two that are to come or need a claim."""

from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.catalog.service import set_state
from liyu.core.settings import Settings
from liyu.demo.activity import DEMO_MEMBER, Activity
from liyu.demo.history import ACTOR
from liyu.redemption.draws.prepare import DrawDraft, PrizeDraft, announce_draw, plan_draw
from liyu.redemption.draws.records import TierTickets
from liyu.redemption.draws.run import run_draws

ANNOUNCED_BEFORE = timedelta(days=2)
DRAWN_AFTER = timedelta(hours=1)
ENTERED_BEFORE_CLOSING = timedelta(minutes=30)
ENTRANTS = 45
"""How many enter the draw that is decided; every third of them twice."""


class DemoDraw(Struct, frozen=True):
    """A draw of the demo; its window is that of the item."""

    sku: str
    prize: str
    units: int
    losing_points: str = "kept"
    claim_hours: int | None = None
    tickets: dict[str, int] = {}


DECIDED = DemoDraw("DRAW-TABLET", "PRIZE-TABLET", 5)
OPEN = DemoDraw("DRAW-MOGANSHAN", "PRIZE-MOGANSHAN", 10)
DRAWS = (
    DECIDED,
    OPEN,
    DemoDraw("DRAW-CONCERT", "PRIZE-CONCERT", 20),
    DemoDraw("DRAW-JOURNEY", "PRIZE-DUNHUANG", 2, "given_back", 48, {"platinum": 2}),
)


async def announce_draws(connection: AsyncConnection[Any], settings: Settings, now: datetime) -> None:
    """Announce every draw two days before one can enter; prizes are not on sale."""
    tiers = dict(await (await connection.execute("SELECT code, id FROM tier")).fetchall())
    for one in DRAWS:
        opens, closes = await _window(connection, one.sku)
        announced = min(opens, now) - ANNOUNCED_BEFORE
        tickets = [TierTickets(tiers[code], count) for code, count in one.tickets.items()]
        draft = DrawDraft(
            one.sku,
            [PrizeDraft(one.prize, one.units)],
            closes + DRAWN_AFTER,
            one.losing_points,
            one.claim_hours,
            tickets,
        )
        found = await (await connection.execute("SELECT id FROM item WHERE sku = %s", (one.prize,))).fetchone()
        assert found is not None
        await set_state(connection, found[0], "paused", actor=ACTOR, reason="prize", now=announced)
        number = await plan_draw(connection, draft, actor=ACTOR, now=announced)
        await announce_draw(connection, number, secret_key=settings.secret_key, actor=ACTOR, now=announced)


async def enter_draws(activity: Activity, now: datetime) -> None:
    """Members enter the draw that will be decided, shortly before it closes, and the member of the login both."""
    _, closes = await _window(activity.connection, DECIDED.sku)
    members = [DEMO_MEMBER, *(await activity.members())[:ENTRANTS]]
    entering = [*members, *members[::3]]
    await activity.redeem_all(entering, DECIDED.sku, closes - ENTERED_BEFORE_CLOSING)
    await activity.redeem_all([DEMO_MEMBER], OPEN.sku, now - ENTERED_BEFORE_CLOSING)


async def decide_due_draws(connection: AsyncConnection[Any], settings: Settings, now: datetime) -> None:
    """Do what the worker did when the draw closed and when it was drawn."""
    _, closes = await _window(connection, DECIDED.sku)
    for instant in (closes, closes + DRAWN_AFTER):
        await run_draws(connection, secret_key=settings.secret_key, now=min(instant, now), zone=settings.timezone)


async def _window(connection: AsyncConnection[Any], sku: str) -> tuple[datetime, datetime]:
    row = await (
        await connection.execute("SELECT on_sale_from, on_sale_to FROM item WHERE sku = %s", (sku,))
    ).fetchone()
    assert row is not None
    return row[0], row[1]
