"""A drop as it runs: requests, admitted, refused by reason, stock, who waits, and the log of any member."""

from typing import Any

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.i18n import Message
from liyu.members.errors import UnknownMemberError
from liyu.members.queries import find_member_id
from liyu.redemption.drops.notes import WORDS
from liyu.redemption.drops.queries import (
    LogLine,
    find_drop,
    list_states,
    list_suspects,
    list_waiting,
    read_figures,
    read_log,
)
from liyu.redemption.errors import make_reason
from liyu.web.actor import require_permission
from liyu.web.console import drop_words
from liyu.web.console.common import AnyRequest, Connection, ReasonForm, name_people, now_of, read_text, show
from liyu.web.i18n import current_locale, translate
from liyu.web.pages import Page, fragment

READ = require_permission("items.read")


@get("/drops/{number:str}", guards=[READ])
async def show_dashboard(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """Everything about one drop."""
    return await render(request, await driver_connection(session), number)


@get("/drops/{number:str}/figures", guards=[READ])
async def show_figures(request: AnyRequest, session: NamedDependency[AsyncSession], number: FromPath[str]) -> Page:
    """The figures alone, for the page to follow the rush."""
    connection = await driver_connection(session)
    return fragment(request, "console/_drop_figures.html", **await _figures(request, connection, number))


async def render(request: AnyRequest, connection: Connection, number: str, **context: Any) -> Page:
    """The page of a drop."""
    drop = await find_drop(connection, number)
    states = await list_states(connection, drop.id)
    member = read_text(request, "member")
    return show(
        request,
        "drop",
        **await _figures(request, connection, number),
        states=states,
        names=await name_people(connection, [one.actor for one in states]),
        waiting=await list_waiting(connection, drop.id),
        suspects=await list_suspects(connection, drop.id),
        member=member,
        log=await _find_log(connection, drop.id, drop.sku, member) if member else None,
        **({"form": ReasonForm.blank()} | context),
    )


async def _figures(request: AnyRequest, connection: Connection, number: str) -> dict[str, Any]:
    drop = await find_drop(connection, number)
    figures = await read_figures(connection, drop.id)
    now = now_of(request)
    return {
        "drop": drop,
        "figures": figures,
        "busiest": max((count for _, count in figures.per_minute), default=1),
        "drop_words": drop_words,
        "upcoming": next((wave for wave in drop.waves if wave.opens_at > now), None),
        "is_running": drop.state == "announced" and drop.waves[0].opens_at <= now < drop.ends_at,
    }


async def _find_log(connection: Connection, drop_id: int, sku: str, member: str) -> list[dict[str, Any]]:
    try:
        member_id = await find_member_id(connection, member)
    except UnknownMemberError:
        return []
    return [_entry(line) for line in reversed(await read_log(connection, drop_id, sku, member_id))]


def _entry(line: LogLine) -> dict[str, Any]:
    words = {**WORDS, "granted": drop_words.GRANTED, "refused": drop_words.REFUSED}
    text = translate(Message(words[line.what], line.details))
    reasons = " ".join(translate(make_reason(name, **_spoken(details)).message) for name, details in line.reasons)
    return {"text": text, "when": line.at, "note": reasons, "state": "red" if line.what == "refused" else ""}


def _spoken(details: dict[str, Any]) -> dict[str, Any]:
    language = "en" if current_locale() == "en" else "zh"
    return {
        name: value.get(language) or value.get("zh") if isinstance(value, dict) else value
        for name, value in details.items()
    }


ROUTES = [show_figures, show_dashboard]
