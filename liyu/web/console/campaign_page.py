"""One campaign: looked at before, approved where it is much, watched and stopped; what became of everybody."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Stream
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.errors import DomainError, NotFoundError
from liyu.core.i18n import N_
from liyu.core.spreadsheets import FAULT_HEADINGS, Rows, rows_as_csv, write_workbook
from liyu.members.program import load_terms
from liyu.redemption.campaigns.calendar import FORECAST_DAYS, forecast
from liyu.redemption.campaigns.people import fault_message
from liyu.redemption.campaigns.preview import preview
from liyu.redemption.campaigns.records import (
    GIFT_STATES,
    Campaign,
    count_reasons,
    list_faults,
    list_gifts,
    list_steps,
    load_campaign,
)
from liyu.redemption.campaigns.service import (
    approve_campaign,
    discard_campaign,
    finish_campaign,
    refuse_campaign,
    resume_campaign,
    start_campaign,
    stop_campaign,
    try_again,
)
from liyu.web.actor import actor_of, require_permission
from liyu.web.acts import try_act
from liyu.web.attachments import CSV, XLSX, attach, headers_of
from liyu.web.audit import record_act
from liyu.web.console import campaign_words
from liyu.web.console.common import (
    AnyRequest,
    Connection,
    ReasonForm,
    choice_links,
    cursor_links,
    name_people,
    now_of,
    read_choice,
    read_cursor,
    show,
    today_of,
)
from liyu.web.formats import current_zone
from liyu.web.i18n import current_locale, gettext, text_of, translate
from liyu.web.pages import Page, fragment, leave_notice, redirect
from liyu.web.visit import visit_of

READ = require_permission("campaigns.read")
EDIT = require_permission("campaigns.edit")
_LISTED = 5_000
_WRITTEN = 500
_STEPS: dict[str, Callable[..., Awaitable[Any]]] = {
    "discard": discard_campaign,
    "stop": stop_campaign,
    "resume": resume_campaign,
    "again": try_again,
    "end": partial(finish_campaign, reason="over"),
}


@get("/campaigns/{campaign_id:int}", guards=[READ])
async def show_campaign(
    request: AnyRequest, session: NamedDependency[AsyncSession], campaign_id: FromPath[int]
) -> Page:
    """What it would do, how far it has come, and what became of everybody."""
    return await _show(request, await driver_connection(session), campaign_id)


@get("/campaigns/{campaign_id:int}/progress", guards=[READ])
async def show_campaign_progress(
    request: AnyRequest, session: NamedDependency[AsyncSession], campaign_id: FromPath[int]
) -> Page:
    """The progress alone; once nobody waits, the page is loaded anew."""
    found = await load_campaign(await driver_connection(session), campaign_id)
    headers = [] if _is_at_work(found) else [(b"hx-refresh", b"true")]
    return fragment(
        request, "console/_campaign_progress.html", found=found, at_work=_is_at_work(found), headers=headers
    )


@post("/campaigns/{campaign_id:int}/start", guards=[EDIT])
async def start(request: AnyRequest, session: NamedDependency[AsyncSession], campaign_id: FromPath[int]) -> Page:
    """Start what was looked at, or ask for a second person."""
    connection = await driver_connection(session)
    acting = start_campaign(
        connection, campaign_id, actor=actor_of(request).reference, now=now_of(request), zone=current_zone()
    )
    return await _act(request, session, campaign_id, "start", acting)


@post("/campaigns/{campaign_id:int}/{step:str}", guards=[EDIT])
async def take_step(
    request: AnyRequest, session: NamedDependency[AsyncSession], campaign_id: FromPath[int], step: FromPath[str]
) -> Page:
    """Discard, stop, resume, try again those left out, or end."""
    if step not in _STEPS:
        raise NotFoundError
    acting = _STEPS[step](
        await driver_connection(session), campaign_id, actor=actor_of(request).reference, now=now_of(request)
    )
    return await _act(request, session, campaign_id, step, acting)


@post("/campaigns/{campaign_id:int}/approve", guards=[require_permission("campaigns.approve")])
async def approve(request: AnyRequest, session: NamedDependency[AsyncSession], campaign_id: FromPath[int]) -> Page:
    """Say yes to what somebody else asked for; it begins."""
    connection = await driver_connection(session)
    actor, now = actor_of(request).reference, now_of(request)
    return await _act(
        request, session, campaign_id, "approve", approve_campaign(connection, campaign_id, actor=actor, now=now)
    )


@post("/campaigns/{campaign_id:int}/refuse", guards=[require_permission("campaigns.approve")])
async def refuse(request: AnyRequest, session: NamedDependency[AsyncSession], campaign_id: FromPath[int]) -> Page:
    """Say no to what somebody else asked for, and why."""
    form, connection = await ReasonForm.read(request), await driver_connection(session)
    if not form.is_valid:
        return await _show(request, connection, campaign_id, form=form)
    acting = refuse_campaign(
        connection, campaign_id, reason=form.reason, actor=actor_of(request).reference, now=now_of(request)
    )
    return await _act(request, session, campaign_id, "refuse", acting)


@get("/campaigns/{campaign_id:int}/members.csv", guards=[READ])
async def download_members(
    request: AnyRequest, session: NamedDependency[AsyncSession], campaign_id: FromPath[int]
) -> Stream:
    """What became of everybody, as CSV, sent as it is read."""
    found = await load_campaign(await driver_connection(session), campaign_id)
    await record_act(request, session, "campaign.members", f"campaign:{campaign_id}", after={"members": found.people})
    services = visit_of(request).services
    header = [
        gettext(one) for one in (N_("Member number"), N_("Year"), N_("Status"), N_("Reason"), N_("Order"), N_("Time"))
    ]

    async def pages() -> AsyncIterator[Rows]:
        async with services.sessions() as reading:
            after: int | None = 0
            while after is not None:
                page = await list_gifts(await driver_connection(reading), campaign_id, after=after, size=_LISTED)
                yield [
                    [
                        one.external_id, one.period, campaign_words.gift_state(one.state)[0],
                        campaign_words.reason(one.reason) if one.reason else "", one.number or "",
                        one.at.astimezone(current_zone()).isoformat(timespec="seconds"),
                    ]
                    for one in page.lines
                ]  # fmt: skip
                after = page.next

    return Stream(rows_as_csv(header, pages()), media_type=CSV, headers=headers_of(f"campaign-{campaign_id}.csv"))


@get("/campaigns/{campaign_id:int}/faults.xlsx", guards=[EDIT])
async def download_list_faults(
    request: AnyRequest, session: NamedDependency[AsyncSession], campaign_id: FromPath[int]
) -> Page:
    """The rows of the list that could not be taken, with what is wrong in both languages."""
    connection = await driver_connection(session)
    await load_campaign(connection, campaign_id)
    faults = await list_faults(connection, campaign_id)
    await record_act(request, session, "campaign.faults", f"campaign:{campaign_id}", after={"rows": len(faults)})

    async def pages() -> AsyncIterator[Rows]:
        for first in range(0, len(faults), _WRITTEN):
            yield [
                [str(one["row"]), *(translate(fault_message(one), locale) for locale in ("zh_CN", "en")), *one["given"]]
                for one in faults[first : first + _WRITTEN]
            ]
            await asyncio.sleep(0)  # Of a long list it takes seconds: others have their turns.

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "faults.xlsx"
        await write_workbook(path, FAULT_HEADINGS, pages())
        return attach(path.read_bytes(), XLSX, f"campaign-{campaign_id}-faults.xlsx")


async def _act(request: AnyRequest, session: AsyncSession, campaign_id: int, step: str, acting: Awaitable[Any]) -> Page:
    connection = await driver_connection(session)
    refusal = await try_act(connection, acting)
    if refusal:
        return await _show(request, connection, campaign_id, refusal=refusal)
    await record_act(request, session, f"campaign.{step}", f"campaign:{campaign_id}")
    if (await load_campaign(connection, campaign_id)).state == "asked":
        leave_notice(request, N_("More than one person may give away in a day: it waits for somebody else’s approval."))
    return redirect(request, f"/console/campaigns/{campaign_id}")


def _is_at_work(found: Campaign) -> bool:
    return found.state == "issuing" and (found.waiting > 0 or not found.is_open)


async def _show(
    request: AnyRequest,
    connection: Connection,
    campaign_id: int,
    *,
    refusal: DomainError | None = None,
    form: ReasonForm | None = None,
) -> Page:
    found = await load_campaign(connection, campaign_id)
    today, zone = today_of(request), current_zone()
    chosen_state = read_choice(request, "state", GIFT_STATES)
    gifts = await list_gifts(connection, campaign_id, state=chosen_state, after=read_cursor(request))
    steps = await list_steps(connection, campaign_id)
    counts = {"waiting": found.waiting, "given": found.given, "left_out": found.left_out}
    states = [(name, label, counts[name]) for name, label in campaign_words.gift_states()]
    is_planned = found.state in ("draft", "asked")
    return show(
        request,
        "campaign",
        refusal=refusal,
        **({"status": 422} if form is not None else {}),
        found=found,
        name=text_of(found, "item"),
        w=campaign_words.as_context(),
        seen=await preview(connection, found, now=now_of(request), today=today, zone=zone)
        if is_planned or found.is_open
        else None,
        is_planned=is_planned,
        at_work=_is_at_work(found),
        reasons=await count_reasons(connection, campaign_id),
        days=await forecast(connection, found, today, zone),
        forecast_days=FORECAST_DAYS,
        gifts=gifts.lines,
        states=choice_links(request, "state", states, chosen_state),
        steps=steps,
        names=await name_people(connection, [*(one.actor for one in steps), found.made_by]),
        me=actor_of(request).reference,
        limit=(await load_terms(connection)).issue_limit,
        form=form,
        locale=current_locale(),
        **cursor_links(request, gifts.next),
    )


ROUTES = [
    show_campaign,
    show_campaign_progress,
    start,
    approve,
    refuse,
    take_step,
    download_members,
    download_list_faults,
]
