"""The audit log: who did what, when, from where, and what it said before and after."""

import json
from typing import Any

from litestar import get
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.audit import AuditEvent, list_events
from liyu.core.database import driver_connection
from liyu.core.i18n import N_
from liyu.web.actor import Actor, actor_of, require_permission
from liyu.web.console import audit_words
from liyu.web.console.common import (
    AnyRequest,
    Names,
    bounds_of_day,
    cursor_links,
    name_people,
    read_choice,
    read_cursor,
    read_day,
    read_text,
    segment,
    show,
)
from liyu.web.i18n import gettext
from liyu.web.pages import Page

PLACES = {
    "item": ("/console/items/", "items.read"),
    "redemption": ("/console/redemptions/", "redemptions.read"),
    "member": ("/console/members/", "members.read"),
    "partner": ("/console/partners/", "partners.read"),
    "statement": ("/console/settlements/", "statements.read"),
    "voucher": ("/console/vouchers/", "vouchers.read"),
    "campaign": ("/console/campaigns/", "campaigns.read"),
    "giftcodes": ("/console/gift-codes/", "giftcodes.read"),
    "print": ("/console/prints/", "vouchers.print"),
    "drop": ("/console/drops/", "items.read"),
    "draw": ("/console/draws/", "items.read"),
    "shipping": ("/console/shipping/", "redemptions.fulfil"),
    "rule": ("/console/rules/", "rules.read"),
    "tag": ("/console/tags/", "members.read"),
    "collection": ("/console/storefront/collections/", "items.publish"),
    "import": ("/console/imports/", "members.import"),
    "export": ("/console/exports/", "members.export"),
}
"""Where the page of an audited object is, by its noun, and what one needs to see it."""

NAMED = {"member", "item", "partner"}
"""Nouns whose names people chose, also where they are digits alone."""

MANY = {
    "redemption:to_send": N_("Orders to send"),
    "redemption:many": N_("Several orders"),
    "members:all": N_("Members"),
    "points:all": N_("All points"),
}
"""Objects that are more than one, and so have no page."""


@get("/audit", guards=[require_permission("audit.read")])
async def show_audit(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """The log with its filters."""
    day = read_day(request)
    since, until = bounds_of_day(day) if day else (None, None)
    action = read_choice(request, "action", audit_words.ACTIONS)
    events, cursor = await list_events(
        session,
        actor=read_text(request, "actor") or None,
        action=action,
        subject=read_text(request, "object", 200) or None,
        since=since,
        until=until,
        before=read_cursor(request),
    )
    names = await name_people(await driver_connection(session), [event.actor for event in events])
    return show(
        request,
        "audit",
        rows=[_row(event, names, actor_of(request)) for event in events],
        actor_filter=read_text(request, "actor"),
        actor_filter_name=names.of(read_text(request, "actor")),
        action=action,
        actions=[(name, audit_words.action(name)) for name in audit_words.ACTIONS],
        subject=read_text(request, "object", 200),
        day=day,
        **cursor_links(request, cursor),
    )


def _row(event: AuditEvent, names: Names, actor: Actor) -> dict[str, Any]:
    noun = event.object.partition(":")[0]
    return {
        "event": event,
        "who": names.of(event.actor),
        "action": audit_words.action(event.action),
        "subject": names.of(event.object) if noun == "staff" else _subject(event.object),
        "href": _address(event.object, actor),
        "changes": _changes(event.before or {}, event.after or {}),
    }


def _address(reference: str, actor: Actor) -> str | None:
    """The page of what was acted upon, where there is one that this person may see."""
    noun, _, name = reference.partition(":")
    path, permission = PLACES.get(noun, (None, ""))
    if path is None or reference in MANY or not actor.may(permission):
        return None
    return f"{path}{segment(name)}"


def _subject(reference: str) -> str:
    """What was acted upon: its number, with a # before those that count rows, or words for many."""
    if reference in MANY:
        return gettext(MANY[reference])
    noun, _, name = reference.partition(":")
    return f"#{name}" if name.isdigit() and noun not in NAMED else name or reference


def _changes(before: dict[str, Any], after: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Field, before and after, in the order of the fields."""
    return [(name, _text(before.get(name)), _text(after.get(name))) for name in sorted({*before, *after})]


def _text(value: Any) -> str:
    if value is None:
        return "—"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


ROUTES = [show_audit]
