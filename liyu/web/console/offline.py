"""What tills took without a network and the books refuse: who bears it by the agreement, and deciding otherwise."""

from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.errors import DomainError
from liyu.core.i18n import N_
from liyu.vouchers.codes import mask_code
from liyu.vouchers.offline.losses import decide_otherwise
from liyu.vouchers.offline.queries import PAGE, UseLine, find_conflict, list_uses
from liyu.web.actor import actor_of, require_permission
from liyu.web.acts import try_act
from liyu.web.audit import record_act
from liyu.web.conflict_words import name_conflict, rule_or_reason
from liyu.web.console.common import (
    AnyRequest,
    ReasonForm,
    cursor_links,
    name_people,
    now_of,
    read_cursor,
    show,
)
from liyu.web.formats import current_zone
from liyu.web.i18n import gettext, text_of
from liyu.web.pages import Page, leave_notice, redirect
from liyu.web.visit import visit_of

HOME = "/console/offline-conflicts"
_BEARERS: dict[str, str] = {"partner": N_("The partner"), "operator": N_("The program")}
_OTHER = {"partner": "operator", "operator": "partner"}
_MAY_READ, _MAY_DECIDE = require_permission("statements.read"), require_permission("settlement.prepare")


@get("/offline-conflicts", guards=[_MAY_READ])
async def list_conflicts(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """The conflicts of all partners, the newest first."""
    connection = await driver_connection(session)
    found = await list_uses(connection, None, before=read_cursor(request), conflicts=True, limit=PAGE + 1)
    cursor = found[PAGE - 1].id if len(found) > PAGE else None
    return show(
        request,
        "offline_conflicts",
        rows=[_row(request, line) for line in found[:PAGE]],
        **cursor_links(request, cursor),
    )


@get("/offline-conflicts/{use_id:int}", guards=[_MAY_READ])
async def show_conflict(request: AnyRequest, session: NamedDependency[AsyncSession], use_id: FromPath[int]) -> Page:
    """One conflict with everything that was decided."""
    return await _conflict_page(request, session, use_id, ReasonForm.blank())


@post("/offline-conflicts/{use_id:int}/decide", guards=[_MAY_DECIDE])
async def decide(request: AnyRequest, session: NamedDependency[AsyncSession], use_id: FromPath[int]) -> Page:
    """Let the other one bear it, with a reason; the partner's account follows."""
    form, connection = await ReasonForm.read(request), await driver_connection(session)
    line, _ = await find_conflict(connection, use_id)
    wanted = request.query_params.get("bearer") or _OTHER[line.bearer or "partner"]
    if not form.is_valid or wanted not in _BEARERS:
        return await _conflict_page(request, session, use_id, form, status=422)
    act = decide_otherwise(
        connection,
        use_id,
        wanted,
        reason=form.reason,
        actor=actor_of(request).reference,
        now=now_of(request),
        zone=current_zone(),
    )
    refusal = await try_act(connection, act)
    if refusal is not None:
        return await _conflict_page(request, session, use_id, form, refusal=refusal, status=refusal.status)
    after = {"bearer": wanted, "reason": form.reason}
    await record_act(
        request, session, "offline.decide", f"offline_use:{use_id}", before={"bearer": line.bearer}, after=after
    )
    leave_notice(request, N_("Decided. The partner’s account follows."))
    return redirect(request, f"{HOME}/{use_id}")


async def _conflict_page(
    request: AnyRequest,
    session: AsyncSession,
    use_id: int,
    form: ReasonForm,
    *,
    refusal: DomainError | None = None,
    status: int = 200,
) -> Page:
    connection = await driver_connection(session)
    line, decisions = await find_conflict(connection, use_id)
    names = await name_people(connection, [one.actor for one in decisions])
    return show(
        request,
        "offline_conflict",
        refusal=refusal,
        status=status,
        row=_row(request, line),
        decisions=[
            {
                "bearer": gettext(_BEARERS[one.bearer]),
                "amount_minor": one.amount_minor,
                "reason": rule_or_reason(one.reason),
                "by": gettext(N_("The agreement")) if one.actor == "system" else names.of(one.actor),
                "at": one.at,
            }
            for one in decisions
        ],
        form=form,
        wanted=_OTHER[line.bearer or "partner"],
    )


def _row(request: AnyRequest, line: UseLine) -> dict[str, Any]:
    assert line.bearer is not None
    return {
        "line": line,
        "item": text_of(line, "item") if line.item_zh else "—",
        "code": mask_code(visit_of(request).services.codes.code_of(line.serial)) if line.serial else "",
        "partner": text_of(line, "partner"),
        "store": text_of(line, "store"),
        "conflict": name_conflict(line.conflict or ""),
        "bearer": gettext(_BEARERS[line.bearer]),
        "reason": rule_or_reason(line.reason),
    }


ROUTES = [list_conflicts, show_conflict, decide]
