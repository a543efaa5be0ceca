"""Campaigns: the list, and drafting one: an item for many members, once or every year; nothing is given before it was looked at."""

import asyncio
import tempfile
from collections.abc import Iterable
from datetime import date
from pathlib import Path

from litestar import get, post
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.errors import DomainError
from liyu.core.i18n import N_, Message
from liyu.members.account import list_tiers
from liyu.members.imports.errors import FileUnreadableError
from liyu.members.program import load_terms
from liyu.members.tags.queries import list_segments, list_tags
from liyu.redemption.campaigns.people import ReadList, choose, read_list
from liyu.redemption.campaigns.records import (
    KINDS,
    ONCE,
    Chosen,
    list_campaigns,
)
from liyu.redemption.campaigns.service import (
    LONGEST_NAME,
    Draft,
    draft_campaign,
)
from liyu.redemption.giving import LARGEST_QUANTITY, list_givable
from liyu.web.actor import actor_of, require_permission
from liyu.web.acts import adopt_faults, attempt
from liyu.web.audit import record_act
from liyu.web.console import campaign_words
from liyu.web.console.common import (
    LONGEST_REASON,
    AnyRequest,
    Connection,
    choice_links,
    cursor_links,
    name_people,
    now_of,
    read_choice,
    read_cursor,
    read_text,
    show,
    today_of,
)
from liyu.web.formats import current_zone
from liyu.web.forms import CheckField, ChoiceField, DateField, FileField, Form, IntegerField, TextField
from liyu.web.i18n import gettext, text_of
from liyu.web.pages import Page, redirect

READ = require_permission("campaigns.read")
EDIT = require_permission("campaigns.edit")
LARGEST_UPLOAD = 20 * 1024 * 1024
PEOPLE = ("segment", "tag", "tier", "list", "everybody")
_FIELDS = {"name_taken": "name", "item_does_not_fit": "sku"}
"""The fields that refusals are about."""
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
    """An empty form, or one for the item that the address names."""
    kind = read_choice(request, "kind", KINDS) or ONCE
    form = CampaignForm.blank(
        sku=read_text(request, "item"),
        quantity=1,
        kind=kind,
        people="segment" if kind == ONCE else "everybody",
        starts_on=today_of(request),
    )
    return await _form_page(request, await driver_connection(session), form)


@post("/campaigns/new", guards=[EDIT], request_max_body_size=LARGEST_UPLOAD)
async def draft(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Write it down with its people. Nothing is given before it was looked at and started."""
    form, connection = await CampaignForm.read(request), await driver_connection(session)
    listed: ReadList | None = None
    if form.is_valid and form.people == "list" and form.file is not None:
        try:
            listed = await _read_upload(await form.file.read())
        except FileUnreadableError as fault:
            form.refuse(fault.reasons[0].message, "file")
    if not form.is_valid:
        return await _form_page(request, connection, form, status=422)

    async def act() -> int:
        chosen = await choose(connection, form.people, await _name_of(connection, form))
        campaign_id, _ = await draft_campaign(
            connection,
            _draft_of(form, chosen, today_of(request)),
            actor=actor_of(request).reference,
            now=now_of(request),
            zone=current_zone(),
            listed=listed,
        )
        return campaign_id

    campaign_id = await attempt(connection, act())
    if isinstance(campaign_id, DomainError):
        refusal = adopt_faults(form, campaign_id)
        if refusal is not None and refusal.code in _FIELDS:
            form.refuse(refusal.text, _FIELDS[refusal.code])
            refusal = None
        return await _form_page(request, connection, form, refusal=refusal, status=422)
    after = {"name": form.name, "item": form.sku, "units": form.quantity, "kind": form.kind, "people": form.people}
    await record_act(request, session, "campaign.draft", f"campaign:{campaign_id}", after=after)
    return redirect(request, f"/console/campaigns/{campaign_id}")


async def _read_upload(content: bytes) -> ReadList:
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        # A long list takes seconds; nobody else waits for it.
        return await asyncio.to_thread(read_list, Path(file.name))


def _draft_of(form: CampaignForm, chosen: Chosen, today: date) -> Draft:
    yearly = form.kind != ONCE
    return Draft(
        name=form.name,
        sku=form.sku,
        reason=form.reason,
        chosen=chosen,
        kind=form.kind,
        quantity=form.quantity,
        skips_holders=form.skips_holders,
        starts_on=(form.starts_on or today) if yearly else None,
        ends_on=form.ends_on if yearly else None,
    )


async def _name_of(connection: Connection, form: CampaignForm) -> str:
    """What the people are chosen by is called."""
    match form.people:
        case "segment":
            return next((one.name for one in await list_segments(connection) if one.id == form.segment), "")
        case "list":
            return form.file.filename.replace("\0", "")[:100] if form.file else ""
        case "tag":
            return form.tag
        case "tier":
            return form.tier
        case _:
            return ""


async def _form_page(
    request: AnyRequest,
    connection: Connection,
    form: CampaignForm,
    *,
    refusal: DomainError | None = None,
    status: int = 200,
) -> Page:
    return show(
        request,
        "campaign_form",
        refusal=refusal,
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


ROUTES = [show_campaigns, show_new_campaign, draft]
