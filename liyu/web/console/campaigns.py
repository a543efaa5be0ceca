"""Campaigns: one item for many members, once or every year; looked at before, approved where it is much, watched and stopped."""

import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from datetime import date
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
from liyu.core.i18n import N_, Message
from liyu.core.spreadsheets import FAULT_HEADINGS, Rows, rows_as_csv, write_workbook
from liyu.members.account import list_tiers
from liyu.members.imports.errors import FileUnreadableError
from liyu.members.program import load_terms
from liyu.members.tags.conditions import Condition, Conditions
from liyu.members.tags.queries import list_segments, list_tags
from liyu.redemption.campaigns.calendar import FORECAST_DAYS, forecast
from liyu.redemption.campaigns.people import ReadList, fault_message, read_list
from liyu.redemption.campaigns.preview import preview
from liyu.redemption.campaigns.records import (
    GIFT_STATES,
    KINDS,
    ONCE,
    Campaign,
    Chosen,
    count_reasons,
    list_campaigns,
    list_faults,
    list_gifts,
    list_steps,
    load_campaign,
)
from liyu.redemption.campaigns.service import (
    LONGEST_NAME,
    Draft,
    approve_campaign,
    discard_campaign,
    draft_campaign,
    finish_campaign,
    refuse_campaign,
    resume_campaign,
    start_campaign,
    stop_campaign,
    try_again,
)
from liyu.redemption.giving import LARGEST_QUANTITY, list_givable
from liyu.web.actor import actor_of, require_permission
from liyu.web.attachments import CSV, XLSX, attach, headers_of
from liyu.web.audit import record_act
from liyu.web.console import campaign_words
from liyu.web.console.common import (
    LONGEST_REASON,
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
    try_act,
)
from liyu.web.formats import current_zone
from liyu.web.forms import CheckField, ChoiceField, DateField, FileField, Form, IntegerField, TextField, adopt_faults
from liyu.web.i18n import current_locale, gettext, text_of, translate
from liyu.web.pages import Page, fragment, leave_notice, redirect
from liyu.web.visit import visit_of

READ = require_permission("campaigns.read")
EDIT = require_permission("campaigns.edit")
LARGEST_UPLOAD = 20 * 1024 * 1024
PEOPLE = ("segment", "tag", "tier", "list", "everybody")
_LISTED = 5_000
_STEPS: dict[str, Callable[..., Awaitable[Any]]] = {
    "discard": discard_campaign,
    "stop": stop_campaign,
    "resume": resume_campaign,
    "again": try_again,
    "end": partial(finish_campaign, reason="over"),
}
_TABS = {"once": (ONCE,), "yearly": tuple(kind for kind in KINDS if kind != ONCE)}


class CampaignForm(Form):
    name = TextField(N_("Name of the campaign"), maximum=LONGEST_NAME)
    sku = TextField(N_("Item"), maximum=64)
    quantity = IntegerField(N_("Units for each member"), minimum=1, maximum=LARGEST_QUANTITY, default=1)
    reason = TextField(N_("Words to members"), maximum=LONGEST_REASON)
    kind = ChoiceField(KINDS, label=N_("When"))
    people = ChoiceField(PEOPLE, label=N_("For whom"))
    segment = IntegerField(N_("Segment"), required=False, maximum=2**62)
    tag = TextField(N_("Tag"), required=False, maximum=64)
    tier = TextField(N_("Tier"), required=False, maximum=64)
    file = FileField(N_("List"), required=False)
    skips_holders = CheckField(N_("Leave out who holds one"))
    starts_on = DateField(N_("First day"), required=False)
    ends_on = DateField(N_("Last day"), required=False)

    def check(self) -> Iterable[tuple[str, Message]]:
        needed = {"segment": self.segment, "tag": self.tag, "tier": self.tier, "list": self.file}
        if self.people in needed and not needed[self.people]:
            yield ("file" if self.people == "list" else self.people), Message(N_("Choose who it is for."))
        if self.people == "list" and self.kind not in ("", ONCE):
            yield (
                "people",
                Message(N_("A list is for once. What comes every year is for a segment, tag or tier, or for all.")),
            )


@get("/campaigns", guards=[READ])
async def show_campaigns(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """All campaigns, the newest first."""
    connection = await driver_connection(session)
    tab = read_choice(request, "kind", _TABS)
    found, following = await list_campaigns(connection, kinds=_TABS[tab] if tab else KINDS, before=read_cursor(request))
    tabs: list[tuple[str, str, int | None]] = [
        ("once", gettext(N_("Once")), None), ("yearly", gettext(N_("Every year")), None),
    ]  # fmt: skip
    return show(
        request,
        "campaigns",
        lines=found,
        w=campaign_words.as_context(),
        tabs=choice_links(request, "kind", tabs, tab),
        names=await name_people(connection, [one.made_by for one in found]),
        **cursor_links(request, following),
    )


@get("/campaigns/new", guards=[EDIT])
async def show_new_campaign(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """An empty form."""
    kind = read_choice(request, "kind", KINDS) or ONCE
    form = CampaignForm.blank(
        quantity=1, kind=kind, people="segment" if kind == ONCE else "everybody", starts_on=today_of(request)
    )
    return await _form_page(request, await driver_connection(session), form)


@post("/campaigns/new", guards=[EDIT], request_max_body_size=LARGEST_UPLOAD)
async def draft(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Write it down with its people. Nothing is given before it was looked at and started."""
    form, connection = await CampaignForm.read(request), await driver_connection(session)
    listed: ReadList | None = None
    chosen: Chosen | None = None
    if form.is_valid:
        chosen = await _choose(connection, form)
        if form.people == "list" and form.file is not None:
            try:
                listed = await _read_upload(await form.file.read())
            except FileUnreadableError as fault:
                form.refuse(fault.reasons[0].message, "file")
    if not form.is_valid or chosen is None:
        return await _form_page(request, connection, form, status=422)
    yearly = form.kind != ONCE
    wanted = Draft(
        name=form.name, sku=form.sku, reason=form.reason, chosen=chosen, kind=form.kind, quantity=form.quantity,
        skips_holders=form.skips_holders, starts_on=(form.starts_on or today_of(request)) if yearly else None,
        ends_on=form.ends_on if yearly else None,
    )  # fmt: skip
    made: list[int] = []

    async def act() -> None:
        campaign_id, _ = await draft_campaign(
            connection,
            wanted,
            actor=actor_of(request).reference,
            now=now_of(request),
            zone=current_zone(),
            listed=listed,
        )
        made.append(campaign_id)

    refusal = adopt_faults(form, await try_act(connection, act()))
    if refusal is not None or not form.is_valid:
        if refusal is not None:
            form.refuse(refusal.text, {"name_taken": "name", "item_does_not_fit": "sku"}.get(refusal.code, ""))
        return await _form_page(request, connection, form, status=422)
    after = {
        "name": wanted.name,
        "item": wanted.sku,
        "units": wanted.quantity,
        "kind": wanted.kind,
        "people": chosen.how,
    }
    await record_act(request, session, "campaign.draft", f"campaign:{made[0]}", after=after)
    return redirect(request, f"/console/campaigns/{made[0]}")


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
        yield [
            [str(one["row"]), *(translate(fault_message(one), locale) for locale in ("zh_CN", "en")), *one["given"]]
            for one in faults
        ]

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


async def _read_upload(content: bytes) -> ReadList:
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        return read_list(Path(file.name))


async def _choose(connection: Connection, form: CampaignForm) -> Chosen | None:
    """How the people are chosen; None with the form's fault when there is no such segment."""
    match form.people:
        case "segment":
            found = next((one for one in await list_segments(connection) if one.id == form.segment), None)
            if found is None:
                form.refuse(Message(N_("Choose who it is for.")), "segment")
                return None
            return Chosen("segment", found.name, found.conditions)
        case "tag" | "tier" as kind:
            value = form.tag if kind == "tag" else form.tier
            return Chosen(kind, value, Conditions([Condition(kind, value)]))
        case "list":
            name = form.file.filename.replace("\0", "")[:100] if form.file else ""
            return Chosen("list", name)
        case _:
            return Chosen("everybody")


def _is_at_work(found: Campaign) -> bool:
    return found.state == "issuing" and (found.waiting > 0 or not found.is_yearly)


async def _form_page(request: AnyRequest, connection: Connection, form: CampaignForm, *, status: int = 200) -> Page:
    return show(
        request,
        "campaign_form",
        status=status,
        form=form,
        items=[(one.sku, f"{text_of(one, 'name')} · {one.sku}") for one in await list_givable(connection)],
        kinds=[(name, gettext(label)) for name, label in campaign_words.KINDS.items()],
        segments=[(one.id, one.name) for one in await list_segments(connection)],
        tags=[(one.code, text_of(one, "name")) for one in await list_tags(connection)],
        tiers=[(one.code, text_of(one, "name")) for one in await list_tiers(connection)],
        limit=(await load_terms(connection)).issue_limit,
        largest=LARGEST_UPLOAD // (1024 * 1024),
    )


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
    days: list[tuple[date, int]] = []
    if found.is_yearly and found.state in ("draft", "asked", "issuing", "stopped"):
        days = await forecast(connection, found, today, zone)
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
        if is_planned or found.is_yearly
        else None,
        is_planned=is_planned,
        at_work=_is_at_work(found),
        reasons=await count_reasons(connection, campaign_id),
        days=days,
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
    show_campaigns,
    show_new_campaign,
    draft,
    show_campaign,
    show_campaign_progress,
    start,
    approve,
    refuse,
    take_step,
    download_members,
    download_list_faults,
]
