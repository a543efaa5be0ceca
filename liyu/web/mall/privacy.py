"""What is held about the member, a copy of all of it, and leaving for good."""

import asyncio
import io
import zipfile
from datetime import date, datetime
from typing import Any

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from psycopg import AsyncConnection
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core import outbox
from liyu.core.clock import local_date
from liyu.core.database import driver_connection
from liyu.core.i18n import N_, Message
from liyu.members.personal.closing import ask_to_close, find_closing, take_back_closing
from liyu.members.personal.locking import read_record
from liyu.members.program import load_terms
from liyu.redemption.closing import load_holdings
from liyu.redemption.personal_data import PERSONAL_DATA, export_member, list_exports, note_export
from liyu.web.actor import actor_of
from liyu.web.acts import carry_out
from liyu.web.audit import record_act
from liyu.web.formats import current_zone, format_day, format_instant
from liyu.web.forms import CheckField, Form, TextField
from liyu.web.i18n import current_locale, gettext
from liyu.web.limits import count_hit
from liyu.web.mall.account_words import COLUMN_LABELS
from liyu.web.mall.member import AnyRequest, member_id_of, now_of
from liyu.web.pages import Page, leave_notice, page, redirect, render, render_text
from liyu.web.services import Services
from liyu.web.visit import visit_of

PATH = "/account/privacy"
CLOSE = "/account/close"
_TITLES = {table.table: table.title for table in PERSONAL_DATA}
_ZIP = (b"content-type", b"application/zip")
_PRIVATE = (b"cache-control", b"private, no-store")


class CloseForm(Form):
    reason = TextField(N_("Why do you leave?"), required=False, maximum=200)
    understood = CheckField(N_("I have read what happens, and want to close my account"), required=True)


@get(PATH)
async def show_privacy(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """The copy of one's data, and the way out."""
    connection, member_id = await driver_connection(session), member_id_of(actor_of(request))
    return page(
        request,
        "mall/privacy.html",
        tab="me",
        sections=[gettext(table.title) for table in PERSONAL_DATA if table.read],
        exports=await list_exports(connection, member_id),
        closing=await find_closing(connection, member_id),
    )


@post("/account/export")
async def export_data(
    request: AnyRequest, session: NamedDependency[AsyncSession], services: NamedDependency[Services]
) -> Page:
    """Everything that is held about the member, as one file: JSON for programs and a page for people."""
    actor = actor_of(request)
    await count_hit(services, "data_export", actor.reference)
    connection, member_id = await driver_connection(session), member_id_of(actor)
    data = await export_member(connection, member_id)
    body = await asyncio.to_thread(_pack, _as_json(data, now_of(request)), _as_page(request, data))
    rows = sum(len(table) for table in data.values())
    await note_export(connection, member_id, actor=actor.reference, rows=rows, size=len(body), now=now_of(request))
    await record_act(request, session, "data.export", actor.reference, after={"rows": rows})
    day = local_date(now_of(request), current_zone())
    disposition = f'attachment; filename="my-data-{day.isoformat()}.zip"'
    return Page(body, headers=[_ZIP, _PRIVATE, (b"content-disposition", disposition.encode())])


@get(CLOSE)
async def show_close(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """What happens to points, vouchers and data, before anything does."""
    return await _show_close(request, await driver_connection(session), CloseForm.blank())


@post(CLOSE)
async def close(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Note the wish to leave; the days to think again begin."""
    connection, actor = await driver_connection(session), actor_of(request)
    member_id, now = member_id_of(actor), now_of(request)
    form = await CloseForm.read(request)
    holdings = await load_holdings(connection, member_id, now)
    if form.is_valid and holdings.open_orders:
        form.refuse(N_("Some orders have not arrived yet. Wait for them or cancel them first."))
    due = None
    if form.is_valid:
        act = ask_to_close(connection, member_id, reason=form.reason, actor=actor.reference, now=now)
        due = await carry_out(connection, form, act)
    if due is None:
        return await _show_close(request, connection, form, status=422)
    await record_act(request, session, "account.close_asked", actor.reference)
    await _tell(request, session, member_id, due)
    leave_notice(request, Message(N_("Your account will be closed on %(day)s."), {"day": due}))
    return redirect(request, PATH)


@post(f"{CLOSE}/take-back")
async def stay(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Stay after all."""
    actor = actor_of(request)
    await take_back_closing(await driver_connection(session), member_id_of(actor), now=now_of(request))
    await record_act(request, session, "account.close_taken_back", actor.reference)
    leave_notice(request, N_("Good that you stay. Everything is as it was."))
    return redirect(request, PATH)


async def _show_close(request: AnyRequest, connection: AsyncConnection[Any], form: Form, status: int = 200) -> Page:
    member_id = member_id_of(actor_of(request))
    return page(
        request,
        "mall/close.html",
        status=status,
        tab="me",
        form=form,
        holdings=await load_holdings(connection, member_id, now_of(request)),
        days=(await load_terms(connection)).closing_days,
        closing=await find_closing(connection, member_id),
    )


async def _tell(request: AnyRequest, session: AsyncSession, member_id: int, due_at: datetime) -> None:
    """A word to the phone, in case it was not its owner who wants to leave."""
    phone = (await read_record(await driver_connection(session), member_id)).phone
    if phone is None:
        return
    visit = visit_of(request)
    await outbox.post(
        session,
        channel=outbox.SMS,
        recipient=phone,
        body=render_text(request, "mail/closing.txt", {"day": due_at}),
        locale=visit.locale or visit.services.settings.locale,
        now=now_of(request),
    )


def _as_json(data: dict[str, list[dict[str, Any]]], now: datetime) -> bytes:
    return msgspec.json.format(msgspec.json.encode({"made_at": now, "data": data}), indent=2)


def _as_page(request: AnyRequest, data: dict[str, list[dict[str, Any]]]) -> bytes:
    sections = [
        {
            "title": gettext(_TITLES[table]),
            "columns": [gettext(COLUMN_LABELS[column]) for column in rows[0]],
            "rows": [[_cell(value) for value in row.values()] for row in rows],
        }
        for table, rows in data.items()
        if rows
    ]
    context = {"sections": sections, "notices": ()}
    return render(request.app.state.environment, visit_of(request), "mall/export.html", context)


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return gettext(N_("yes")) if value else gettext(N_("no"))
        case datetime():
            return format_instant(value, current_locale())
        case date():
            return format_day(value, current_locale())
        case list():
            return " · ".join(map(str, value))
        case _:
            return str(value)


def _pack(json: bytes, html: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("my-data.json", json)
        archive.writestr("my-data.html", html)
    return packed.getvalue()


ROUTES = [show_privacy, export_data, show_close, close, stay]
