"""The form of a draw: the item of its entries, prizes, the instant, the rule, tickets by tier."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Self

from litestar import Request
from psycopg import AsyncConnection

from liyu.core.i18n import N_, Message
from liyu.redemption.draws.prepare import LOSING_POINTS, MOST_TICKETS, MOST_UNITS, PRIZE_KINDS, DrawDraft, PrizeDraft
from liyu.redemption.draws.records import Draw, Prize, TierTickets
from liyu.web.formats import current_zone
from liyu.web.forms import ChoiceField, Form, InstantField, IntegerField, TextField

MOST_PRIZES = 4
TICKETS = "tickets_"


class DrawForm(Form):
    """Fields of prizes are numbered; those of tiers are named after the tier and kept in `tickets`."""

    sku = TextField(N_("Item of its entries"), maximum=200)
    prize_1 = TextField(N_("First prize"), maximum=200)
    units_1 = IntegerField(N_("Units of the first prize"), minimum=1, maximum=MOST_UNITS)
    prize_2 = TextField(N_("Second prize"), required=False, maximum=200)
    units_2 = IntegerField(N_("Units of the second prize"), required=False, minimum=1, maximum=MOST_UNITS)
    prize_3 = TextField(N_("Third prize"), required=False, maximum=200)
    units_3 = IntegerField(N_("Units of the third prize"), required=False, minimum=1, maximum=MOST_UNITS)
    prize_4 = TextField(N_("Fourth prize"), required=False, maximum=200)
    units_4 = IntegerField(N_("Units of the fourth prize"), required=False, minimum=1, maximum=MOST_UNITS)
    draws_at = InstantField(N_("Drawn at"))
    losing_points = ChoiceField(LOSING_POINTS, N_("Points of entries that are not drawn"), default="kept")
    claim_hours = IntegerField(N_("Hours to claim a prize"), required=False, minimum=1, maximum=720)
    tickets: dict[str, str]

    @classmethod
    async def read(cls, request: Request[Any, Any, Any]) -> Self:
        """The form that came with a request, with the fields of the tiers."""
        given = await request.form()
        form = cls({name: given.getall(name, []) for name in cls.fields})
        form.tickets = {
            name.removeprefix(TICKETS): str(value).strip() for name, value in given.items() if name.startswith(TICKETS)
        }
        bounds = Message(N_("Enter a number from %(minimum)s to %(maximum)s."), {"minimum": 1, "maximum": MOST_TICKETS})
        for code, text in form.tickets.items():
            if text and not (text.isascii() and text.isdigit() and 1 <= int(text) <= MOST_TICKETS):
                form.refuse(bounds, f"{TICKETS}{code}")
        return form

    def check(self) -> Any:
        """A prize needs its units, and units need their prize."""
        for number in range(2, MOST_PRIZES + 1):
            sku, units = self.values[f"prize_{number}"], self.values[f"units_{number}"]
            if sku and units is None:
                yield f"units_{number}", Message(N_("Say how many units are to be won."))
            elif units is not None and not sku:
                yield f"prize_{number}", Message(N_("Choose the item that is to be won."))

    def draft(self, tiers: Mapping[str, int]) -> DrawDraft:
        """What is planned; `tiers` are the ids by code."""
        prizes = [
            PrizeDraft(self.values[f"prize_{number}"], self.values[f"units_{number}"])
            for number in range(1, MOST_PRIZES + 1)
            if self.values[f"prize_{number}"]
        ]
        tickets = [TierTickets(tiers[code], int(text)) for code, text in self.tickets.items() if text and code in tiers]
        assert isinstance(self.draws_at, datetime)
        return DrawDraft(self.sku, prizes, self.draws_at, self.losing_points, self.claim_hours, tickets)


def form_of(draw: Draw | None, prizes: list[Prize], tiers: list[tuple[int, str, str, str]]) -> DrawForm:
    """A form with what a draft says, or a blank one."""
    if draw is None:
        form = DrawForm.blank(losing_points="kept")
        form.tickets = {}
        return form
    facts: dict[str, Any] = {
        "sku": draw.sku,
        "draws_at": draw.draws_at.astimezone(current_zone()).strftime("%Y-%m-%dT%H:%M"),
        "losing_points": draw.losing_points,
        "claim_hours": draw.claim_hours or "",
    }
    for prize in prizes:
        facts |= {f"prize_{prize.position}": prize.sku, f"units_{prize.position}": prize.units}
    form = DrawForm.blank(**facts)
    by_id = {one.tier_id: one.tickets for one in draw.tier_tickets or []}
    form.tickets = {code: str(by_id[tier_id]) for tier_id, code, _, _ in tiers if tier_id in by_id}
    return form


async def list_choices(connection: AsyncConnection[Any], own: str | None) -> dict[str, list[tuple[str, str, str]]]:
    """Items that entries can stand for, and items that can be won: number and names."""
    entry = await connection.execute(
        "SELECT i.sku, i.name_zh, i.name_en FROM item i LEFT JOIN draw d ON d.entry_item_id = i.id "
        "WHERE i.kind = 'draw' AND i.cash_minor = 0 AND i.state <> 'ended' AND (d.id IS NULL OR i.sku = %s) ORDER BY i.id DESC",
        (own,),
    )
    prizes = await connection.execute(
        "SELECT sku, name_zh, name_en FROM item WHERE kind = ANY(%s) AND cash_minor = 0 AND state IN ('live', 'paused', 'draft') "
        "ORDER BY state = 'live', id DESC",
        (list(PRIZE_KINDS),),
    )
    return {"items": await entry.fetchall(), "prizes": await prizes.fetchall()}


async def list_tiers(connection: AsyncConnection[Any]) -> list[tuple[int, str, str, str]]:
    """Id, code and names of the tiers, the lowest first."""
    found = await connection.execute("SELECT id, code, name_zh, name_en FROM tier ORDER BY rank")
    return await found.fetchall()
