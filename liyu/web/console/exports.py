"""Rows as files: members by tier, tag and segment, small ones at once; large ones and orders by the worker, with their progress."""

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect, Stream
from msgspec import Struct, to_builtins
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.errors import NotAllowedError, NotFoundError
from liyu.core.exports import CSV, KEPT, MEMBERS, ORDERS, XLSX, Export, load_export, order_export, write_sheet
from liyu.core.i18n import N_
from liyu.core.spreadsheets import rows_as_csv
from liyu.core.storage import open_storage
from liyu.members.account import list_tiers
from liyu.members.tags.export import members_sheet
from liyu.members.tags.queries import Audience, count_audience, list_segments, list_tags
from liyu.web import attachments
from liyu.web.actor import actor_of, require_permission
from liyu.web.attachments import attach, headers_of
from liyu.web.audit import record_act
from liyu.web.console.common import AnyRequest, now_of, read_choice, show, today_of
from liyu.web.formats import current_zone
from liyu.web.i18n import current_locale, gettext
from liyu.web.pages import Page, fragment, redirect
from liyu.web.visit import visit_of

GUARD = require_permission("members.export")
MEDIA_TYPES = {CSV: attachments.CSV, XLSX: attachments.XLSX}
AT_ONCE = 20_000
"""A file of no more members than this is sent while one waits; a larger one is the worker's."""


class Kind(Struct, frozen=True):
    """What a file holds: who may have it, how it is called, and where it was ordered."""

    permission: str
    title: str
    home: str
    home_title: str


KINDS = {
    MEMBERS: Kind("members.export", N_("Members as a file"), "/console/segments", N_("Segments")),
    ORDERS: Kind("redemptions.export", N_("Orders as a file"), "/console/redemptions", N_("Redemptions")),
}


@get("/export/members.csv", guards=[GUARD])
async def download_csv(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Response[Any]:
    """Members as CSV, sent as they are read."""
    audience, number = await _audience(request, session)
    if number > AT_ONCE:
        return Redirect(await _order(request, session, audience, CSV, number), status_code=303)
    today, zone, sessions = today_of(request), current_zone(), visit_of(request).services.sessions

    async def pieces() -> AsyncIterator[bytes]:
        async with sessions() as reading:
            sheet = members_sheet(await driver_connection(reading), audience, today, zone, gettext)
            async for piece in rows_as_csv(sheet.headings, sheet.pages):
                yield piece

    return Stream(pieces(), media_type=MEDIA_TYPES[CSV], headers=headers_of("members.csv"))


@get("/export/members.xlsx", guards=[GUARD])
async def download_xlsx(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Members as a workbook."""
    audience, number = await _audience(request, session)
    if number > AT_ONCE:
        return redirect(request, await _order(request, session, audience, XLSX, number))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "members.xlsx"
        connection = await driver_connection(session)
        await write_sheet(path, members_sheet(connection, audience, today_of(request), current_zone(), gettext))
        return attach(path.read_bytes(), MEDIA_TYPES[XLSX], "members.xlsx")


@get("/exports/{export_id:int}")
async def show_export(request: AnyRequest, session: NamedDependency[AsyncSession], export_id: FromPath[int]) -> Page:
    """How far a large file has come, and the file once it is there."""
    found = await _find(request, session, export_id)
    hours = int(KEPT.total_seconds()) // 3600
    return show(request, "export", found=found, kind=KINDS[found.kind], kept_hours=hours)


@get("/exports/{export_id:int}/progress")
async def show_export_progress(
    request: AnyRequest, session: NamedDependency[AsyncSession], export_id: FromPath[int]
) -> Page:
    """The progress alone; once the file is there, the page is loaded anew."""
    found = await _find(request, session, export_id)
    headers = [(b"hx-refresh", b"true")] if found.finished_at else []
    return fragment(request, "console/_export_progress.html", found=found, headers=headers)


@get("/exports/{export_id:int}/file")
async def download_export(
    request: AnyRequest, session: NamedDependency[AsyncSession], export_id: FromPath[int]
) -> Page:
    """The finished file. Raises NotFoundError when there is none, or none any more."""
    found = await _find(request, session, export_id)
    if found.storage_name is None:
        raise NotFoundError
    content = await open_storage(visit_of(request).services.settings).get(found.storage_name)
    action = KINDS[found.kind].permission
    await record_act(request, session, action, f"export:{export_id}", after={found.kind: found.total})
    return attach(content, MEDIA_TYPES[found.format], f"{found.kind}.{found.format}")


async def _find(request: AnyRequest, session: AsyncSession, export_id: int) -> Export:
    """A file of a kind that the one who asks may have. Raises NotFoundError or NotAllowedError."""
    actor = actor_of(request)
    if not any(actor.may(kind.permission) for kind in KINDS.values()):
        raise NotAllowedError
    found = await load_export(await driver_connection(session), export_id)
    if not actor.may(KINDS[found.kind].permission):
        raise NotAllowedError
    return found


async def _audience(request: AnyRequest, session: AsyncSession) -> tuple[Audience, int]:
    """Who is meant by the address, noted in the audit log with their number: an export takes personal data out."""
    connection = await driver_connection(session)
    tier = read_choice(request, "tier", [one.code for one in await list_tiers(connection)])
    tag = read_choice(request, "tag", [one.code for one in await list_tags(connection)])
    segments = {str(one.id): one for one in await list_segments(connection)}
    chosen = read_choice(request, "segment", segments)
    audience = Audience(tier, tag, segments[chosen].conditions if chosen else None)
    number = await count_audience(connection, audience, today_of(request), current_zone())
    await record_act(
        request, session, "members.export", "members:all",
        after={"tier": tier, "tag": tag, "segment": segments[chosen].name if chosen else None, "members": number},
    )  # fmt: skip
    return audience, number


async def _order(request: AnyRequest, session: AsyncSession, audience: Audience, file_format: str, number: int) -> str:
    """The address of the file on its way."""
    export_id = await order_export(
        await driver_connection(session), MEMBERS, to_builtins(audience), file_format, total=number, locale=current_locale(),
        actor=actor_of(request).reference, now=now_of(request),
    )  # fmt: skip
    return f"/console/exports/{export_id}"


ROUTES = [download_csv, download_xlsx, show_export, show_export_progress, download_export]
