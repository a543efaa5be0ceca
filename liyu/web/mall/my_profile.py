"""The member's profile as a form: the plain fields, the operator's questions, and how much is missing for the reward."""

from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from psycopg import AsyncConnection
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.i18n import N_, Message
from liyu.core.settings import LOCALES
from liyu.members.personal.fields import ANSWER, LONGEST_ANSWER, ProfileQuestion, list_fields
from liyu.members.personal.locking import MemberFacts, read_record
from liyu.members.personal.own_profile import (
    OwnProfile,
    completeness_of,
    completeness_reward,
    load_answers,
    next_birthday_change,
    save_own_profile,
    was_rewarded,
)
from liyu.members.program import load_terms
from liyu.web.actor import actor_of
from liyu.web.acts import carry_out
from liyu.web.audit import record_act
from liyu.web.formats import current_zone, mask_phone
from liyu.web.forms import ChoiceField, DateField, Form, TextField
from liyu.web.i18n import gettext, text_of
from liyu.web.mall.member import AnyRequest, member_id_of, now_of, today_of
from liyu.web.pages import Page, leave_notice, page, redirect

PATH = "/account/profile"
PLAIN_LABELS = {
    "name": N_("Full name"),
    "birthday": N_("Date of birth"),
    "email": N_("E-mail"),
    "city": N_("City"),
}


class ProfileForm(Form):
    name = TextField(PLAIN_LABELS["name"], required=False, maximum=100)
    birthday = DateField(PLAIN_LABELS["birthday"], required=False)
    email = TextField(PLAIN_LABELS["email"], required=False, maximum=254)
    city = TextField(PLAIN_LABELS["city"], required=False, maximum=100)
    locale = ChoiceField(LOCALES, N_("Language of messages"), required=False)


@get(PATH)
async def show_profile(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """The profile with what the member has said so far."""
    connection, member_id = await driver_connection(session), member_id_of(actor_of(request))
    questions = await list_fields(connection)
    member, answers = await read_record(connection, member_id), await load_answers(connection, member_id)
    said = {name: getattr(member, name) or "" for name in ProfileForm.fields}
    said |= {f"{ANSWER}{key}": value for key, value in answers.items()}
    form = _form_with(questions).blank(**said)
    return await _show(request, connection, member, questions, answers, form)


@post(PATH)
async def save_profile(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Save it; the first time that nothing is missing brings points."""
    connection, member_id = await driver_connection(session), member_id_of(actor_of(request))
    questions = await list_fields(connection)
    form = await _form_with(questions).read(request)
    gained = None
    if form.is_valid:
        wanted = OwnProfile(
            **{name: getattr(form, name) or None for name in ProfileForm.fields},
            answers={question.key: getattr(form, f"{ANSWER}{question.key}") for question in questions},
        )
        act = save_own_profile(connection, member_id, wanted, now=now_of(request), zone=current_zone())
        gained = await carry_out(connection, form, act)
    if gained is None:
        member, answers = await read_record(connection, member_id), await load_answers(connection, member_id)
        return await _show(request, connection, member, questions, answers, form, status=422)
    await record_act(request, session, "profile.edit", actor_of(request).reference)
    if gained:
        leave_notice(request, Message(N_("Saved. Your profile is complete: +%(points)s points."), {"points": gained}))
    else:
        leave_notice(request, N_("Saved."))
    return redirect(request, PATH)


def _form_with(questions: list[ProfileQuestion]) -> type[Form]:
    """The form with the operator's questions; the domain says what is wrong with an answer."""
    answers = {
        f"{ANSWER}{question.key}": TextField(text_of(question, "name"), required=False, maximum=LONGEST_ANSWER)
        for question in questions
    }
    return type("ProfileForm", (ProfileForm,), answers)


async def _show(
    request: AnyRequest,
    connection: AsyncConnection[Any],
    member: MemberFacts,
    questions: list[ProfileQuestion],
    answers: dict[str, str],
    form: Form,
    status: int = 200,
) -> Page:
    terms = await load_terms(connection)
    next_change = next_birthday_change(member.birthday_changed_at, terms.birthday_change_days, current_zone())
    completeness = completeness_of(member, questions, answers)
    names = {**PLAIN_LABELS, **{question.key: text_of(question, "name") for question in questions}}
    return page(
        request,
        "mall/my_profile.html",
        status=status,
        tab="me",
        form=form,
        questions=[_question(question) for question in questions],
        phone=mask_phone(member.phone),
        completeness=completeness,
        missing=[gettext(names[name]) for name in completeness.missing],
        reward=0
        if await was_rewarded(connection, member.id)
        else await completeness_reward(connection, now_of(request)),
        birthday_days=terms.birthday_change_days,
        birthday_opens=next_change if next_change and next_change > today_of(request) else None,
        locales=[("zh_CN", "中文"), ("en", "English")],
    )


def _question(question: ProfileQuestion) -> dict[str, Any]:
    return {
        "field": f"{ANSWER}{question.key}",
        "label": text_of(question, "name"),
        "kind": question.kind,
        "required": question.required,
        "options": [(option.value, text_of(option, "name")) for option in question.options],
    }


ROUTES = [show_profile, save_profile]
