"""Verifications: one of them as the till shows it, taking it back, and the partner's list of them."""

from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.i18n import N_
from liyu.partners.queries import stores_of
from liyu.vouchers.codes import mask_code
from liyu.vouchers.errors import SecondPersonNeededError
from liyu.vouchers.facts import mask_name
from liyu.vouchers.queries import (
    PAGE,
    VerificationFacts,
    VerificationLine,
    count_verifications,
    verification_of_partner,
    verifications_of_partner,
)
from liyu.vouchers.serials import serial_of
from liyu.vouchers.undo import undo
from liyu.web.actor import actor_of, require_permission
from liyu.web.audit import record_act
from liyu.web.formats import current_zone, format_instant
from liyu.web.forms import ChoiceField, DateField, Form, IntegerField, TextField
from liyu.web.i18n import current_locale, gettext, text_of, translate
from liyu.web.pages import Page, page, redirect
from liyu.web.partner.staff import (
    AnyRequest,
    name_verifier,
    names_of_staff,
    now_of,
    partner_id_of,
    store_name,
    today_of,
    undo_minutes_of,
)
from liyu.web.partner.till import open_till, store_options
from liyu.web.partner.words import UNDO_REASONS, read_reason, write_reason
from liyu.web.visit import visit_of

FRESH = timedelta(minutes=2)
"""So long a verification fills the till's screen as accepted; whoever opens it later is not to take it for a new one."""


class UndoForm(Form):
    reason = ChoiceField(UNDO_REASONS, N_("Reason"))
    note = TextField(N_("Note"), required=False, maximum=200)


class ListForm(Form):
    day = DateField(N_("Day"), required=False)
    store = TextField(N_("Store"), required=False, maximum=60)
    before = IntegerField(required=False, maximum=2**62, default=None)


@get("/verifications/{verification_id:int}", guards=[require_permission("orders.read")])
async def show_verification(
    request: AnyRequest, session: NamedDependency[AsyncSession], verification_id: FromPath[int]
) -> Page:
    """One verification, as the till shows it right after the second step and whenever somebody comes back to it."""
    facts = await _load(request, session, verification_id)
    return page(
        request,
        "partner/till_done.html",
        till=await open_till(request, session),
        facts=facts,
        fine=_describe(request, facts),
        reason=translate(read_reason(facts.undo_reason)),
        can_undo=may_undo(request, facts),
        minutes=undo_minutes_of(request),
        is_fresh=now_of(request) < facts.verified_at + FRESH,
    )


@get("/verifications/{verification_id:int}/undo", guards=[require_permission("vouchers.undo")])
async def ask_to_undo(
    request: AnyRequest, session: NamedDependency[AsyncSession], verification_id: FromPath[int]
) -> Page:
    """Ask for the reason of taking a verification back."""
    facts = await _load(request, session, verification_id)
    if not may_undo(request, facts):
        return redirect(request, f"/partner/verifications/{verification_id}")
    return await _undo_page(request, session, facts, UndoForm.blank())


@post("/verifications/{verification_id:int}/undo", guards=[require_permission("vouchers.undo")])
async def undo_verification(
    request: AnyRequest, session: NamedDependency[AsyncSession], verification_id: FromPath[int]
) -> Page:
    """Take a verification back; the member can use the voucher again and the account is set right."""
    facts = await _load(request, session, verification_id)
    form = await UndoForm.read(request)
    if form.is_valid and form.reason == "other" and not form.note:
        form.refuse(N_("Please say in a few words what happened."), "note")
    if not form.is_valid:
        return await _undo_page(request, session, facts, form, status=422)
    actor = actor_of(request)
    reason = write_reason(form.reason, form.note)
    try:
        undone = await undo(
            await driver_connection(session),
            verification_id=facts.id,
            reason=reason,
            actor=actor.reference,
            partner_id=partner_id_of(actor),
            now=now_of(request),
            zone=current_zone(),
            window_minutes=undo_minutes_of(request),
            tokens=visit_of(request).services.tokens,
        )
    except SecondPersonNeededError as refusal:
        form.refuse(refusal.message, "reason")
        return await _undo_page(request, session, facts, form, status=refusal.status)
    await record_act(
        request,
        session,
        "vouchers.undo",
        f"voucher:{undone.voucher_id}",
        after={"verification": undone.verification_id, "reason": reason},
    )
    return redirect(request, f"/partner/verifications/{verification_id}")


@get("/orders", guards=[require_permission("orders.read")])
async def list_verifications(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """What the partner's stores verified, newest first; people of one store see their own store's."""
    form = ListForm.parse(request.query_params.dict())
    connection, actor = await driver_connection(session), actor_of(request)
    partner_id = partner_id_of(actor)
    stores = [s for s in await stores_of(partner_id, connection) if actor.store_id in (None, s.id)]
    day, wanted, before = (form.day, form.store, form.before) if form.is_valid else (None, "", None)
    store = next((one for one in stores if one.code == wanted), None)
    store_id = store.id if store else actor.store_id
    start, end = bounds_of_count(day, today_of(request))
    found = await verifications_of_partner(
        connection, partner_id, day=day, zone=current_zone(), store_id=store_id, before=before, limit=PAGE + 1
    )
    names = await names_of_staff(request, session)
    filters = {"day": day.isoformat() if day else "", "store": store.code if store else ""}
    return page(
        request,
        "partner/verifications.html",
        form=form,
        day=day,
        stores=stores,
        options=store_options(stores),
        chosen=filters["store"],
        rows=[verification_row(request, line, names) for line in found[:PAGE]],
        totals=await count_verifications(
            connection, partner_id, start=start, end=end, zone=current_zone(), store_id=store_id
        ),
        is_filtered=any(filters.values()),
        first_href=_address(filters) if before else None,
        next_href=_address(filters, before=found[PAGE - 1].id) if len(found) > PAGE else None,
    )


def bounds_of_count(day: date | None, today: date) -> tuple[date, date]:
    """The days over which a list is counted: the chosen one, or the present month up to and including today."""
    if day is not None:
        return day, day + timedelta(days=1)
    return today.replace(day=1), today + timedelta(days=1)


def verification_row(request: AnyRequest, line: VerificationLine, names: dict[str, str]) -> dict[str, Any]:
    """A verification as lists show it."""
    return {
        "line": line,
        "item": text_of(line, "item"),
        "store": store_name(line),
        "code": mask_code(visit_of(request).services.codes.code_of(serial_of(line.voucher_id, line.generation))),
        "by": name_verifier(line.verifier, names),
        "reason": translate(read_reason(line.undo_reason)),
        "can_undo": may_undo(request, line),
    }


def may_undo(request: AnyRequest, line: VerificationLine) -> bool:
    """Whether the person may take a verification back now; the domain decides once more when they do."""
    window = timedelta(minutes=undo_minutes_of(request))
    is_recent = now_of(request) < line.known_at + window
    return line.undone_at is None and is_recent and actor_of(request).may("vouchers.undo")


async def _load(request: AnyRequest, session: AsyncSession, verification_id: int) -> VerificationFacts:
    """A verification of the partner, and for people of one store of theirs. Raises UnknownVerificationError."""
    actor = actor_of(request)
    return await verification_of_partner(
        await driver_connection(session), partner_id_of(actor), verification_id, store_id=actor.store_id
    )


async def _undo_page(
    request: AnyRequest, session: AsyncSession, facts: VerificationFacts, form: UndoForm, *, status: int = 200
) -> Page:
    return page(
        request,
        "partner/till_undo.html",
        status=status,
        till=await open_till(request, session),
        facts=facts,
        fine=_describe(request, facts),
        form=form,
        reasons=[(choice, translate(label)) for choice, label in UNDO_REASONS.items()],
        minutes=undo_minutes_of(request),
    )


def _describe(request: AnyRequest, facts: VerificationFacts) -> str:
    """Whose voucher it was, its masked code and when, in one line."""
    code = mask_code(visit_of(request).services.codes.code_of(serial_of(facts.voucher_id, facts.generation)))
    parts = [mask_name(facts.member_name), code, _say_when(facts.verified_at, today_of(request))]
    if facts.received_at is not None:
        parts.append(gettext(N_("taken without a network")))
    return " · ".join(part for part in parts if part)


def _say_when(at: datetime, today: date) -> str:
    local = at.astimezone(current_zone())
    return f"{local:%H:%M:%S}" if local.date() == today else format_instant(at, current_locale())


def _address(filters: dict[str, str], **more: Any) -> str:
    query = urlencode({name: value for name, value in {**filters, **more}.items() if value})
    return f"/partner/orders?{query}" if query else "/partner/orders"


ROUTES = [show_verification, ask_to_undo, undo_verification, list_verifications]
