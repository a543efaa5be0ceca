"""The operator's own questions in the members' profile, and the rules by which members may change and leave."""

from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from psycopg import AsyncConnection
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.i18n import N_
from liyu.members.personal.fields import (
    FieldDraft,
    Option,
    ProfileQuestion,
    add_field,
    change_field,
    find_field,
    list_all_fields,
)
from liyu.members.personal.models import FIELD_KINDS
from liyu.members.personal.own_profile import EVENT_TYPE, completeness_reward
from liyu.members.program import load_terms, save_account_rules
from liyu.web.actor import require_permission
from liyu.web.acts import carry_out
from liyu.web.audit import record_act
from liyu.web.console.common import AnyRequest, now_of, show
from liyu.web.forms import CheckField, ChoiceField, Form, IntegerField, TextField
from liyu.web.pages import Page, leave_notice, redirect

PATH = "/profile-fields"
HOME = f"/console{PATH}"
EDIT = require_permission("profile.edit")
LONGEST_RULE = 3650
_SEPARATOR = "|"
KIND_NAMES = {
    "text": N_("Text"),
    "number": N_("Figure"),
    "date": N_("Date"),
    "choice": N_("Choice"),
}


class FieldForm(Form):
    name_zh = TextField(N_("Name in Chinese"), required=False, maximum=100)
    name_en = TextField(N_("Name in English"), required=False, maximum=100)
    options = TextField(N_("Options"), required=False, maximum=8000)
    position = IntegerField(N_("Position"), required=False, maximum=9999, default=0)
    required = CheckField(N_("Must be answered"))
    counts = CheckField(N_("Counts to a complete profile"))
    active = CheckField(N_("Asked"))


class NewFieldForm(FieldForm):
    key = TextField(N_("Key"), required=False, maximum=40)
    kind = ChoiceField(FIELD_KINDS, N_("Kind"))


class RulesForm(Form):
    birthday_change_days = IntegerField(N_("Date of birth"), maximum=LONGEST_RULE)
    phone_change_days = IntegerField(N_("Mobile number"), maximum=LONGEST_RULE)
    closing_days = IntegerField(N_("Closing"), maximum=90)


@get(PATH, guards=[require_permission("members.read")])
async def show_fields(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """All questions, and the rules."""
    connection = await driver_connection(session)
    terms = await load_terms(connection)
    said = {name: getattr(terms, name) for name in RulesForm.fields}
    return await _show_fields(request, connection, RulesForm.blank(**said))


@post(f"{PATH}/rules", guards=[EDIT])
async def save_rules(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Change how often members may change what, and how long they may think before they leave."""
    form, connection = await RulesForm.read(request), await driver_connection(session)
    if not form.is_valid:
        return await _show_fields(request, connection, form, status=422)
    before = await load_terms(connection)
    await save_account_rules(connection, **form.values)
    await record_act(
        request,
        session,
        "profile.rules",
        "program:1",
        before={name: getattr(before, name) for name in form.values},
        after=form.values,
    )
    leave_notice(request, N_("Saved."))
    return redirect(request, HOME)


@get(f"{PATH}/new", guards=[EDIT])
async def show_new(request: AnyRequest) -> Page:
    """An empty form."""
    return _show_form(request, NewFieldForm.blank(kind="text", active="yes", position="10"), None)


@post(f"{PATH}/new", guards=[EDIT])
async def create_field(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Ask a new question."""
    form, connection = await NewFieldForm.read(request), await driver_connection(session)
    if form.is_valid:
        await carry_out(connection, form, add_field(connection, _draft(form, form.key, form.kind)))
    if not form.is_valid:
        return _show_form(request, form, None, status=422)
    await record_act(request, session, "profile.field_add", f"profile_field:{form.key}", after=_facts(form))
    leave_notice(request, N_("The question is asked from now on."))
    return redirect(request, HOME)


@get(f"{PATH}/{{key:str}}", guards=[EDIT])
async def show_field(request: AnyRequest, session: NamedDependency[AsyncSession], key: FromPath[str]) -> Page:
    """The form with one question."""
    question = await find_field(await driver_connection(session), key)
    lines = [f"{one.value} {_SEPARATOR} {one.name_zh} {_SEPARATOR} {one.name_en}" for one in question.options]
    said = {name: getattr(question, name) for name in FieldForm.fields} | {"options": "\n".join(lines)}
    return _show_form(request, FieldForm.blank(**said), question)


@post(f"{PATH}/{{key:str}}", guards=[EDIT])
async def save_field(request: AnyRequest, session: NamedDependency[AsyncSession], key: FromPath[str]) -> Page:
    """Change how a question is asked, or ask it no more; answers stay."""
    form, connection = await FieldForm.read(request), await driver_connection(session)
    question = await find_field(connection, key)
    if form.is_valid:
        await carry_out(connection, form, change_field(connection, _draft(form, key, question.kind)))
    if not form.is_valid:
        return _show_form(request, form, question, status=422)
    await record_act(request, session, "profile.field_edit", f"profile_field:{key}", after=_facts(form))
    leave_notice(request, N_("Saved."))
    return redirect(request, HOME)


def _draft(form: FieldForm, key: str, kind: str) -> FieldDraft:
    return FieldDraft(
        key=key,
        kind=kind,
        name_zh=form.name_zh,
        name_en=form.name_en,
        options=[_option(line) for line in form.options.splitlines() if line.strip()],
        required=form.required,
        counts=form.counts,
        position=form.position,
        active=form.active,
    )


def _option(line: str) -> Option:
    """One line of the form; parts that are missing stay empty, and the domain says what is wrong."""
    value, name_zh, name_en = ([part.strip() for part in line.split(_SEPARATOR)] + ["", "", ""])[:3]
    return Option(value, name_zh, name_en)


def _facts(form: Form) -> dict[str, Any]:
    return dict(form.values)


async def _show_fields(
    request: AnyRequest, connection: AsyncConnection[Any], form: RulesForm, status: int = 200
) -> Page:
    return show(
        request,
        "profile_fields",
        status=status,
        form=form,
        fields=await list_all_fields(connection),
        reward=await completeness_reward(connection, now_of(request)),
        event_type=EVENT_TYPE,
        kinds=KIND_NAMES,
    )


def _show_form(request: AnyRequest, form: Form, question: ProfileQuestion | None, status: int = 200) -> Page:
    return show(request, "profile_field", status=status, form=form, question=question, kinds=list(KIND_NAMES.items()))


ROUTES = [show_fields, save_rules, show_new, create_field, show_field, save_field]
