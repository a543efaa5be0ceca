"""Vouchers on paper by the thousand: ordered for an item, made by the worker, fetched through an address of minutes."""

from collections.abc import Iterable
from typing import Any, Protocol, cast

from itsdangerous import BadSignature, URLSafeTimedSerializer
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Stream
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.errors import DomainError, NotFoundError
from liyu.core.i18n import N_, Message
from liyu.core.jobs import defer
from liyu.core.storage import open_storage
from liyu.vouchers.batches import (
    KEPT,
    MEDIA_TYPES,
    PAGE,
    PROBLEMS,
    Numbers,
    Print,
    list_printable_items,
    list_prints,
    load_print,
    order_print,
    resume_print,
    stop_print,
)
from liyu.vouchers.sheets import FORMS, LAYOUTS, Form, Layout
from liyu.web import forms
from liyu.web.actor import actor_of, require_permission
from liyu.web.acts import attempt, try_act
from liyu.web.attachments import headers_of, open_pieces
from liyu.web.audit import record_act
from liyu.web.console.common import (
    AnyRequest,
    Connection,
    cursor_links,
    name_people,
    now_of,
    read_cursor,
    show,
)
from liyu.web.i18n import LANGUAGE_TAGS, current_locale, gettext, text_of, translate
from liyu.web.pages import Page, fragment, redirect
from liyu.web.visit import visit_of

GUARD = require_permission("vouchers.print")
ADDRESS_SECONDS = 300
"""How long the address of a file is good; whoever has the file has the vouchers."""
_LAYOUT_NAMES: dict[str, str] = {"a6": N_("A6, a page each"), "a4": N_("A4, four with cut marks")}
_FORM_NAMES: dict[str, str] = {
    "pdf": N_("One PDF"),
    "zip": N_("ZIP with a PDF each"),
    "csv": N_("CSV for a print shop"),
}
_LANGUAGES = {"zh_CN": "中文", "en": "English"}
_STATES: dict[str, tuple[str, str]] = {
    "printing": (N_("Printing"), "gold"),
    "stopped": (N_("Stopped"), "red"),
    "finished": (N_("Finished"), "green"),
    "gone": (N_("File deleted"), "grey"),
}


class PrintForm(forms.Form):
    sku = forms.TextField(N_("Item"), maximum=64)
    language = forms.ChoiceField(tuple(LANGUAGE_TAGS), label=N_("Language"))
    layout = forms.ChoiceField(LAYOUTS, label=N_("Paper"))
    form = forms.ChoiceField(FORMS, label=N_("File"))


class Wish(Protocol):
    """How vouchers are wanted on paper: a form with these fields."""

    language: Any
    layout: Any
    form: Any


@get("/prints", guards=[GUARD])
async def show_prints(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """What was printed, and the form for more."""
    return await _show_list(request, session, PrintForm.blank())


@post("/prints", guards=[GUARD])
async def order(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Order the usable vouchers of an item; the worker prints them."""
    form = await PrintForm.read(request)
    connection = await driver_connection(session)
    items = {one.sku: one.id for one in await list_printable_items(connection, now_of(request))}
    if form.is_valid and form.sku not in items:
        form.refuse(N_("Choose an item of the list."), "sku")
    if not form.is_valid:
        return await _show_list(request, session, form, status=422)
    print_id = await order_and_start(request, session, items[form.sku], form)
    if isinstance(print_id, DomainError):
        return await _show_list(request, session, form, refusal=print_id)
    return redirect(request, f"/console/prints/{print_id}")


async def order_and_start(
    request: AnyRequest, session: AsyncSession, item_id: int, wish: Wish, *, numbers: Numbers | None = None
) -> int | DomainError:
    """Order vouchers of an item, or numbers of a run, and let the worker begin: the print, or why there is none."""
    connection = await driver_connection(session)
    layout, wanted = cast("Layout", wish.layout), cast("Form", wish.form)
    act = order_print(
        connection, item_id, locale=wish.language, layout=layout, form=wanted, actor=actor_of(request).reference,
        now=now_of(request), numbers=numbers,
    )  # fmt: skip
    ordered = await attempt(connection, act)
    if isinstance(ordered, DomainError):
        return ordered
    print_id, is_new = ordered
    if is_new:
        await defer(connection, "print_vouchers", print_id=print_id)
        found = await load_print(connection, print_id)
        after = {"item": found.sku, "vouchers": found.total, "layout": layout, "form": wanted}
        if numbers:
            after |= {"run": numbers.run_id, "from": numbers.first, "through": numbers.last}
        await record_act(request, session, "print.order", f"print:{print_id}", after=after)
    return print_id


@get("/prints/{print_id:int}", guards=[GUARD])
async def show_print(request: AnyRequest, session: NamedDependency[AsyncSession], print_id: FromPath[int]) -> Page:
    """How far a print has come, and the file once it is there."""
    return await _show(request, await driver_connection(session), print_id)


@get("/prints/{print_id:int}/progress", guards=[GUARD])
async def show_print_progress(
    request: AnyRequest, session: NamedDependency[AsyncSession], print_id: FromPath[int]
) -> Page:
    """The progress alone; once it stands still, the page is loaded anew."""
    found = await load_print(await driver_connection(session), print_id)
    headers = [] if found.state == "printing" else [(b"hx-refresh", b"true")]
    return fragment(request, "console/_print_progress.html", found=found, headers=headers)


@post("/prints/{print_id:int}/stop", guards=[GUARD])
async def stop(request: AnyRequest, session: NamedDependency[AsyncSession], print_id: FromPath[int]) -> Page:
    """Let it stop; what is printed stays."""
    connection = await driver_connection(session)
    refusal = await try_act(connection, stop_print(connection, print_id))
    if refusal:
        return await _show(request, connection, print_id, refusal=refusal)
    await record_act(request, session, "print.stop", f"print:{print_id}")
    return redirect(request, f"/console/prints/{print_id}")


@post("/prints/{print_id:int}/resume", guards=[GUARD])
async def resume(request: AnyRequest, session: NamedDependency[AsyncSession], print_id: FromPath[int]) -> Page:
    """Let it go on where it was."""
    connection = await driver_connection(session)
    refusal = await try_act(connection, resume_print(connection, print_id, now_of(request)))
    if refusal:
        return await _show(request, connection, print_id, refusal=refusal)
    await defer(connection, "print_vouchers", print_id=print_id)
    await record_act(request, session, "print.resume", f"print:{print_id}")
    return redirect(request, f"/console/prints/{print_id}")


@post("/prints/{print_id:int}/address", guards=[GUARD])
async def make_address(request: AnyRequest, session: NamedDependency[AsyncSession], print_id: FromPath[int]) -> Page:
    """Lead to the file by an address for this person and some minutes."""
    found = await load_print(await driver_connection(session), print_id)
    if found.state != "finished":
        raise NotFoundError
    ticket = _tickets(request).dumps([print_id, actor_of(request).reference])
    return redirect(request, f"/console/prints/{print_id}/file/{ticket}")


@get("/prints/{print_id:int}/file/{ticket:str}", guards=[GUARD])
async def download_print(
    request: AnyRequest, session: NamedDependency[AsyncSession], print_id: FromPath[int], ticket: FromPath[str]
) -> Stream:
    """The file, noted in the audit log. Raises NotFoundError for an address that is over or another's, or a file that is gone."""
    try:
        meant = _tickets(request).loads(ticket, max_age=ADDRESS_SECONDS)
    except BadSignature as fault:
        raise NotFoundError from fault
    found = await load_print(await driver_connection(session), print_id)
    if meant != [print_id, actor_of(request).reference] or found.state != "finished":
        raise NotFoundError
    pieces = await open_pieces(open_storage(visit_of(request).services.settings).pieces(found.file_name))
    await record_act(request, session, "print.fetch", f"print:{print_id}", after={"vouchers": found.total})
    numbers = f"-{found.first_number}-{found.last_number}" if found.run_id else ""
    name = f"vouchers-{found.sku}-{found.id}{numbers}.{found.form}"
    return Stream(pieces, media_type=MEDIA_TYPES[found.form], headers=headers_of(name))


def _tickets(request: AnyRequest) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(visit_of(request).services.settings.secret_key, salt="voucher print")


async def _show_list(
    request: AnyRequest,
    session: AsyncSession,
    form: PrintForm,
    *,
    refusal: DomainError | None = None,
    status: int | None = None,
) -> Page:
    connection = await driver_connection(session)
    found = await list_prints(connection, read_cursor(request))
    items = await list_printable_items(connection, now_of(request))
    return show(
        request,
        "prints",
        refusal=refusal,
        **({"status": status} if status else {}),
        form=form,
        rows=[words_of_print(one) for one in found],
        names=await name_people(connection, [one.made_by for one in found]),
        items=[(one.sku, f"{text_of(one, 'name')} · {one.vouchers}") for one in items],
        **choices_of_print(FORMS),
        **cursor_links(request, found[-1].id if len(found) == PAGE else None),
    )


async def _show(
    request: AnyRequest, connection: Connection, print_id: int, *, refusal: DomainError | None = None
) -> Page:
    found = await load_print(connection, print_id)
    return show(
        request,
        "print",
        refusal=refusal,
        found=found,
        line=words_of_print(found),
        problem=translate(PROBLEMS[found.problem]) if found.problem else "",
        kept_days=KEPT.days,
        minutes=ADDRESS_SECONDS // 60,
    )


def choices_of_print(file_forms: Iterable[str]) -> dict[str, Any]:
    """What the fields of a form for a print offer."""
    return {
        "languages": list(_LANGUAGES.items()),
        "layouts": [(name, gettext(label)) for name, label in _LAYOUT_NAMES.items()],
        "file_forms": [(name, gettext(_FORM_NAMES[name])) for name in file_forms],
        "own_language": current_locale(),
    }


def words_of_print(found: Print) -> dict[str, Any]:
    """A print as lists show it; of a run with its name and numbers."""
    label, tone = _STATES[found.state]
    return {
        "print": found,
        "name": text_of(found, "item"),
        "run": _say_run(found),
        "state": gettext(label),
        "tone": tone,
        "paper": gettext(_LAYOUT_NAMES[found.layout]),
        "file": gettext(_FORM_NAMES[found.form]),
        "language": _LANGUAGES[found.locale],
    }


def _say_run(found: Print) -> str:
    if found.run_id is None:
        return ""
    values = {"name": found.run_name, "first": found.first_number, "last": found.last_number}
    return translate(Message(N_("%(name)s, no. %(first)s–%(last)s"), values))


ROUTES = [
    show_prints,
    order,
    show_print,
    show_print_progress,
    stop,
    resume,
    make_address,
    download_print,
]
