"""Segments: saved filters over members, and who is in them now."""

from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.errors import InvalidInputError
from liyu.core.i18n import N_
from liyu.members.account import list_tiers
from liyu.members.tags.conditions import Conditions, read_conditions
from liyu.members.tags.queries import (
    Audience,
    SegmentLine,
    count_audience,
    first_of_audience,
    list_segments,
    list_tags,
    load_segment,
)
from liyu.members.tags.segments import delete_segment, save_segment
from liyu.web.actor import actor_of, require_permission
from liyu.web.acts import try_act
from liyu.web.audit import record_act
from liyu.web.console import condition_fields, words
from liyu.web.console.common import AnyRequest, Connection, now_of, segment, show, today_of
from liyu.web.console.condition_fields import ConditionsForm
from liyu.web.formats import current_zone
from liyu.web.forms import TextField
from liyu.web.i18n import text_of
from liyu.web.pages import Page, fragment, leave_notice, redirect
from liyu.web.visit import visit_of


class SegmentForm(ConditionsForm):
    name = TextField(N_("Name"), maximum=100)


@get("/segments", guards=[require_permission("members.read")])
async def show_segments(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """All segments, and the export. How many are in them is found out afterwards, one after the other: it reads all members."""
    connection = await driver_connection(session)
    return show(
        request,
        "segments",
        lines=await list_segments(connection),
        in_words=condition_fields.in_words,
        tiers=[(tier.code, text_of(tier, "name")) for tier in await list_tiers(connection)],
        tags=[(tag.code, text_of(tag, "name")) for tag in await list_tags(connection)],
    )


@get("/segments/{segment_id:int}/count", guards=[require_permission("members.read")])
async def count_segment(request: AnyRequest, session: NamedDependency[AsyncSession], segment_id: FromPath[int]) -> Page:
    """How many members are in a segment now, for the list; without htmx the segment's own page, which says it too."""
    if not visit_of(request).is_fragment:
        return redirect(request, f"/console/segments/{segment_id}/members")
    connection = await driver_connection(session)
    audience = Audience(conditions=(await load_segment(connection, segment_id)).conditions)
    count = await count_audience(connection, audience, today_of(request), current_zone())
    return fragment(request, "console/_segment_count.html", count=count)


@get("/segments/{segment_id:int}/members", guards=[require_permission("members.read")])
async def show_members(request: AnyRequest, session: NamedDependency[AsyncSession], segment_id: FromPath[int]) -> Page:
    """Who is in a segment now: for its page, which is there before all members have been read; alone, the whole page."""
    connection = await driver_connection(session)
    found = await load_segment(connection, segment_id)
    if not visit_of(request).is_fragment:
        return await _show_segment(request, connection, found)
    looked = await _look(request, connection, found.conditions)
    return fragment(request, "console/_segment_members.html", words=words, segment=segment, **looked)


@get("/segments/new", guards=[require_permission("tags.edit")])
async def show_new_segment(request: AnyRequest) -> Page:
    """An empty form."""
    return await _form_page(request, None, SegmentForm.blank(match="all"), condition_fields.rows_of(None))


@post("/segments/new", guards=[require_permission("tags.edit")])
async def create_segment(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Save a new segment, or with `preview` only show who is in it."""
    return await _save(request, session, None)


@get("/segments/{segment_id:int}", guards=[require_permission("members.read")])
async def show_segment(request: AnyRequest, session: NamedDependency[AsyncSession], segment_id: FromPath[int]) -> Page:
    """A segment's conditions. Who is in it is found out afterwards: that reads all members."""
    connection = await driver_connection(session)
    return await _show_segment(request, None, await load_segment(connection, segment_id))


@post("/segments/{segment_id:int}", guards=[require_permission("tags.edit")])
async def change_segment(
    request: AnyRequest, session: NamedDependency[AsyncSession], segment_id: FromPath[int]
) -> Page:
    """Change a segment, or with `preview` only show who would be in it."""
    await load_segment(await driver_connection(session), segment_id)
    return await _save(request, session, segment_id)


@post("/segments/{segment_id:int}/delete", guards=[require_permission("tags.edit")])
async def remove_segment(
    request: AnyRequest, session: NamedDependency[AsyncSession], segment_id: FromPath[int]
) -> Page:
    """Forget a segment."""
    connection = await driver_connection(session)
    found = await load_segment(connection, segment_id)
    await delete_segment(connection, segment_id)
    await record_act(request, session, "segment.delete", f"segment:{segment_id}", before={"name": found.name})
    leave_notice(request, N_("The segment is deleted; its members are as they were."))
    return redirect(request, "/console/segments")


async def _save(request: AnyRequest, session: AsyncSession, segment_id: int | None) -> Page:
    form = await SegmentForm.read(request)
    connection = await driver_connection(session)
    conditions: Conditions | None = None
    try:
        conditions = read_conditions(form.rows, form.raw["match"], today_of(request), current_zone())
    except InvalidInputError as fault:
        for reason in fault.reasons:
            form.refuse(reason.message, str(reason.details["field"]))
    if conditions is None or not form.is_valid:
        return await _form_page(request, connection, form, form.rows, segment_id=segment_id, status=422)
    if (await request.form()).get("preview"):
        return await _form_page(request, connection, form, form.rows, segment_id=segment_id, conditions=conditions)
    actor = actor_of(request).reference
    refusal = await try_act(
        connection,
        save_segment(connection, form.name, conditions, segment_id=segment_id, actor=actor, now=now_of(request)),
    )
    if refusal:
        form.refuse(refusal.text, "name")
        return await _form_page(request, connection, form, form.rows, segment_id=segment_id, status=422)
    await record_act(
        request,
        session,
        "segment.save",
        f"segment:{form.name}",
        after={"conditions": condition_fields.in_words(conditions)},
    )
    leave_notice(request, N_("Saved."))
    return redirect(request, "/console/segments")


async def _show_segment(request: AnyRequest, connection: Connection | None, found: SegmentLine) -> Page:
    form = SegmentForm.blank(name=found.name, match=found.conditions.match)
    rows = condition_fields.rows_of(found.conditions)
    return await _form_page(request, connection, form, rows, segment_id=found.id, conditions=found.conditions)


async def _look(request: AnyRequest, connection: Connection, conditions: Conditions) -> dict[str, Any]:
    """The first members who fit, and how many there are."""
    audience, today, zone = Audience(conditions=conditions), today_of(request), current_zone()
    return {
        "members": await first_of_audience(connection, audience, today, zone),
        "count": await count_audience(connection, audience, today, zone),
    }


async def _form_page(
    request: AnyRequest,
    connection: Connection | None,
    form: SegmentForm,
    rows: list[tuple[str, str]],
    *,
    segment_id: int | None = None,
    conditions: Conditions | None = None,
    status: int = 200,
) -> Page:
    """The form, with those who fit `conditions`; without a connection they are looked for afterwards."""
    looked: dict[str, Any] = {"members": None, "count": 0}
    if connection is not None and conditions is not None:
        looked = await _look(request, connection, conditions)
    return show(
        request, "segment_form", status=status, form=form, rows=condition_fields.trimmed(rows),
        kinds=condition_fields.kinds(), segment_id=segment_id, is_coming=connection is None and conditions is not None,
        **looked,
    )  # fmt: skip


ROUTES = [
    count_segment, show_members, show_segments, show_new_segment, create_segment, show_segment, change_segment,
    remove_segment,
]  # fmt: skip
