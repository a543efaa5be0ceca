"""Vouchers: the list, one with everything that happened to it, and what operators may do to it."""

from datetime import timedelta
from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.errors import DomainError, InvalidInputError, NotAllowedError
from liyu.core.i18n import N_, Message
from liyu.redemption.cancel_voucher import cancel_voucher
from liyu.vouchers.codes import mask_code
from liyu.vouchers.facts import VoucherFacts
from liyu.vouchers.office import extend_voucher, freeze_voucher, unfreeze_voucher
from liyu.vouchers.office_queries import (
    GROUPS,
    VoucherEvent,
    VoucherFilter,
    list_vouchers,
    read_voucher,
    voucher_history,
)
from liyu.web.actor import Actor, actor_of, require_permission
from liyu.web.acts import try_act
from liyu.web.audit import record_act
from liyu.web.console import words
from liyu.web.console.common import (
    LONGEST_REASON,
    AnyRequest,
    Connection,
    Names,
    choice_links,
    cursor_links,
    name_people,
    now_of,
    read_choice,
    read_cursor,
    read_text,
    show,
)
from liyu.web.formats import current_zone, format_instant
from liyu.web.forms import ChoiceField, DateField, Form, TextField
from liyu.web.i18n import current_locale, gettext, text_of, translate
from liyu.web.pages import Page, leave_notice, redirect
from liyu.web.visit import visit_of

HOME = "/console/vouchers"
READ = require_permission("vouchers.read")
ENDS = {"7": N_("7 days"), "30": N_("30 days")}
GROUP_NAMES = {
    "usable": N_("Usable"),
    "offered": N_("Waiting as a gift"),
    "frozen": N_("Frozen"),
    "used_up": N_("Used up"),
    "expired": N_("Expired"),
    "cancelled": N_("Cancelled"),
    "printed": N_("Not activated"),
}
NEEDED = {
    "freeze": "vouchers.hold",
    "unfreeze": "vouchers.hold",
    "extend": "vouchers.hold",
    "cancel": "redemptions.cancel",
    "cancel_with_points": "redemptions.cancel",
}
"""The permission that each act needs."""
DONE = {
    "freeze": N_("Frozen: no till takes it until it is unfrozen."),
    "unfreeze": N_("It can be used again."),
    "extend": N_("The last day was moved."),
    "cancel": N_("Cancelled. Its points stay spent."),
}
_EVENTS = {
    **{
        ("change", change): (label, "red" if change == "frozen" else "")
        for change, label in words.VOUCHER_CHANGES.items()
    },
    ("gift", "open"): (N_("Offered as a gift"), "waiting"),
    ("gift", "accepted"): (N_("Gift accepted"), ""),
    ("gift", "taken_back"): (N_("Gift taken back"), "waiting"),
    ("gift", "lapsed"): (N_("Not accepted in time"), "waiting"),
}


class ActForm(Form):
    wanted = ChoiceField(NEEDED)
    reason = TextField(N_("Reason"), maximum=LONGEST_REASON)
    last_day = DateField(N_("New last day"), required=False)


@get("/vouchers", guards=[READ])
async def show_vouchers(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """The list with its filters; a code or a number that is typed in finds its voucher."""
    wanted, ends = _read_filter(request), read_choice(request, "ends", ENDS)
    connection = await driver_connection(session)
    lines, cursor = await list_vouchers(connection, wanted, now=now_of(request), after=read_cursor(request))
    return show(
        request,
        "vouchers",
        lines=lines,
        text=read_text(request, "q"),
        sku=wanted.sku or "",
        ends=ends,
        ends_choices=[(name, gettext(label)) for name, label in ENDS.items()],
        group=wanted.group,
        groups=choice_links(
            request, "group", [(name, gettext(GROUP_NAMES[name]), None) for name in GROUPS], wanted.group
        ),
        **cursor_links(request, cursor),
    )


@get("/vouchers/{voucher_id:int}", guards=[READ])
async def show_voucher(request: AnyRequest, session: NamedDependency[AsyncSession], voucher_id: FromPath[int]) -> Page:
    """One voucher."""
    return await _show(request, await driver_connection(session), voucher_id)


@post("/vouchers/{voucher_id:int}/act")
async def act_on_voucher(
    request: AnyRequest, session: NamedDependency[AsyncSession], voucher_id: FromPath[int]
) -> Page:
    """Freeze, unfreeze, extend or cancel a voucher, with a reason; each needs its own permission."""
    form, actor = await ActForm.read(request), actor_of(request)
    if not any(actor.may(permission) for permission in NEEDED.values()):
        raise NotAllowedError
    connection = await driver_connection(session)
    if form.is_valid and form.wanted == "extend" and form.last_day is None:
        form.refuse(N_("Say which day."), "last_day")
    if not form.is_valid:
        return await _show(request, connection, voucher_id, form=form)
    if not actor.may(NEEDED[form.wanted]):
        raise NotAllowedError
    before, points = await read_voucher(connection, voucher_id), list[int]()
    refusal = await try_act(connection, _act(request, connection, voucher_id, form, actor, points))
    if refusal:
        adopted = isinstance(refusal, InvalidInputError) and form.adopt(refusal)
        return await _show(
            request, connection, voucher_id, form=form if adopted else None, refusal=None if adopted else refusal
        )
    after = await read_voucher(connection, voucher_id)
    await record_act(
        request,
        session,
        f"voucher.{form.wanted.partition('_')[0]}",
        f"voucher:{voucher_id}",
        before=_audited(before),
        after={**_audited(after), "reason": form.reason, **({"points": points[0]} if points else {})},
    )
    if form.wanted == "cancel_with_points":
        leave_notice(request, Message(N_("Cancelled. %(points)s points are back."), {"points": points[0]}))
    elif form.wanted == "cancel" and not before.order_points:
        leave_notice(request, N_("The voucher was cancelled."))
    else:
        leave_notice(request, DONE[form.wanted])
    return redirect(request, f"{HOME}/{voucher_id}")


async def _act(
    request: AnyRequest, connection: Connection, voucher_id: int, form: ActForm, actor: Actor, points: list[int]
) -> None:
    common: dict[str, Any] = {"reason": form.reason, "actor": actor.reference, "now": now_of(request)}
    if form.wanted == "freeze":
        await freeze_voucher(connection, voucher_id, **common)
    elif form.wanted == "unfreeze":
        await unfreeze_voucher(connection, voucher_id, **common)
    elif form.wanted == "extend":
        assert form.last_day is not None
        await extend_voucher(connection, voucher_id, last_day=form.last_day, zone=current_zone(), **common)
    else:
        back = form.wanted == "cancel_with_points"
        points.append(await cancel_voucher(connection, voucher_id, points_back=back, zone=current_zone(), **common))


def _audited(facts: VoucherFacts) -> dict[str, Any]:
    return {
        "state": facts.state,
        "expires_at": facts.expires_at.isoformat(),
        "frozen": facts.frozen_at is not None,
    }


def _read_filter(request: AnyRequest) -> VoucherFilter:
    """The filter of the address; a text that reads as a code or a number stands for its voucher."""
    text, services = read_text(request, "q"), visit_of(request).services
    ends = read_choice(request, "ends", ENDS)
    presented = services.tokens.read(text, now_of(request)) if text else None
    number = text.removeprefix("#") if text.startswith("#") else ""
    found = presented.voucher_id if presented else int(number) if number.isdecimal() and len(number) < 12 else None
    return VoucherFilter(
        text="" if found else text,
        voucher_id=found,
        sku=read_text(request, "item") or None,
        group=read_choice(request, "group", GROUPS),
        ends_before=now_of(request) + timedelta(days=int(ends)) if ends else None,
    )


async def _show(
    request: AnyRequest,
    connection: Connection,
    voucher_id: int,
    *,
    form: ActForm | None = None,
    refusal: DomainError | None = None,
) -> Page:
    facts = await read_voucher(connection, voucher_id)
    events = await voucher_history(connection, voucher_id)
    (line,), _ = await list_vouchers(connection, VoucherFilter(voucher_id=voucher_id), now=now_of(request))
    redeemer = f"member:{facts.redeemer_id}" if facts.redeemer_id else ""
    names = await name_people(connection, [redeemer, *(event.actor for event in events)])
    code = visit_of(request).services.codes.code_of(facts.serial)
    return show(
        request,
        "voucher",
        refusal=refusal,
        **({"status": 422} if form is not None else {}),
        facts=facts,
        code=mask_code(code),
        last_day=facts.last_day(current_zone()),
        holder=line.holder,
        holder_name=line.holder_name or line.holder,
        redeemer=names.of(redeemer) if redeemer else None,
        is_given=facts.member_id is not None and facts.member_id != facts.redeemer_id,
        acts=_acts_on(facts, actor_of(request)),
        entries=[_entry(event, names) for event in events],
        form=form,
    )


def _acts_on(facts: VoucherFacts, actor: Actor) -> set[str]:
    """What makes sense now; the domain decides once more when it is done."""
    is_alive = facts.state in ("printed", "issued", "offered", "partly_used")
    sensible = {
        "freeze": is_alive and facts.frozen_at is None,
        "unfreeze": facts.frozen_at is not None,
        "extend": facts.run_number is None and (is_alive or facts.state == "expired"),
        "cancel": is_alive or facts.state == "expired",
        "cancel_with_points": bool(facts.order_points) and not facts.uses and (is_alive or facts.state == "expired"),
    }
    return {name for name, makes_sense in sensible.items() if makes_sense and actor.may(NEEDED[name])}


def _entry(event: VoucherEvent, names: Names) -> dict[str, Any]:
    """An event as the timeline shows it."""
    tone, note = "", words.reason(event.reason)
    if event.kind in ("use", "undo"):
        store = text_of(event, "store") if event.store_zh else gettext(N_("by an API key"))
        text = N_("Voucher used at %(store)s") if event.kind == "use" else N_("Use at %(store)s taken back")
        label, tone = translate(Message(text, {"store": store})), "" if event.kind == "use" else "red"
    elif event.kind == "issued":
        label = gettext(N_("Issued"))
    elif event.kind == "step":
        label, tone = words.voucher_state(event.what), "waiting" if event.what in ("expired", "cancelled") else ""
    else:
        title, tone = _EVENTS[event.kind, event.what]
        label = gettext(title)
    if event.before and event.after:
        days = [format_instant(at - timedelta(seconds=1), current_locale()) for at in (event.before, event.after)]
        note = " · ".join(part for part in (" → ".join(days), note) if part)
    return {"text": label, "when": event.at, "by": names.of(event.actor), "note": note, "state": tone}


ROUTES = [show_vouchers, show_voucher, act_on_voucher]
