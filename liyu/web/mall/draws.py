"""Draws 抽签: what is announced, one's own entries, the result, and the page on which anybody recomputes it."""

from typing import Any

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from psycopg import AsyncConnection
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.catalog.models import POSTED_KINDS
from liyu.core.database import driver_connection
from liyu.core.errors import DomainError
from liyu.core.i18n import N_, Message
from liyu.redemption.draws.algorithm import list_file, ten_lines
from liyu.redemption.draws.claims import claim_prize
from liyu.redemption.draws.document import load_document
from liyu.redemption.draws.entries import read_list
from liyu.redemption.draws.queries import (
    OwnPart,
    PlaceStep,
    SoFar,
    check_draw,
    count_so_far,
    find_published,
    find_published_of,
    list_place_steps,
    list_places,
    list_published,
    load_own_part,
)
from liyu.redemption.draws.records import Draw, list_prizes
from liyu.web.actor import actor_of
from liyu.web.attachments import CSV, attach
from liyu.web.draw_words import PLACE_REASONS, claim_rule, phase_label, phase_of, place_label, points_rule
from liyu.web.formats import current_zone
from liyu.web.forms import Form, IntegerField
from liyu.web.i18n import gettext, text_of, translate
from liyu.web.limits import count_hit
from liyu.web.mall.cards import cover_of
from liyu.web.mall.member import AnyRequest, member_id_of, now_of
from liyu.web.mall.redeem import choose_among
from liyu.web.pages import Page, leave_notice, page, redirect
from liyu.web.visit import visit_of

SHOWN_ENTRIES = 20
"""Lines of the list that the page shows; the file has all."""
SHOWN_PLACES = 50


class ClaimForm(Form):
    address = IntegerField(N_("Address"), minimum=1, required=False)


@get("/draws")
async def show_draws(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """What can be entered, what comes, and the results."""
    draws = await list_published(await driver_connection(session))
    rows = [_row(request, draw) for draw in draws]
    return page(
        request,
        "mall/draws.html",
        tab="categories",
        running=[row for row in rows if not row["is_over"]],
        over=[row for row in rows if row["is_over"]],
    )


@get("/items/{sku:str}/draw")
async def show_draw_of_item(request: AnyRequest, session: NamedDependency[AsyncSession], sku: FromPath[str]) -> Page:
    """The draw whose entries an item stands for; without one, the item."""
    draw = await find_published_of(await driver_connection(session), sku)
    return redirect(request, f"/draws/{draw.number}" if draw else f"/items/{sku}")


@get("/draws/{number:str}")
async def show_draw(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """One draw: the rule, the commitment, one's own entries and chance; later the result."""
    return await _show(request, session, number)


@get("/draws/{number:str}/verify")
async def show_proof(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """Verify it yourself: the server's recomputation, the ten lines, the data, and a button for the browser's own."""
    connection = await driver_connection(session)
    draw = await find_published(connection, number)
    check, entries = await check_draw(connection, draw) if draw.has_seed else (None, [])
    if check is None and draw.has_list:
        entries = await read_list(connection, draw.id)
    return page(
        request,
        "mall/draw_verify.html",
        tab="categories",
        **_row(request, draw),
        check=check,
        entries=entries[:SHOWN_ENTRIES],
        places=[_place(one) for one in await list_places(connection, draw.id, SHOWN_PLACES)],
        lines=ten_lines(),
    )


@get("/draws/{number:str}/entries.csv")
async def download_list(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """The frozen list, byte for byte what was hashed; empty until it is frozen."""
    connection = await driver_connection(session)
    draw = await find_published(connection, number)
    entries = await read_list(connection, draw.id)
    return attach(list_file(entries).encode(), CSV, f"{draw.number}-entries.csv")


@get("/draws/{number:str}/draw.json")
async def download_document(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """Everything that is published of a draw."""
    connection = await driver_connection(session)
    document = await load_document(connection, await find_published(connection, number))
    return attach(msgspec.json.encode(document), "application/json", f"{document.number}.json")


@post("/draws/{number:str}/claim")
async def claim(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """Say yes to what is kept for one; goods go to the address that is chosen."""
    form = await ClaimForm.read(request)
    actor, services = actor_of(request), visit_of(request).services
    await count_hit(services, "redeem", actor.reference)
    # It is handed out as the desk does, in a transaction of its own; this one must not hold a snapshot meanwhile.
    await session.rollback()
    assert services.settings.database_url is not None
    try:
        async with await AsyncConnection.connect(
            services.settings.database_url, autocommit=True, options="-c timezone=UTC -c lock_timeout=5s"
        ) as connection:
            await claim_prize(
                connection, number, member_id_of(actor), address_id=form.address if form.is_valid else None,
                actor=actor.reference, now=now_of(request), zone=current_zone(),
            )  # fmt: skip
    except DomainError as refusal:
        if refusal.status != 409:
            raise
        return await _show(request, session, number, refusal=refusal)
    leave_notice(request, N_("The prize is yours."))
    return redirect(request, f"/draws/{number}")


async def _show(request: AnyRequest, session: AsyncSession, number: str, *, refusal: DomainError | None = None) -> Page:
    connection, visit = await driver_connection(session), visit_of(request)
    draw = await find_published(connection, number)
    prizes, so_far = await list_prizes(connection, draw.id), await count_so_far(connection, draw)
    own = None
    if visit.actor is not None:
        own = await load_own_part(
            connection, draw, member_id_of(visit.actor), secret_key=visit.services.settings.secret_key
        )
    units = sum(prize.units for prize in prizes)
    is_mine = own is not None and own.place is not None and own.place.member_id == _member_of(request)
    place = own.place if own is not None and is_mine else None
    steps = await list_place_steps(connection, draw.id, own.place.place) if own is not None and own.place else []
    addresses: dict[str, Any] = {"addresses": None}
    if place is not None and place.state == "offered" and place.kind in POSTED_KINDS:
        addresses = await choose_among(request, session, tuple(place.ships_not_to or ()), None, f"/draws/{number}")
    return page(
        request,
        "mall/draw.html",
        tab="categories",
        status=refusal.status if refusal else 200,
        **_row(request, draw),
        refusal=translate(refusal.text) if refusal else None,
        needs_address=refusal is not None and refusal.code == "address_needed",
        prizes=prizes,
        units=units,
        so_far=so_far,
        own=own,
        standing=_standing(own),
        log=[_step(one) for one in steps],
        is_mine=is_mine,
        chance=describe_chance(own, so_far, units) if own and own.entries and not draw.has_seed else None,
        places=[_place(one) for one in await list_places(connection, draw.id, units)],
        **addresses,
    )


def describe_chance(own: OwnPart, so_far: SoFar, units: int) -> str:
    """About how likely it is to be drawn with these entries, if nobody else came."""
    if so_far.persons <= units:
        return gettext(N_("certain as things stand: there are more prizes than people"))
    missed = (1 - own.tickets / so_far.tickets) ** units if so_far.tickets else 1.0
    percent = max(min(round(100 * (1 - missed)), 99), 1)
    text = N_("about %(percent)s %%: %(own)s of %(all)s tickets, %(units)s to be won")
    return translate(Message(text, {"percent": percent, "own": own.tickets, "all": so_far.tickets, "units": units}))


def _member_of(request: AnyRequest) -> int | None:
    actor = visit_of(request).actor
    return actor.member_id if actor else None


def _standing(own: OwnPart | None) -> dict[str, Any] | None:
    """What became of the reader in a drawn draw."""
    if own is None or own.place is None:
        return None
    label, tone = place_label(own.place.state)
    return {"label": label, "tone": tone, "place": own.place}


def _row(request: AnyRequest, draw: Draw) -> dict[str, Any]:
    label, tone = phase_label(draw, now_of(request))
    return {
        "draw": draw,
        "name": text_of(draw, "name"),
        "cover": cover_of(draw),
        "phase": phase_of(draw, now_of(request)),
        "label": label,
        "tone": tone,
        "is_over": draw.state in ("decided", "finished", "called_off"),
        "points_rule": points_rule(draw),
        "claim_rule": claim_rule(draw),
    }


def _step(one: PlaceStep) -> dict[str, Any]:
    """A line of the log of why."""
    label, tone = place_label(one.to_state)
    why = PLACE_REASONS.get(one.reason, "")
    return {
        "text": label,
        "when": one.at,
        "note": gettext(why) if why else "",
        "state": tone if tone != "grey" else "waiting",
    }


def _place(one: Any) -> dict[str, Any]:
    label, tone = place_label(one.state)
    return {"one": one, "label": label, "tone": tone, "prize": text_of(one, "prize") if one.prize_zh else ""}


OPEN_ROUTES = [show_draws, show_draw_of_item, show_draw, show_proof, download_list, download_document]
ROUTES = [claim]
