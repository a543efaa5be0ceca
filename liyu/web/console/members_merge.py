"""Merging two members: choosing, seeing what would happen, confirming with a reason."""

from collections.abc import Iterable
from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.errors import DomainError
from liyu.core.i18n import N_, Message
from liyu.members.account import list_tiers
from liyu.members.queries import read_member
from liyu.members.service.finder import MemberFilter, list_members
from liyu.redemption.merge import merge, preview_merge
from liyu.web.actor import actor_of, require_permission
from liyu.web.acts import attempt
from liyu.web.audit import record_act
from liyu.web.console.common import (
    LONGEST_REASON,
    AnyRequest,
    Connection,
    now_of,
    read_text,
    show,
)
from liyu.web.console.members_page import page_of
from liyu.web.formats import current_zone
from liyu.web.forms import CheckField, Form, TextField
from liyu.web.pages import Page, leave_notice, redirect

FOUND_SHOWN = 8


class MergeForm(Form):
    source = TextField(maximum=200)
    seen = TextField(maximum=100)
    reason = TextField(N_("Reason"), maximum=LONGEST_REASON)
    checked = CheckField(N_("Both are the same person"))

    def check(self) -> Iterable[tuple[str, Message]]:
        if not self.checked:
            yield "checked", Message(N_("Tick the box: merging cannot be undone."))


@get("/members/{external_id:str}/merge", guards=[require_permission("members.merge")])
async def show_merge(request: AnyRequest, session: NamedDependency[AsyncSession], external_id: FromPath[str]) -> Page:
    """Who is to be merged into this member, and what would go over."""
    return await _show(request, session, external_id, read_text(request, "source", 200))


@post("/members/{external_id:str}/merge", guards=[require_permission("members.merge")])
async def do_merge(request: AnyRequest, session: NamedDependency[AsyncSession], external_id: FromPath[str]) -> Page:
    """Merge, as it was shown."""
    form = await MergeForm.read(request)
    if not form.is_valid:
        return await _show(request, session, external_id, str(form.raw["source"]), form=form)
    connection, actor = await driver_connection(session), actor_of(request)
    act = merge(
        connection,
        form.source,
        external_id,
        reason=form.reason,
        actor=actor.reference,
        now=now_of(request),
        zone=current_zone(),
        seen=form.seen,
    )
    moved = await attempt(connection, act)
    if isinstance(moved, DomainError):
        return await _show(request, session, external_id, form.source, form=form, refusal=moved)
    await record_act(
        request,
        session,
        "member.merge",
        f"member:{external_id}",
        after={
            "source": form.source,
            "reason": form.reason,
            "points": moved.members.points.usable,
            "pending": moved.members.points.pending,
            "debt": moved.members.points.debt,
            "redemptions": moved.redemptions,
            "vouchers": moved.vouchers.vouchers,
        },
    )
    leave_notice(request, Message(N_("%(member)s is merged into this member."), {"member": form.source}))
    return redirect(request, page_of(external_id))


async def _show(
    request: AnyRequest,
    session: AsyncSession,
    external_id: str,
    source: str,
    *,
    form: Form | None = None,
    refusal: DomainError | None = None,
) -> Page:
    connection = await driver_connection(session)
    target = await read_member(connection, external_id)
    context: dict[str, Any] = {
        "target": target, "source": None, "merged": None, "text": read_text(request, "q", 200), "found": [],
    }  # fmt: skip
    if source:
        context["source"] = await read_member(connection, source)
        refusal = await _preview(request, connection, context, refusal)
    elif context["text"]:
        found = await list_members(connection, MemberFilter(text=context["text"]), size=FOUND_SHOWN)
        context["found"] = [line for line in found.lines if line.external_id != target.external_id]
    status = 422 if form is not None and not form.is_valid else refusal.status if refusal else 200
    return show(request, "member_merge", refusal=refusal, status=status, form=form, **context)


async def _preview(
    request: AnyRequest, connection: Connection, context: dict[str, Any], refusal: DomainError | None
) -> DomainError | None:
    """Try it out and roll it back; what is in the way is the refusal of the page."""
    act = preview_merge(
        connection,
        context["source"].external_id,
        context["target"].external_id,
        actor=actor_of(request).reference,
        now=now_of(request),
        zone=current_zone(),
    )
    shown = await attempt(connection, act)
    if isinstance(shown, DomainError):
        return refusal or shown
    context["tiers"] = {tier.rank: tier for tier in await list_tiers(connection)}
    _, context["merged"] = shown
    return refusal


ROUTES = [show_merge, do_merge]
