"""Tags and badges: the list, making and changing them, retiring them, and giving them to a member by hand."""

import re
from collections.abc import Iterable
from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.errors import DomainError, InvalidInputError
from liyu.core.i18n import N_, Message
from liyu.core.jobs import defer
from liyu.members.tags.conditions import read_conditions
from liyu.members.tags.queries import TagLine, list_tags, load_tag, tag_changes, tags_of
from liyu.members.tags.service import BY_HAND, TagFacts, edit_tag, make_tag, set_active, set_member_tag
from liyu.web.actor import actor_of, require_permission
from liyu.web.acts import try_act
from liyu.web.audit import record_act
from liyu.web.console import condition_fields
from liyu.web.console.common import (
    LONGEST_REASON,
    AnyRequest,
    Connection,
    now_of,
    segment,
    show,
    today_of,
)
from liyu.web.console.condition_fields import ConditionsForm
from liyu.web.formats import current_zone
from liyu.web.forms import CheckField, ChoiceField, Form, TextField
from liyu.web.i18n import gettext
from liyu.web.pages import Page, leave_notice, redirect

ICONS = {
    "tag": N_("Tag"),
    "medal": N_("Medal"),
    "trophy": N_("Trophy"),
    "crown": N_("Crown"),
    "star": N_("Star"),
    "heart": N_("Heart"),
    "flame": N_("Flame"),
    "gift": N_("Gift"),
    "cake": N_("Cake"),
    "coffee": N_("Coffee cup"),
    "plane": N_("Plane"),
    "leaf": N_("Leaf"),
    "sparkles": N_("Sparkles"),
    "zap": N_("Lightning"),
}
"""What a tag can be drawn as, and how that is called."""
LONGEST_NAME = 60

_CODE = re.compile(r"[A-Za-z0-9_-]+")


class TagForm(ConditionsForm):
    name_zh = TextField(N_("Name in Chinese"), maximum=LONGEST_NAME)
    name_en = TextField(N_("Name in English"), required=False, maximum=LONGEST_NAME)
    icon = ChoiceField(tuple(ICONS), N_("Icon"), required=False, default="tag")
    needs_zh = TextField(N_("What it needs, in Chinese"), required=False, maximum=200)
    needs_en = TextField(N_("What it needs, in English"), required=False, maximum=200)


class NewTagForm(TagForm):
    code = TextField(N_("Key"), maximum=40)
    is_badge = CheckField(N_("A badge"))
    by_rule = ChoiceField(("yes", "no"), N_("How it is given"), required=False, default="no")

    def check(self) -> Iterable[tuple[str, Message]]:
        if not _CODE.fullmatch(self.code) or self.code == "new":
            yield "code", Message(N_("Use letters, digits, hyphens and underscores."))


class MemberTagForm(Form):
    code = TextField(N_("Tag"), maximum=40)
    wanted = ChoiceField(("give", "take"))
    reason = TextField(N_("Reason"), required=False, maximum=LONGEST_REASON)


@get("/tags", guards=[require_permission("members.read")])
async def show_tags(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """All tags and badges with their rules and the number of members."""
    connection = await driver_connection(session)
    return show(request, "tags", lines=await list_tags(connection), in_words=condition_fields.in_words)


@get("/tags/new", guards=[require_permission("tags.edit")])
async def show_new_tag(request: AnyRequest) -> Page:
    """An empty form."""
    return _form_page(request, NewTagForm.blank(icon="tag", by_rule="no", match="all"), condition_fields.rows_of(None))


@post("/tags/new", guards=[require_permission("tags.edit")])
async def create_tag(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Make a tag or a badge; a rule is evaluated at once by the worker."""
    form = await NewTagForm.read(request)
    facts = _facts(request, form, form.values.get("code", ""), has_rule=form.raw["by_rule"] == "yes")
    if facts is None:
        return _form_page(request, form, form.rows, status=422)
    facts.is_badge = form.is_badge
    connection = await driver_connection(session)
    refusal = await try_act(connection, make_tag(connection, facts, now=now_of(request)))
    if refusal:
        form.refuse(refusal.text, "code")
        return _form_page(request, form, form.rows, status=422)
    await _after_change(request, session, connection, facts, "tag.create")
    return redirect(request, "/console/tags")


@get("/tags/{code:str}", guards=[require_permission("tags.edit")])
async def show_tag(request: AnyRequest, session: NamedDependency[AsyncSession], code: FromPath[str]) -> Page:
    """The form with what the tag says now."""
    tag = await load_tag(await driver_connection(session), code)
    names = ("name_zh", "name_en", "icon", "needs_zh", "needs_en")
    form = TagForm.blank(**{name: getattr(tag, name) for name in names}, match=tag.rule.match if tag.rule else "all")
    return _form_page(request, form, condition_fields.rows_of(tag.rule), tag=tag)


@post("/tags/{code:str}", guards=[require_permission("tags.edit")])
async def change_tag(request: AnyRequest, session: NamedDependency[AsyncSession], code: FromPath[str]) -> Page:
    """Change a tag; whether a rule gives it stays."""
    form = await TagForm.read(request)
    connection = await driver_connection(session)
    tag = await load_tag(connection, code)
    facts = _facts(request, form, code, has_rule=tag.by_rule)
    if facts is None:
        return _form_page(request, form, form.rows, tag=tag, status=422)
    await edit_tag(connection, facts)
    await _after_change(request, session, connection, facts, "tag.edit")
    return redirect(request, "/console/tags")


@post("/tags/{code:str}/retire", guards=[require_permission("tags.edit")])
async def retire_tag(request: AnyRequest, session: NamedDependency[AsyncSession], code: FromPath[str]) -> Page:
    """Retire a tag, or take it up again."""
    connection = await driver_connection(session)
    tag = await load_tag(connection, code)
    await set_active(connection, code, active=not tag.active)
    await record_act(request, session, "tag.retire", f"tag:{code}", after={"active": not tag.active})
    leave_notice(request, N_("The tag rests.") if tag.active else N_("The tag is in use again."))
    return redirect(request, "/console/tags")


@post("/members/{external_id:str}/tags", guards=[require_permission("members.tag")])
async def tag_member(request: AnyRequest, session: NamedDependency[AsyncSession], external_id: FromPath[str]) -> Page:
    """Give a member a tag by hand, or take it."""
    form = await MemberTagForm.read(request)
    back = f"/console/members/{segment(external_id)}"
    if not form.is_valid:
        leave_notice(request, N_("Choose a tag."), "error")
        return redirect(request, back)
    connection, actor, given = await driver_connection(session), actor_of(request).reference, form.wanted == "give"
    change = set_member_tag(
        connection, external_id, form.code, given=given, actor=actor, now=now_of(request), reason=form.reason or BY_HAND
    )
    refusal = await try_act(connection, change)
    if refusal:
        leave_notice(request, refusal.text, "error")
        return redirect(request, back)
    await record_act(
        request,
        session,
        "member.tag",
        f"member:{external_id}",
        after={"tag": form.code, "given": given, "reason": form.reason},
    )
    leave_notice(request, N_("The tag is given.") if given else N_("The tag is taken off."))
    return redirect(request, back)


async def member_tags(connection: Connection, member_id: int) -> dict[str, Any]:
    """What `_member_tags.html` shows of a member: the tags held, those that can be given by hand, and what happened."""
    held = await tags_of(connection, member_id)
    codes = {one.code for one in held}
    offered = [one for one in await list_tags(connection) if one.active and not one.by_rule and one.code not in codes]
    return {"held": held, "offered": offered, "changes": await tag_changes(connection, member_id, 8)}


def _facts(request: AnyRequest, form: TagForm, code: str, *, has_rule: bool) -> TagFacts | None:
    """What the form says; None when it has faults, which it shows then."""
    rule = None
    if has_rule:
        try:
            rule = read_conditions(form.rows, form.raw["match"], today_of(request), current_zone())
        except InvalidInputError as fault:
            for reason in fault.reasons:
                form.refuse(reason.message, str(reason.details["field"]))
    if not form.is_valid:
        return None
    return TagFacts(
        code=code, name_zh=form.name_zh, name_en=form.name_en, icon=form.icon, needs_zh=form.needs_zh, needs_en=form.needs_en,
        rule=rule,
    )  # fmt: skip


async def _after_change(
    request: AnyRequest, session: AsyncSession, connection: Connection, facts: TagFacts, action: str
) -> None:
    if facts.rule is not None:
        await defer(connection, "evaluate_tags", code=facts.code)
    await record_act(
        request, session, action, f"tag:{facts.code}",
        after={"name": facts.name_zh, "rule": condition_fields.in_words(facts.rule)},
    )  # fmt: skip
    leave_notice(request, N_("Saved; the rule is being evaluated.") if facts.rule is not None else N_("Saved."))


def _form_page(
    request: AnyRequest,
    form: TagForm,
    rows: list[tuple[str, str]],
    *,
    tag: TagLine | None = None,
    status: int = 200,
    refusal: DomainError | None = None,
) -> Page:
    return show(
        request, "tag_form", status=status, refusal=refusal, form=form, rows=condition_fields.trimmed(rows),
        tag=tag, kinds=condition_fields.kinds(),
        icons=[(name, gettext(label)) for name, label in ICONS.items()],
    )  # fmt: skip


ROUTES = [show_tags, show_new_tag, create_tag, show_tag, change_tag, retire_tag, tag_member]
