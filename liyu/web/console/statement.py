"""One statement: its figures, its lines, its history, its proof, and the steps from draft to paid by two people."""

from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.errors import DomainError
from liyu.core.i18n import N_, Message
from liyu.partners.scope import EVERY_PARTNER
from liyu.partners.settlement.compute import verify_statement
from liyu.partners.settlement.payout import LONGEST_REFERENCE, approve_and_pay, carry_over, prepare_payout
from liyu.partners.settlement.queries import StatementPage, find_statement_id, statement_page
from liyu.partners.settlement.settle import (
    approve_statement,
    prepare_statements,
    send_statement,
    take_back_statement,
)
from liyu.web.actor import actor_of, require_permission
from liyu.web.acts import adopt_faults, try_act
from liyu.web.audit import record_act
from liyu.web.console import words
from liyu.web.console.common import (
    AnyRequest,
    Names,
    ReasonForm,
    name_people,
    now_of,
    segment,
    show,
    today_of,
)
from liyu.web.console.settlements import month_label
from liyu.web.formats import current_zone
from liyu.web.forms import DateField, Form, TextField
from liyu.web.i18n import translate
from liyu.web.pages import Page, leave_notice, redirect
from liyu.web.statement_words import describe_basis

DONE = {
    "statement.recalculate": N_("Recalculated up to now."),
    "statement.send": N_("Sent. The partner sees it and can confirm it; then a second person approves it."),
    "statement.take_back": N_("Taken back. It is a draft again, and the partner no longer sees it."),
    "statement.approve": N_("Approved and frozen. Its payout can be proposed now."),
    "statement.carry_over": N_("Closed. Its balance goes into the next statement."),
    "payout.prepare": N_("Proposed. Somebody else approves the payout."),
    "payout.pay": N_("Booked as paid."),
}
"""What was done, said after each step."""
_WITHOUT_PAYOUT = N_("Approved and frozen. There is nothing to pay: close it, and its balance goes into the next one.")


class PayoutForm(Form):
    due_on = DateField(N_("To be paid on"))


class PayForm(Form):
    bank_reference = TextField(N_("Bank reference"), maximum=LONGEST_REFERENCE)


@get("/settlements/{number:str}", guards=[require_permission("statements.read")])
async def show_statement(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """One statement; with `?recompute=1` it is worked out anew from its entries and the ledger."""
    return await _show(request, session, number)


@post("/settlements/{number:str}/recalculate", guards=[require_permission("settlement.prepare")])
async def recalculate(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """Take up what came to a draft since it was made."""
    connection = await driver_connection(session)
    found = await _load(session, number)
    act = prepare_statements(
        connection,
        found.head.period,
        actor=actor_of(request).reference,
        now=now_of(request),
        zone=current_zone(),
        partner=found.head.partner_code,
    )
    return await _after(request, session, found, await try_act(connection, act), "statement.recalculate")


@post("/settlements/{number:str}/send", guards=[require_permission("settlement.prepare")])
async def send(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """Send a draft to the partner."""
    connection = await driver_connection(session)
    found = await _load(session, number)
    act = send_statement(connection, found.head.id, actor=actor_of(request).reference, now=now_of(request))
    return await _after(request, session, found, await try_act(connection, act), "statement.send")


@post("/settlements/{number:str}/take-back", guards=[require_permission("settlement.prepare")])
async def take_back(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """Make a sent statement a draft again, with a reason."""
    form = await ReasonForm.read(request)
    if not form.is_valid:
        return await _show(request, session, number, form=form)
    connection = await driver_connection(session)
    found = await _load(session, number)
    act = take_back_statement(
        connection, found.head.id, actor=actor_of(request).reference, now=now_of(request), reason=form.reason
    )
    refusal = await try_act(connection, act)
    return await _after(request, session, found, refusal, "statement.take_back", reason=form.reason)


@post("/settlements/{number:str}/approve", guards=[require_permission("settlement.approve")])
async def approve(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """Approve what somebody else prepared; from here on it is frozen."""
    connection = await driver_connection(session)
    found = await _load(session, number)
    act = approve_statement(connection, found.head.id, actor=actor_of(request).reference, now=now_of(request))
    return await _after(request, session, found, await try_act(connection, act), "statement.approve")


@post("/settlements/{number:str}/payout", guards=[require_permission("settlement.prepare")])
async def propose_payout(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """Propose to pay an approved statement on a day."""
    form = await PayoutForm.read(request)
    if form.is_valid and form.due_on is not None and form.due_on < today_of(request):
        form.refuse(N_("Choose today or a later day."), "due_on")
    if not form.is_valid or form.due_on is None:
        return await _show(request, session, number, form=form)
    connection = await driver_connection(session)
    found = await _load(session, number)
    act = prepare_payout(
        connection, found.head.id, actor=actor_of(request).reference, now=now_of(request), due_on=form.due_on
    )
    refusal = await try_act(connection, act)
    return await _after(request, session, found, refusal, "payout.prepare", due_on=form.due_on.isoformat())


@post("/settlements/{number:str}/pay", guards=[require_permission("settlement.approve")])
async def pay(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """Say that the money was sent, by somebody else than who prepared the payout."""
    form = await PayForm.read(request)
    if not form.is_valid:
        return await _show(request, session, number, form=form)
    connection = await driver_connection(session)
    found = await _load(session, number)
    act = approve_and_pay(
        connection,
        found.payout.id if found.payout else 0,
        bank_reference=form.bank_reference,
        actor=actor_of(request).reference,
        now=now_of(request),
    )
    refusal = adopt_faults(form, await try_act(connection, act))
    if form.faults:
        return await _show(request, session, number, form=form)
    return await _after(request, session, found, refusal, "payout.pay", bank_reference=form.bank_reference)


@post("/settlements/{number:str}/carry-over", guards=[require_permission("settlement.approve")])
async def close(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """Close a statement that leaves nothing to pay; its balance stays on the partner's account."""
    connection = await driver_connection(session)
    found = await _load(session, number)
    act = carry_over(connection, found.head.id, actor=actor_of(request).reference, now=now_of(request))
    return await _after(request, session, found, await try_act(connection, act), "statement.carry_over")


async def _load(session: AsyncSession, number: str) -> StatementPage:
    connection = await driver_connection(session)
    return await statement_page(EVERY_PARTNER, connection, await find_statement_id(EVERY_PARTNER, connection, number))


async def _after(
    request: AnyRequest,
    session: AsyncSession,
    before: StatementPage,
    refusal: DomainError | None,
    action: str,
    **details: object,
) -> Page:
    """What every step ends with: the refusal on the page, or the audit event and the page anew."""
    number = before.head.number
    if refusal:
        return await _show(request, session, number, refusal=refusal)
    after = await _load(session, number)
    await record_act(
        request,
        session,
        action,
        f"statement:{number}",
        before={"state": before.head.state, "net_minor": before.head.net_minor},
        after={"state": after.head.state, "net_minor": after.head.net_minor, **details},
    )
    leave_notice(request, _WITHOUT_PAYOUT if _is_approved_without_payout(action, after) else DONE[action])
    return redirect(request, f"/console/settlements/{segment(number)}")


def _is_approved_without_payout(action: str, after: StatementPage) -> bool:
    return action == "statement.approve" and after.to_pay_minor <= 0


async def _show(
    request: AnyRequest,
    session: AsyncSession,
    number: str,
    *,
    form: Form | None = None,
    refusal: DomainError | None = None,
) -> Page:
    connection = await driver_connection(session)
    found = await _load(session, number)
    head, payout = found.head, found.payout
    mentioned = [head.prepared_by, head.approved_by, *(one.actor for one in found.transitions)]
    if payout:
        mentioned += [payout.prepared_by, payout.approved_by]
    names = await name_people(connection, mentioned)
    own = actor_of(request).reference
    return show(
        request,
        "statement",
        refusal=refusal,
        **({"status": 422} if form is not None else {}),
        found=found,
        head=head,
        payout=payout,
        names=names,
        month=month_label(head.period),
        lines=[{"line": line, "basis": translate(describe_basis(line))} for line in found.lines],
        entries=_history(found, names),
        to_pay=found.to_pay_minor,
        is_own=head.prepared_by == own,
        is_own_payout=payout is not None and payout.prepared_by == own,
        proof=await verify_statement(connection, head.id) if request.query_params.get("recompute") else None,
        today=today_of(request),
        form=form,
    )


def _history(found: StatementPage, names: Names) -> list[dict[str, Any]]:
    entries = [
        {
            "text": words.reason(one.reason)
            if one.to_state != "paid"
            else translate(Message(N_("Paid, bank reference %(reference)s"), {"reference": one.reason})),
            "when": one.at,
            "by": names.of(one.actor),
        }
        for one in found.transitions
    ]
    if found.payout:
        text = translate(Message(N_("Payout prepared, to be paid on %(day)s"), {"day": found.payout.due_on}))
        entries.append({"text": text, "when": found.payout.prepared_at, "by": names.of(found.payout.prepared_by)})
        entries.sort(key=lambda entry: entry["when"])  # type: ignore[arg-type, return-value]
    return entries


ROUTES = [show_statement, recalculate, send, take_back, approve, propose_payout, pay, close]
