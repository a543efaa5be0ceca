"""Members: the list with its search and filters."""

from datetime import date, timedelta
from typing import Any

from litestar import get
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.clock import start_of_day
from liyu.core.database import driver_connection
from liyu.members.account import list_tiers
from liyu.members.models import MEMBER_STATES
from liyu.members.service.adjustments import count_waiting
from liyu.members.service.finder import MemberFilter, list_members, list_tag_names
from liyu.web.actor import require_permission
from liyu.web.console import members_adjust, members_merge, members_page, members_person, words
from liyu.web.console.common import (
    AnyRequest,
    choice_links,
    cursor_links,
    read_choice,
    read_cursor,
    read_text,
    show,
)
from liyu.web.formats import current_zone
from liyu.web.forms import DateField, Form, IntegerField
from liyu.web.i18n import text_of
from liyu.web.pages import Page

LARGEST_BALANCE = 10**12


class RangeForm(Form):
    """The ranges of the address; one that cannot be read does not filter."""

    balance_from = IntegerField(required=False, maximum=LARGEST_BALANCE)
    balance_to = IntegerField(required=False, maximum=LARGEST_BALANCE)
    joined_from = DateField(required=False)
    joined_to = DateField(required=False)


@get("/members", guards=[require_permission("members.read")])
async def show_members(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """The list with its search."""
    connection = await driver_connection(session)
    tiers = [(tier.code, text_of(tier, "name")) for tier in await list_tiers(connection)]
    tags = [(tag.code, text_of(tag, "name")) for tag in await list_tag_names(connection)]
    ranges = _read_ranges(request)
    state = read_choice(request, "state", MEMBER_STATES)
    wanted = MemberFilter(
        text=read_text(request, "q", 200),
        tier=read_choice(request, "tier", [code for code, _ in tiers]),
        state=state,
        tag=read_choice(request, "tag", [code for code, _ in tags]),
        balance_from=ranges["balance_from"],
        balance_to=ranges["balance_to"],
        joined_from=_begin_of(ranges["joined_from"]),
        joined_before=_begin_of(ranges["joined_to"], after=1),
    )
    found = await list_members(connection, wanted, after=read_cursor(request))
    states: list[tuple[str, str, int | None]] = [(name, words.member_state(name), None) for name in MEMBER_STATES]
    return show(
        request,
        "members",
        lines=found.lines,
        wanted=wanted,
        ranges=ranges,
        tiers=tiers,
        tags=tags,
        waiting=await count_waiting(connection),
        states=choice_links(request, "state", states, state),
        **cursor_links(request, found.next),
    )


def _read_ranges(request: AnyRequest) -> dict[str, Any]:
    form = RangeForm.parse(request.query_params.dict())
    return {name: form.values.get(name) for name in RangeForm.fields}


def _begin_of(day: date | None, after: int = 0) -> Any:
    return None if day is None else start_of_day(day + timedelta(days=after), current_zone())


ROUTES = [show_members, *members_page.ROUTES, *members_adjust.ROUTES, *members_merge.ROUTES, *members_person.ROUTES]
