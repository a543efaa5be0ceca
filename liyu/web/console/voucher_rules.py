"""The program's rules of vouchers, and later last days for many vouchers at once, which may need two people."""

from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import structs
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.errors import DomainError, NotFoundError
from liyu.core.i18n import N_, Message
from liyu.vouchers.office import (
    Extension,
    ExtensionWish,
    count_extendable,
    count_left_alone,
    decide_extension,
    extend_or_ask,
    list_extensions,
)
from liyu.vouchers.office_queries import item_id_of
from liyu.vouchers.rules import VoucherRules, load_rules, save_rules
from liyu.web.actor import actor_of, require_permission
from liyu.web.acts import adopt_faults, attempt
from liyu.web.audit import record_act
from liyu.web.console.common import (
    LONGEST_REASON,
    AnyRequest,
    Connection,
    name_people,
    now_of,
    show,
    today_of,
)
from liyu.web.formats import current_zone
from liyu.web.forms import ChoiceField, DateField, Form, IntegerField, TextField
from liyu.web.i18n import gettext
from liyu.web.pages import Page, leave_notice, redirect

LIST = "/console/voucher-extensions"
RULES = require_permission("vouchers.rules")
STATES = {
    "waiting": (N_("Waits for a second person"), "gold"),
    "done": (N_("Extended"), ""),
    "refused": (N_("Refused"), "grey"),
}


class RulesForm(Form):
    reminder_days = IntegerField(N_("Members are told days before"), minimum=0, maximum=90)
    gift_days = IntegerField(N_("A gift waits days"), minimum=0, maximum=90)
    gifts_a_day = IntegerField(N_("Gifts a member may offer a day"), minimum=1, maximum=100)
    extensions_alone = IntegerField(N_("Vouchers one person may extend in a day"), minimum=0, maximum=20_000)


class ExtensionForm(Form):
    sku = TextField(N_("Item number"), maximum=64)
    runs_out_from = DateField(N_("Runs out from"))
    runs_out_to = DateField(N_("Runs out until"))
    last_day = DateField(N_("New last day"))
    reason = TextField(N_("Reason"), maximum=LONGEST_REASON)
    wanted = ChoiceField(("preview", "extend"), required=False, default="preview")


class DecisionForm(Form):
    wanted = ChoiceField(("approved", "refused"))


@get("/voucher-rules", guards=[RULES])
async def show_rules(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """The rules in force."""
    rules = await load_rules(await driver_connection(session))
    return show(request, "voucher_rules", form=RulesForm.blank(**{k: str(v) for k, v in structs.asdict(rules).items()}))


@post("/voucher-rules", guards=[RULES])
async def change_rules(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Change the rules from now on."""
    form = await RulesForm.read(request)
    if not form.is_valid:
        return show(request, "voucher_rules", status=422, form=form)
    connection = await driver_connection(session)
    before = await load_rules(connection)
    await save_rules(connection, VoucherRules(**form.values), now_of(request))
    await record_act(
        request, session, "voucher.rules", "program:1", before=structs.asdict(before), after=dict(form.values)
    )
    leave_notice(request, N_("The rules hold from now on. Gifts on their way keep their time."))
    return redirect(request, "/console/voucher-rules")


@get("/voucher-extensions", guards=[require_permission("vouchers.approve")])
async def show_extensions(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """What was extended, what waits for a second person, and the form for the next."""
    form = ExtensionForm.blank(sku=request.query_params.get("item") or "")
    return await _show(request, await driver_connection(session), form)


@post("/voucher-extensions", guards=[require_permission("vouchers.extend")])
async def extend(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Count what a wish would extend, then extend it, or ask for a second person."""
    form, connection = await ExtensionForm.read(request), await driver_connection(session)
    wish = await _wish_of(connection, form)
    if wish is None:
        return await _show(request, connection, form, status=422)
    made = await attempt(connection, _extend_or_count(request, connection, wish, form))
    if isinstance(made, DomainError):
        refusal = adopt_faults(form, made)
        return await _show(request, connection, form, status=refusal.status if refusal else 422, refusal=refusal)
    if isinstance(made, int):
        return await _show(request, connection, form, count=made)
    await record_act(
        request,
        session,
        "vouchers.extend" if made.state == "done" else "vouchers.extend_request",
        f"item:{made.sku}",
        after={"vouchers": made.vouchers, "last_day": made.last_day.isoformat(), "reason": made.reason},
    )
    said = (
        N_("%(vouchers)s vouchers extended.")
        if made.state == "done"
        else N_("%(vouchers)s vouchers are more than one person may extend: it waits for somebody else’s approval.")
    )
    leave_notice(request, Message(said, {"vouchers": made.vouchers}))
    return redirect(request, LIST)


async def _extend_or_count(
    request: AnyRequest, connection: Connection, wish: ExtensionWish, form: ExtensionForm
) -> Extension | int:
    """Extend what the wish means, or tell how many vouchers that would be."""
    if form.wanted == "preview":
        wish.check(today_of(request))
        return await count_extendable(connection, wish, current_zone())
    actor, now = actor_of(request).reference, now_of(request)
    return await extend_or_ask(connection, wish, reason=form.reason, actor=actor, now=now, zone=current_zone())


@post("/voucher-extensions/{extension_id:int}/decide", guards=[require_permission("vouchers.approve")])
async def decide(request: AnyRequest, session: NamedDependency[AsyncSession], extension_id: FromPath[int]) -> Page:
    """Approve what somebody else asked for, or refuse it."""
    form, connection = await DecisionForm.read(request), await driver_connection(session)
    if not form.is_valid:
        return await _show(request, connection, ExtensionForm.blank(), status=422)
    approved = form.wanted == "approved"
    act = decide_extension(
        connection,
        extension_id,
        approved=approved,
        actor=actor_of(request).reference,
        now=now_of(request),
        zone=current_zone(),
    )
    moved = await attempt(connection, act)
    if isinstance(moved, DomainError):
        return await _show(request, connection, ExtensionForm.blank(), status=moved.status, refusal=moved)
    await record_act(
        request,
        session,
        "vouchers.extend_approve" if approved else "vouchers.extend_refuse",
        f"extension:{extension_id}",
        after={"vouchers": moved},
    )
    words = N_("%(vouchers)s vouchers extended.") if approved else N_("Refused. No voucher was extended.")
    leave_notice(request, Message(words, {"vouchers": moved}))
    return redirect(request, LIST)


async def _wish_of(connection: Connection, form: ExtensionForm) -> ExtensionWish | None:
    """The wish of a form, or None with its faults noted."""
    if not form.is_valid:
        return None
    try:
        item_id = await item_id_of(connection, form.sku)
    except NotFoundError:
        form.refuse(N_("There is no such item."), "sku")
        return None
    assert form.runs_out_from and form.runs_out_to and form.last_day  # noqa: PT018 - the form asked for all three
    return ExtensionWish(item_id, form.runs_out_from, form.runs_out_to, form.last_day)


async def _show(
    request: AnyRequest,
    connection: Connection,
    form: ExtensionForm,
    *,
    count: int | None = None,
    status: int = 200,
    refusal: DomainError | None = None,
) -> Page:
    lines = await list_extensions(connection)
    actor = actor_of(request).reference
    return show(
        request,
        "voucher_extensions",
        status=status,
        refusal=refusal,
        form=form,
        count=count,
        alone=await count_left_alone(connection, actor, now=now_of(request), zone=current_zone()),
        lines=[_row(line) for line in lines],
        names=await name_people(connection, [who for line in lines for who in (line.asked_by, line.decided_by)]),
        me=actor,
    )


def _row(line: Any) -> dict[str, Any]:
    label, tone = STATES[line.state]
    return {"line": line, "state": gettext(label), "tone": tone}


ROUTES = [show_rules, change_rules, show_extensions, extend, decide]
