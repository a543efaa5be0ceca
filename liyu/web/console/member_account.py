"""One member's account as customer service needs it: what they said, where they live, and help with birthday, phone and leaving."""

from collections.abc import Awaitable, Callable, Iterable
from datetime import date
from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core import outbox
from liyu.core.access.sessions import list_sessions
from liyu.core.database import driver_connection
from liyu.core.i18n import N_, Message
from liyu.members.personal.addresses import list_addresses
from liyu.members.personal.closing import ask_to_close, find_closing, list_closings, take_back_closing
from liyu.members.personal.consents import list_history, list_standings
from liyu.members.personal.fields import ProfileQuestion, list_all_fields
from liyu.members.personal.locking import read_record
from liyu.members.personal.own_profile import completeness_of, load_answers, set_birthday
from liyu.members.personal.phone import change_phone_for, end_sessions, list_phone_changes
from liyu.members.program import load_terms
from liyu.members.queries import find_member_id
from liyu.redemption.closing import close_account, load_holdings
from liyu.redemption.personal_data import list_exports
from liyu.web.account import describe_device
from liyu.web.actor import actor_of, require_permission
from liyu.web.acts import carry_out
from liyu.web.audit import record_act
from liyu.web.consent_words import CONSENT_PURPOSES
from liyu.web.console.common import (
    LONGEST_REASON,
    AnyRequest,
    Connection,
    name_people,
    now_of,
    segment,
    show,
    today_of,
)
from liyu.web.formats import format_day, mask_phone
from liyu.web.forms import CheckField, DateField, Form, TextField
from liyu.web.i18n import current_locale, text_of
from liyu.web.pages import Page, leave_notice, redirect, render_text

PATH = "/members/{external_id:str}/account"
HELP = require_permission("members.identity")
ERASE = require_permission("members.erase")


class BirthdayForm(Form):
    birthday = DateField(N_("Date of birth"))
    birthday_reason = TextField(N_("Reason"), maximum=LONGEST_REASON)


class PhoneForm(Form):
    phone = TextField(N_("New mobile number"), maximum=40)
    phone_reason = TextField(N_("Reason"), maximum=LONGEST_REASON)


class LeaveForm(Form):
    leave_reason = TextField(N_("Reason"), maximum=LONGEST_REASON)
    at_once = CheckField(N_("At once, without the days to think again"))


class EmptyForm(Form):
    pass


class Done(Struct, frozen=True):
    """What was done: for the audit log, and as it is said; `external_id` where the member's number is another one now."""

    action: str
    notice: Message | str
    after: dict[str, Any] = {}
    external_id: str | None = None


_EMPTY = dict.fromkeys([*BirthdayForm.fields, *PhoneForm.fields, *LeaveForm.fields], "")
"""What the forms of the page show that nobody has filled in."""


@get(PATH, guards=[require_permission("members.read")])
async def show_account(request: AnyRequest, session: NamedDependency[AsyncSession], external_id: FromPath[str]) -> Page:
    """Everything personal of one member."""
    return await _show(request, session, external_id, EmptyForm.blank())


@post(f"{PATH}/birthday", guards=[HELP])
async def correct_birthday(
    request: AnyRequest, session: NamedDependency[AsyncSession], external_id: FromPath[str]
) -> Page:
    """Correct the birthday, whatever the member's own rule says; the reason is kept, the dates are not."""
    form = await BirthdayForm.read(request)

    async def act(connection: Connection, member_id: int) -> Done:
        assert form.birthday is not None
        await set_birthday(connection, member_id, form.birthday, today_of(request))
        return Done("member.birthday", N_("The birthday is corrected."), {"reason": form.birthday_reason})

    return await _act(request, session, external_id, form, act)


@post(f"{PATH}/phone", guards=[HELP])
async def move_phone(request: AnyRequest, session: NamedDependency[AsyncSession], external_id: FromPath[str]) -> Page:
    """Move the account to a new number for somebody who has lost theirs; all sessions end and the old number is told."""
    form, now = await PhoneForm.read(request), now_of(request)

    async def act(connection: Connection, member_id: int) -> Done:
        actor = actor_of(request).reference
        old = await change_phone_for(connection, member_id, form.phone, actor=actor, reason=form.phone_reason, now=now)
        new = (await read_record(connection, member_id)).phone
        if old:
            text = render_text(request, "mail/phone_changed.txt", {"new": mask_phone(new)})
            await outbox.post(session, channel=outbox.SMS, recipient=old, body=text, locale=current_locale(), now=now)
        words = N_("The number is changed; the member is signed out everywhere.")
        return Done("member.phone", words, {"reason": form.phone_reason})

    return await _act(request, session, external_id, form, act)


@post(f"{PATH}/sessions/end", guards=[HELP])
async def sign_out_everywhere(
    request: AnyRequest, session: NamedDependency[AsyncSession], external_id: FromPath[str]
) -> Page:
    """End all sessions of the member."""

    async def act(connection: Connection, member_id: int) -> Done:
        ended = await end_sessions(connection, member_id, now_of(request))
        return Done("member.sign_out", Message(N_("%(count)s sessions ended."), {"count": ended}), {"ended": ended})

    return await _act(request, session, external_id, EmptyForm.blank(), act)


@post(f"{PATH}/close", guards=[ERASE])
async def close(request: AnyRequest, session: NamedDependency[AsyncSession], external_id: FromPath[str]) -> Page:
    """Close for a member who asked by phone or letter: after the days to think again, or at once."""
    form, actor, now = await LeaveForm.read(request), actor_of(request).reference, now_of(request)

    async def act(connection: Connection, member_id: int) -> Done:
        reason = {"reason": form.leave_reason}
        if not form.at_once:
            await ask_to_close(connection, member_id, reason=form.leave_reason, actor=actor, now=now)
            return Done("member.close", N_("Noted. The member can take it back until it is due."), reason)
        await close_account(connection, member_id, actor=actor, now=now)
        # The host's number of the member is gone from the record, so the event names the member by ours.
        left = (await read_record(connection, member_id)).external_id
        words = N_("The account is closed and the person erased. The books stay.")
        return Done("member.erase", words, reason, external_id=left)

    return await _act(request, session, external_id, form, act)


@post(f"{PATH}/close/take-back", guards=[ERASE])
async def take_back(request: AnyRequest, session: NamedDependency[AsyncSession], external_id: FromPath[str]) -> Page:
    """The member stays after all."""

    async def act(connection: Connection, member_id: int) -> Done:
        await take_back_closing(connection, member_id, now=now_of(request))
        return Done("member.close_taken_back", N_("The wish to close is taken back."))

    return await _act(request, session, external_id, EmptyForm.blank(), act)


async def _act(
    request: AnyRequest,
    session: AsyncSession,
    external_id: str,
    form: Form,
    work: Callable[[Connection, int], Awaitable[Done]],
) -> Page:
    """Do what a form of the page asks for: with faults or a refusal the page again, else noted, said, and back to the page.

    The event names what was done and why, and holds nothing personal: it can never be erased.
    """
    connection = await driver_connection(session)
    member_id = await find_member_id(connection, external_id)
    done = await carry_out(connection, form, work(connection, member_id)) if form.is_valid else None
    if done is None:
        return await _show(request, session, external_id, form)
    whose = done.external_id or external_id
    await record_act(request, session, done.action, f"member:{whose}", after=done.after or None)
    leave_notice(request, done.notice)
    return redirect(request, f"/console/members/{segment(whose)}/account")


async def _show(request: AnyRequest, session: AsyncSession, external_id: str, form: Form) -> Page:
    connection = await driver_connection(session)
    member_id = await find_member_id(connection, external_id)
    member, now = await read_record(connection, member_id), now_of(request)
    questions, answers = await list_all_fields(connection), await load_answers(connection, member_id)
    history, changes = await list_history(connection, member_id), await list_phone_changes(connection, member_id)
    closings, exports = await list_closings(connection, member_id), await list_exports(connection, member_id)
    people = [one.actor for one in history] + [one.actor for one in changes]
    people += [one.actor for one in closings] + [one.actor for one in exports]
    return show(
        request,
        "member_account",
        status=422 if form.faults else 200,
        form=form,
        raw=_EMPTY | form.raw,
        member=member,
        is_open=member.state not in ("closed", "merged"),
        completeness=completeness_of(member, [question for question in questions if question.active], answers),
        answers=[(text_of(question, "name"), _answer(question, answers)) for question in questions],
        addresses=await list_addresses(connection, member_id),
        standings=await list_standings(connection, member_id),
        consent_history=history,
        purposes=CONSENT_PURPOSES,
        phone_changes=changes,
        closing=await find_closing(connection, member_id),
        closings=closings,
        exports=exports,
        names=await name_people(connection, people),
        devices=_devices(await list_sessions(session, now=now, member_id=member_id)),
        holdings=await load_holdings(connection, member_id, now),
        terms=await load_terms(connection),
    )


def _devices(sessions: Iterable[Any]) -> list[dict[str, Any]]:
    return [{"name": describe_device(row.user_agent), "seen": row.last_seen_at} for row in sessions]


def _answer(question: ProfileQuestion, answers: dict[str, str]) -> str:
    """An answer in words."""
    value = answers.get(question.key, "")
    option = question.option(value)
    if option is not None:
        return text_of(option, "name")
    if question.kind == "date" and value:
        return format_day(date.fromisoformat(value), current_locale())
    return value


ROUTES = [show_account, correct_birthday, move_phone, sign_out_everywhere, close, take_back]
