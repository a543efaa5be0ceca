"""The import studio: upload, differences, yes or no, progress, result, and undoing after a preview of what cannot be undone."""

import hashlib
from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.errors import DomainError
from liyu.core.i18n import N_
from liyu.core.ids import make_token
from liyu.core.jobs import defer
from liyu.core.storage import open_storage
from liyu.members.imports.apply import confirm
from liyu.members.imports.queries import (
    STATUSES,
    Import,
    ImportRow,
    list_imports,
    list_rows,
    list_steps,
    load_import,
    names_of,
)
from liyu.members.imports.retention import KEPT
from liyu.members.imports.service import Work, discard, take_in
from liyu.members.imports.states import AT_WORK
from liyu.members.imports.undo import begin_undo, preview_undo
from liyu.members.personal.fields import ANSWER, list_all_fields
from liyu.web.actor import actor_of, require_permission
from liyu.web.acts import try_act
from liyu.web.audit import record_act
from liyu.web.console import import_words
from liyu.web.console.common import (
    AnyRequest,
    Connection,
    choice_links,
    cursor_links,
    name_people,
    now_of,
    read_choice,
    read_cursor,
    show,
)
from liyu.web.forms import FileField, Form
from liyu.web.pages import Page, fragment, leave_notice, redirect
from liyu.web.visit import visit_of

GUARD = require_permission("members.import")
LARGEST_UPLOAD = 30 * 1024 * 1024


class UploadForm(Form):
    file = FileField(N_("File of members"))


@get("/imports", guards=[GUARD])
async def show_imports(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """The upload and the imports so far."""
    return await _show_list(request, session, UploadForm.blank())


@post("/imports", guards=[GUARD], request_max_body_size=LARGEST_UPLOAD)
async def upload(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Take a file in; the worker reads it and compares it. No member changes."""
    form = await UploadForm.read(request)
    if not form.is_valid or form.file is None:
        return await _show_list(request, session, form, status=422)
    content = await form.file.read()
    # A name of our own: what people call their files is only shown.
    name = f"imports/{make_token()}"
    services = visit_of(request).services
    digest = await open_storage(services.settings).put(name, content, "application/octet-stream")
    assert digest == hashlib.sha256(content).hexdigest()
    connection, actor = await driver_connection(session), actor_of(request).reference
    file_name = form.file.filename.replace("\0", "")[:200]
    import_id = await take_in(connection, file_name, digest, storage=name, actor=actor, now=now_of(request))
    await defer(connection, "read_import", import_id=import_id, actor=actor)
    await record_act(
        request, session, "members.upload", f"import:{import_id}", after={"file": file_name, "sha256": digest}
    )
    return redirect(request, f"/console/imports/{import_id}")


@get("/imports/{import_id:int}", guards=[GUARD])
async def show_import(request: AnyRequest, session: NamedDependency[AsyncSession], import_id: FromPath[int]) -> Page:
    """One import: its differences, or how far it has come, or what it did."""
    return await _show(request, session, import_id)


@get("/imports/{import_id:int}/progress", guards=[GUARD])
async def show_progress(request: AnyRequest, session: NamedDependency[AsyncSession], import_id: FromPath[int]) -> Page:
    """How far the worker has come; once it is done, the page is loaded anew."""
    found = await load_import(await driver_connection(session), import_id)
    headers = [] if found.state in AT_WORK else [(b"hx-refresh", b"true")]
    return fragment(request, "console/_import_progress.html", found=found, import_words=import_words, headers=headers)


@post("/imports/{import_id:int}/confirm", guards=[GUARD])
async def confirm_import(request: AnyRequest, session: NamedDependency[AsyncSession], import_id: FromPath[int]) -> Page:
    """Say yes; the worker imports."""
    connection, work = await driver_connection(session), _work(request, import_id)
    refusal = await try_act(connection, confirm(connection, work))
    if refusal:
        return await _show(request, session, import_id, refusal=refusal)
    await defer(connection, "apply_import", import_id=import_id, actor=work.actor)
    found = await load_import(connection, import_id)
    await record_act(
        request,
        session,
        "members.import",
        f"import:{import_id}",
        after={"file": found.file_name, **found.counts, "points": found.totals.to_come},
    )
    return redirect(request, f"/console/imports/{import_id}")


@post("/imports/{import_id:int}/discard", guards=[GUARD])
async def discard_import(request: AnyRequest, session: NamedDependency[AsyncSession], import_id: FromPath[int]) -> Page:
    """Say no; nothing was changed."""
    connection = await driver_connection(session)
    refusal = await try_act(connection, discard(connection, _work(request, import_id)))
    if refusal:
        return await _show(request, session, import_id, refusal=refusal)
    await record_act(request, session, "members.discard", f"import:{import_id}")
    leave_notice(request, N_("The file is discarded. No member was changed."))
    return redirect(request, "/console/imports")


@get("/imports/{import_id:int}/undo", guards=[GUARD])
async def show_undo(request: AnyRequest, session: NamedDependency[AsyncSession], import_id: FromPath[int]) -> Page:
    """What undoing would do, and row by row what it could not."""
    connection = await driver_connection(session)
    found = await load_import(connection, import_id)
    if found.state != "applied":
        return redirect(request, f"/console/imports/{import_id}")
    await preview_undo(connection, import_id)
    return await _show_undo(request, connection, found)


@post("/imports/{import_id:int}/undo", guards=[GUARD])
async def undo(request: AnyRequest, session: NamedDependency[AsyncSession], import_id: FromPath[int]) -> Page:
    """Undo it; the worker does."""
    connection, work = await driver_connection(session), _work(request, import_id)
    refusal = await try_act(connection, begin_undo(connection, work))
    if refusal:
        return await _show(request, session, import_id, refusal=refusal)
    await defer(connection, "undo_import", import_id=import_id, actor=work.actor)
    await record_act(request, session, "members.undo", f"import:{import_id}")
    return redirect(request, f"/console/imports/{import_id}")


async def _show_list(request: AnyRequest, session: AsyncSession, form: UploadForm, status: int = 200) -> Page:
    connection = await driver_connection(session)
    lines, cursor = await list_imports(connection, read_cursor(request))
    return show(
        request,
        "imports",
        status=status,
        form=form,
        lines=lines,
        names=await name_people(connection, [one.made_by for one in lines]),
        import_words=import_words,
        largest=LARGEST_UPLOAD // (1024 * 1024),
        **cursor_links(request, cursor),
    )


async def _show(
    request: AnyRequest, session: AsyncSession, import_id: int, *, refusal: DomainError | None = None
) -> Page:
    connection = await driver_connection(session)
    found = await load_import(connection, import_id)
    status = read_choice(request, "status", STATUSES)
    rows = await list_rows(
        connection,
        import_id,
        status=status,
        refused=request.query_params.get("only") == "refused",
        after=read_cursor(request) or 0,
    )
    steps = await list_steps(connection, import_id)
    choices = [(name, import_words.status(name), found.counts.get(name, 0)) for name in STATUSES]
    return show(
        request,
        "import",
        refusal=refusal,
        found=found,
        is_at_work=found.state in AT_WORK,
        rows=await _rows_in_words(connection, rows.rows),
        has_stayed=found.state == "undone"
        and bool((await list_rows(connection, import_id, refused=True, size=1)).rows),
        steps=steps,
        names=await name_people(connection, [one.actor for one in steps]),
        statuses=choice_links(request, "status", [one for one in choices if one[2]], status),
        import_words=import_words,
        kept_days=KEPT.days,
        **cursor_links(request, rows.next),
    )


async def _show_undo(request: AnyRequest, connection: Connection, found: Import) -> Page:
    refused = await list_rows(connection, found.id, refused=True, after=read_cursor(request) or 0)
    return show(
        request,
        "import_undo",
        found=found,
        rows=await _rows_in_words(connection, refused.rows),
        import_words=import_words,
        **cursor_links(request, refused.next),
    )


async def _rows_in_words(connection: Connection, rows: list[ImportRow]) -> list[dict[str, Any]]:
    names = {"tier_id": await names_of(connection, "tier"), "tag": await names_of(connection, "tag")}
    names |= await _names_of_questions(connection)
    return [
        {
            "row": row.row,
            "who": import_words.who(row),
            "member": row.member,
            "is_member": row.member is not None and row.undone_at is None,
            "status": row.status,
            "changes": [
                import_words.difference(change, names) for change in sorted(row.changes, key=import_words.place)
            ],
            "faults": [import_words.note(fault, names) for fault in row.faults],
            "refusals": [import_words.refusal(one, names) for one in row.refusals],
        }
        for row in rows
    ]


async def _names_of_questions(connection: Connection) -> import_words.Names:
    """What the operator's own questions and their options are called; retired ones too, since rows stay."""
    questions = await list_all_fields(connection)
    options = {
        f"{ANSWER}{one.key}": {option.value: (option.name_zh, option.name_en) for option in one.options}
        for one in questions
        if one.options
    }
    return {"field": {f"{ANSWER}{one.key}": (one.name_zh, one.name_en) for one in questions}, **options}


def _work(request: AnyRequest, import_id: int) -> Work:
    return Work(import_id, actor_of(request).reference, now_of(request))


ROUTES = [show_imports, upload, show_import, show_progress, confirm_import, discard_import, show_undo, undo]
