"""Statements 对账单: the list, one with its lines and history, its entries, its files, recomputing and confirming it."""

from typing import Any
from urllib.parse import urlencode

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.clock import local_date
from liyu.core.database import driver_connection
from liyu.core.i18n import N_
from liyu.partners.settlement.compute import StatementProof, verify_statement
from liyu.partners.settlement.queries import (
    EntryView,
    LineView,
    StatementPage,
    StatementSummary,
    find_statement_id,
    statement_entries,
    statement_page,
    statements_of,
)
from liyu.partners.settlement.settle import confirm_statement
from liyu.partners.settlement.states import name_of
from liyu.partners.settlement.terms import MODE_NAMES
from liyu.web.actor import actor_of, require_permission
from liyu.web.audit import record_act
from liyu.web.formats import current_zone
from liyu.web.forms import Form, IntegerField, TextField
from liyu.web.i18n import current_locale, gettext, text_of, translate
from liyu.web.pages import Page, fragment, leave_notice, page, redirect
from liyu.web.paper import group_digest, say_period
from liyu.web.partner.staff import AnyRequest, now_of, partner_id_of
from liyu.web.partner.words import STATEMENT_TONES, describe_next_step, describe_step
from liyu.web.statement_words import describe_basis, name_event
from liyu.web.visit import visit_of

PAGE_SIZE = 12


class ListForm(Form):
    before = TextField(required=False, maximum=7)


class EntriesForm(Form):
    line = IntegerField(required=False, maximum=2**62, default=None)
    after = TextField(required=False, maximum=80)


@get("/statements", guards=[require_permission("statements.read")])
async def list_statements(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """The statements that were sent to the partner, the latest first."""
    form = ListForm.parse(request.query_params.dict())
    before = form.before if form.is_valid else ""
    connection = await driver_connection(session)
    found = await statements_of(
        partner_id_of(actor_of(request)), connection, before=before or "9999-99", limit=PAGE_SIZE + 1
    )
    last = found[PAGE_SIZE - 1] if len(found) > PAGE_SIZE else None
    return page(
        request,
        "partner/statements.html",
        rows=[statement_row(one) for one in found[:PAGE_SIZE]],
        first_href="/partner/statements" if before else None,
        next_href=f"/partner/statements?before={last.period}" if last else None,
    )


@get("/statements/{number:str}", guards=[require_permission("statements.read")])
async def show_statement(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """One statement with everything that its figures come from."""
    return _statement_page(request, await _load(request, session, number), None)


@post("/statements/{number:str}/recompute", guards=[require_permission("statements.read")])
async def recompute_statement(
    request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]
) -> Page:
    """Reckon the statement once more from terms, entries and ledger, and show both side by side (docs/rules.md 13)."""
    found = await _load(request, session, number)
    proof = await verify_statement(await driver_connection(session), found.head.id)
    if visit_of(request).is_fragment:
        return fragment(request, "partner/_proof.html", head=found.head, digest=group_digest(proof.digest), proof=proof)
    return _statement_page(request, found, proof)


@post("/statements/{number:str}/confirm", guards=[require_permission("statements.confirm")])
async def confirm(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """The partner agrees with a statement."""
    connection, actor = await driver_connection(session), actor_of(request)
    partner_id = partner_id_of(actor)
    statement_id = await find_statement_id(partner_id, connection, number)
    await confirm_statement(connection, partner_id, statement_id, actor=actor.reference, now=now_of(request))
    await record_act(request, session, "statement.confirm", f"statement:{number}", after={"state": "confirmed"})
    found = await statement_page(partner_id, connection, statement_id)
    if found.to_pay_minor > 0:
        leave_notice(request, N_("Confirmed. The program’s finance team approves and pays it next."))
    else:
        leave_notice(request, N_("Confirmed. The program’s finance team approves it next; there is nothing to pay."))
    return redirect(request, f"/partner/statements/{number}")


@get("/statements/{number:str}/entries", guards=[require_permission("statements.read")])
async def list_entries(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """The entries behind a statement, or behind one of its lines."""
    form = EntriesForm.parse(request.query_params.dict())
    line, after = (form.line, form.after) if form.is_valid else (None, "")
    found = await _load(request, session, number)
    entries = await statement_entries(
        partner_id_of(actor_of(request)),
        await driver_connection(session),
        found.head.id,
        line=line,
        after=after or None,
    )
    address = f"/partner/statements/{number}/entries"
    return page(
        request,
        "partner/entries.html",
        head=found.head,
        period=say_period(found.head.period, current_locale()),
        amount=next((one.amount_minor for one in found.lines if one.agreement_line_id == line), found.head.net_minor),
        filters=[
            {"label": gettext(N_("All lines")), "href": address, "current": line is None, "count": None},
            *(
                {
                    "label": text_of(one, "title"),
                    "href": f"{address}?line={one.agreement_line_id}",
                    "current": line == one.agreement_line_id,
                    "count": None,
                }
                for one in found.lines
            ),
        ],
        entries=[_entry_row(entry) for entry in entries.entries],
        first_href=_entries_address(address, line, None) if after else None,
        next_href=_entries_address(address, line, entries.next) if entries.next else None,
    )


def statement_row(statement: StatementSummary) -> dict[str, Any]:
    """A statement as lists show it."""
    return {
        "statement": statement,
        "period": say_period(statement.period, current_locale()),
        "label": translate(name_of(statement.state)),
        "tone": STATEMENT_TONES[statement.state],
    }


async def _load(request: AnyRequest, session: AsyncSession, number: str) -> StatementPage:
    """A statement that was sent to the partner. Raises UnknownStatementError, also for another partner's."""
    connection, partner_id = await driver_connection(session), partner_id_of(actor_of(request))
    return await statement_page(partner_id, connection, await find_statement_id(partner_id, connection, number))


def _statement_page(request: AnyRequest, found: StatementPage, proof: StatementProof | None) -> Page:
    head = found.head
    next_step = describe_next_step(head.state, found.to_pay_minor)
    steps: list[dict[str, Any]] = [
        {"text": gettext(describe_step(step)), "when": step.at, "by": step.actor_name or gettext(N_("System"))}
        for step in found.transitions
    ]
    if next_step:
        steps.append({"text": gettext(next_step), "when": None, "state": "waiting"})
    return page(
        request,
        "partner/statement.html",
        head=head,
        period=say_period(head.period, current_locale()),
        label=translate(name_of(head.state)),
        tone=STATEMENT_TONES[head.state],
        lines=[_line_row(line) for line in found.lines],
        steps=steps,
        payout=found.payout,
        to_pay=found.to_pay_minor,
        paid_on=local_date(found.payout.paid_at, current_zone()) if found.payout and found.payout.paid_at else None,
        digest=group_digest(head.digest),
        proof=proof,
        can_confirm=head.state == "sent" and actor_of(request).may("statements.confirm"),
    )


def _line_row(line: LineView) -> dict[str, Any]:
    return {
        "line": line,
        "mode": gettext(MODE_NAMES[line.mode]),
        "title": text_of(line, "title"),
        "basis": translate(describe_basis(line)),
    }


def _entry_row(entry: EntryView) -> dict[str, Any]:
    kind, reference = name_event(entry.kind, entry.source)
    origin, _, number = entry.source.partition(":")
    pages = {"verification": f"/partner/verifications/{number}", "offline": "/partner/offline-uses"}
    return {
        "entry": entry,
        "event": f"{kind} {reference}",
        "title": text_of(entry, "title"),
        "href": pages.get(origin),
    }


def _entries_address(address: str, line: int | None, after: str | None) -> str:
    query = urlencode({name: value for name, value in (("line", line), ("after", after)) if value})
    return f"{address}?{query}" if query else address


ROUTES = [list_statements, show_statement, recompute_statement, confirm, list_entries]
