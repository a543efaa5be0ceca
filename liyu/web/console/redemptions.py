"""Redemptions: the list, one with where its points came from and what happened since, and the steps that staff may take."""

from datetime import timedelta
from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.catalog.models import ITEM_KINDS
from liyu.catalog.pools.reveal import reveal_to_operator
from liyu.core.clock import local_date
from liyu.core.database import driver_connection
from liyu.core.errors import DomainError, NotAllowedError
from liyu.core.i18n import N_, Message
from liyu.partners.queries import partner_choices
from liyu.redemption.addresses import find_delivery_address
from liyu.redemption.cancel import cancel_redemption
from liyu.redemption.fulfil import move_redemption
from liyu.redemption.fulfilment import read_fulfilment
from liyu.redemption.payments.queries import find_payment
from liyu.redemption.queries import (
    RedemptionFilter,
    RedemptionRecord,
    RedemptionTrail,
    list_redemptions,
    read_redemption,
    redemption_trail,
)
from liyu.redemption.shipping.parcels import SHIPPABLE
from liyu.redemption.states import GIVEN_BACK, TRANSITIONS, may_become
from liyu.web import order_words
from liyu.web.actor import Actor, actor_of, require_permission
from liyu.web.acts import try_act
from liyu.web.after_sales import carrier_choices
from liyu.web.audit import record_act
from liyu.web.console import words
from liyu.web.console.common import (
    LONGEST_REASON,
    AnyRequest,
    Names,
    bounds_of_day,
    choice_links,
    count_message,
    cursor_links,
    name_people,
    now_of,
    read_choice,
    read_cursor,
    read_day,
    read_text,
    same_list,
    segment,
    show,
)
from liyu.web.console.order_bulk import act_choices
from liyu.web.formats import current_zone
from liyu.web.forms import ChoiceField, Form, TextField
from liyu.web.i18n import gettext, text_of, translate
from liyu.web.pages import Page, leave_notice, redirect
from liyu.web.visit import visit_of

STATES = tuple(state for state in TRANSITIONS if state is not None)
HANGING_DAYS = ("1", "3", "7", "14")
NEEDED = {
    "cancelled": "redemptions.cancel",
    "fulfilling": "redemptions.fulfil",
    "completed": "redemptions.fulfil",
    "released": "redemptions.cancel",
}
"""The permission that each step of staff needs."""


class StepForm(Form):
    wanted = ChoiceField(NEEDED)
    reason = TextField(N_("Reason"), maximum=LONGEST_REASON)


class RevealForm(Form):
    why = TextField(N_("Why you look"), maximum=LONGEST_REASON)


def read_filter(request: AnyRequest) -> RedemptionFilter:
    """The filter of the address; what makes no sense does not filter."""
    day, hangs = read_day(request), read_choice(request, "hangs", HANGING_DAYS)
    since, until = bounds_of_day(day) if day else (None, None)
    return RedemptionFilter(
        text=read_text(request, "q"),
        state=read_choice(request, "state", STATES),
        kind=read_choice(request, "kind", ITEM_KINDS),
        sku=read_text(request, "item") or None,
        member=read_text(request, "member", 200) or None,
        since=since,
        until=until,
        partner=read_text(request, "partner") or None,
        hangs_since=now_of(request) - timedelta(days=int(hangs)) if hangs else None,
    )


@get("/redemptions", guards=[require_permission("redemptions.read")])
async def show_redemptions(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """The list with its filters."""
    connection = await driver_connection(session)
    wanted = read_filter(request)
    found = await list_redemptions(connection, wanted, after=read_cursor(request))
    return show(
        request,
        "redemptions",
        lines=found.lines,
        wanted=wanted,
        day=read_day(request),
        hangs=read_choice(request, "hangs", HANGING_DAYS),
        hanging_days=[(days, count_message(N_("%(days)s days or longer"), days=int(days))) for days in HANGING_DAYS],
        partners=[(one.code, text_of(one, "name")) for one in await partner_choices(connection)],
        states=choice_links(request, "state", [(name, words.order_state(name), None) for name in STATES], wanted.state),
        acts=act_choices(request),
        export_href=same_list(request).partition("?")[2],
        **cursor_links(request, found.next),
    )


@get("/redemptions/{number:str}", guards=[require_permission("redemptions.read")])
async def show_redemption(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """One redemption."""
    return await show_one(request, session, number)


@post("/redemptions/{number:str}/step")
async def take_step(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """Cancel, mark as shipped or mark as completed, with a reason; each needs its own permission."""
    form, actor = await StepForm.read(request), actor_of(request)
    if not any(actor.may(permission) for permission in NEEDED.values()):
        raise NotAllowedError
    if not form.is_valid:
        return await show_one(request, session, number, form=form)
    if not actor.may(NEEDED[form.wanted]):
        raise NotAllowedError
    connection = await driver_connection(session)
    before = await read_redemption(connection, number)
    refusal = await try_act(connection, _step(request, connection, number, form, actor))
    if refusal:
        return await show_one(request, session, number, refusal=refusal)
    await record_act(
        request,
        session,
        "redemption.cancel" if form.wanted in ("cancelled", "released") else "redemption.move",
        f"redemption:{number}",
        before={"state": before.state},
        after={"state": form.wanted, "reason": form.reason},
    )
    leave_notice(request, _done(form.wanted, before))
    return redirect(request, f"/console/redemptions/{segment(number)}")


@post("/redemptions/{number:str}/codes", guards=[require_permission("redemptions.reveal")])
async def reveal_codes(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """Show the codes that the member got, to whoever says why. Who looked is kept with the pool and in the audit log."""
    form = await RevealForm.read(request)
    if not form.is_valid:
        return await show_one(request, session, number, form=form)
    connection = await driver_connection(session)
    redemption = await read_redemption(connection, number)
    revealed = await reveal_to_operator(
        connection,
        redemption.id,
        secret_key=visit_of(request).services.settings.secret_key,
        actor=actor_of(request).reference,
        reason=form.why,
        now=now_of(request),
    )
    seen = {"codes": len(revealed.codes), "reason": form.why}
    await record_act(request, session, "codes.reveal", f"redemption:{number}", after=seen)
    return await show_one(request, session, number, codes=revealed.codes)


async def _step(request: AnyRequest, connection: Any, number: str, form: StepForm, actor: Actor) -> None:
    now = now_of(request)
    if form.wanted in ("cancelled", "released"):
        await cancel_redemption(
            connection,
            number,
            member_id=None,
            reason=form.reason,
            actor=actor.reference,
            now=now,
            zone=current_zone(),
        )
    else:
        await move_redemption(connection, number, form.wanted, reason=form.reason, actor=actor.reference, now=now)


def _done(wanted: str, before: RedemptionRecord) -> Message | str:
    if wanted in ("cancelled", "released"):
        return Message(N_("Cancelled. %(points)s points went back to the member."), {"points": before.points})
    return words.order_state(wanted)


async def show_one(
    request: AnyRequest,
    session: AsyncSession,
    number: str,
    *,
    form: Form | None = None,
    refusal: DomainError | None = None,
    codes: list[str] | None = None,
) -> Page:
    """The page of one redemption, with the faults of a form or a refusal where there are any."""
    connection = await driver_connection(session)
    redemption = await read_redemption(connection, number)
    trail = await redemption_trail(connection, redemption.id)
    after = await read_fulfilment(connection, redemption)
    left = redemption.quantity - sum(one.quantity for one in after.parcels if not one.is_replacement)
    names = await name_people(
        connection,
        [f"member:{redemption.member_id}", *(s.actor for s in trail.steps), *(u.verifier for u in trail.uses)],
    )
    actor = actor_of(request)
    return show(
        request,
        "redemption",
        refusal=refusal,
        **({"status": 422} if form is not None else {}),
        one=redemption,
        trail=trail,
        member_name=names.of(f"member:{redemption.member_id}"),
        entries=_history(trail, names, f"member:{redemption.member_id}"),
        steps=[
            wanted
            for wanted, permission in NEEDED.items()
            if actor.may(permission) and may_become(redemption.state, wanted) and _makes_sense(redemption, wanted)
        ],
        payment=await find_payment(connection, redemption.id),
        today=local_date(now_of(request), current_zone()),
        has_codes=trail.codes > 0 and redemption.state not in (*GIVEN_BACK, "held"),
        codes=codes,
        form=form,
        after=after,
        parcels=after.parcels,
        left=left,
        may_send=actor.may("redemptions.fulfil")
        and redemption.kind == "goods"
        and redemption.state in SHIPPABLE
        and left > 0,
        carriers=carrier_choices(),
        address=await find_delivery_address(connection, redemption.id) if redemption.kind == "goods" else None,
        order_words=order_words,
    )


def _makes_sense(redemption: RedemptionRecord, wanted: str) -> bool:
    """Vouchers are completed by their use, not by hand; used ones cannot be cancelled."""
    if wanted in ("cancelled", "released"):
        return all(voucher.uses == 0 for voucher in redemption.vouchers)
    # Goods are sent with their parcel, and a top-up is decided by its own words.
    is_told_elsewhere = redemption.kind == "top_up" or (redemption.kind == "goods" and wanted == "fulfilling")
    return not redemption.vouchers and not is_told_elsewhere


def _history(trail: RedemptionTrail, names: Names, own: str) -> list[dict[str, Any]]:
    """Changes of state and uses of vouchers in one line of time, the newest first; `own` is the member whose redemption it is."""
    entries: list[dict[str, Any]] = [
        {
            "text": words.order_state(step.to_state),
            "when": step.at,
            "by": names.of(own if step.actor.startswith("member:") else step.actor),
            "note": words.reason(step.reason),
            "state": "waiting" if step.to_state in GIVEN_BACK else "",
        }
        for step in trail.steps
    ]
    for use in trail.uses:
        store = text_of(use, "store") if use.store_zh else gettext(N_("by an API key"))
        text = translate(Message(N_("Voucher used at %(store)s"), {"store": store}))
        note = translate(Message(N_("taken back: %(reason)s"), {"reason": use.undo_reason})) if use.undone_at else ""
        entries.append(
            {
                "text": text,
                "when": use.verified_at,
                "by": names.of(use.verifier),
                "note": note,
                "state": "red" if use.undone_at else "",
            }
        )
    return sorted(entries, key=lambda entry: entry["when"], reverse=True)


ROUTES = [show_redemptions, show_redemption, take_step, reveal_codes]
