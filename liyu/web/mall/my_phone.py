"""Changing the phone number: a code to the old one and a code to the new one, and only both together move the account."""

from litestar import get, post
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core import outbox
from liyu.core.access.codes import LIFETIME, issue_login_code, use_login_codes
from liyu.core.access.models import MEMBER
from liyu.core.database import driver_connection, unit_of_work
from liyu.core.i18n import N_
from liyu.members.personal.locking import read_record
from liyu.members.personal.phone import change_own_phone, ensure_may_change, next_phone_change, purpose_of_code
from liyu.members.profile import parse_phone
from liyu.web.actor import actor_of
from liyu.web.acts import carry_out
from liyu.web.audit import record_act
from liyu.web.formats import current_zone, format_phone, mask_phone
from liyu.web.forms import Form, PhoneField, TextField
from liyu.web.limits import count_hit
from liyu.web.mall.member import AnyRequest, member_id_of, now_of
from liyu.web.pages import Page, leave_notice, page, redirect, render_text
from liyu.web.services import Services
from liyu.web.sessions import sign_in
from liyu.web.visit import visit_of

PATH = "/account/phone"
WRONG_CODE = N_("This code is not right or no longer valid.")


class NumberForm(Form):
    phone = PhoneField(N_("New mobile number"))


class CodesForm(Form):
    phone = PhoneField(N_("New mobile number"))
    old_code = TextField(N_("Code sent to the old number"), maximum=12)
    new_code = TextField(N_("Code sent to the new number"), maximum=12)


@get(PATH)
async def show_phone(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """The present number, and the form for a new one."""
    return await _show_number(request, session, NumberForm.blank())


@post(PATH)
async def send_codes(
    request: AnyRequest, session: NamedDependency[AsyncSession], services: NamedDependency[Services]
) -> Page:
    """Send a code to each number. Whether the new one is somebody else's is told to nobody who has not proven it."""
    connection, member_id = await driver_connection(session), member_id_of(actor_of(request))
    form = await NumberForm.read(request)
    old = (await read_record(connection, member_id)).phone
    if form.is_valid:
        await carry_out(
            connection,
            form,
            ensure_may_change(connection, member_id, now=now_of(request), zone=current_zone()),
        )
    if form.is_valid and (old is None or form.phone == old):
        form.refuse(N_("This is the number of the account already."), "phone")
    if not form.is_valid or old is None:
        return await _show_number(request, session, form, status=422)
    await count_hit(services, "phone_change", actor_of(request).reference)
    for phone in (old, form.phone):
        await count_hit(services, "login_code", phone)
    for phone in (old, form.phone):
        await _send(request, session, services, phone, purpose_of_code(member_id))
    return _show_codes(request, CodesForm.blank(phone=form.phone), old)


@post(f"{PATH}/confirm")
async def confirm_phone(
    request: AnyRequest, session: NamedDependency[AsyncSession], services: NamedDependency[Services]
) -> Page:
    """Move the account when both codes are right: all other sessions end, and the old number is told."""
    connection, member_id = await driver_connection(session), member_id_of(actor_of(request))
    form = await CodesForm.read(request)
    old = (await read_record(connection, member_id)).phone or ""
    if form.is_valid:
        await count_hit(services, "login", form.phone)
        await _check_codes(services, form, old, member_id)
    if form.is_valid:
        now, zone = now_of(request), current_zone()
        await carry_out(connection, form, change_own_phone(connection, member_id, old, form.phone, now=now, zone=zone))
    if not form.is_valid:
        return _show_codes(request, form, old, status=422)
    await record_act(request, session, "phone.change", actor_of(request).reference)
    await tell_old_number(request, session, old, form.phone)
    await sign_in(session, visit_of(request), MEMBER, member_id=member_id)
    leave_notice(request, N_("Your number is changed. You were signed out on all other devices."))
    return redirect(request, "/me")


async def tell_old_number(request: AnyRequest, session: AsyncSession, old: str, new: str) -> None:
    """A word to the number that was left, in case it was not its owner who left it."""
    words = render_text(request, "mail/phone_changed.txt", {"new": mask_phone(new)})
    await _post_sms(request, session, old, words)


async def _check_codes(services: Services, form: CodesForm, old: str, member_id: int) -> None:
    """Try both codes in a transaction of their own, so that a wrong guess counts whatever follows."""
    key, now, purpose = services.settings.secret_key, services.clock.now(), purpose_of_code(member_id)
    proofs = [(old, form.old_code), (form.phone, form.new_code)]
    async with unit_of_work(services.sessions) as session:
        fits = await use_login_codes(session, proofs, secret_key=key, now=now, purpose=purpose)
    for field, is_right in zip(("old_code", "new_code"), fits, strict=True):
        if not is_right:
            form.refuse(WRONG_CODE, field)


async def _send(request: AnyRequest, session: AsyncSession, services: Services, phone: str, purpose: str) -> None:
    code = await issue_login_code(
        session, phone, secret_key=services.settings.secret_key, now=services.clock.now(), purpose=purpose
    )
    minutes = int(LIFETIME.total_seconds()) // 60
    await _post_sms(
        request, session, phone, render_text(request, "mail/phone_code.txt", {"code": code, "minutes": minutes})
    )


async def _post_sms(request: AnyRequest, session: AsyncSession, phone: str, words: str) -> None:
    visit = visit_of(request)
    await outbox.post(
        session,
        channel=outbox.SMS,
        recipient=phone,
        body=words,
        locale=visit.locale or visit.services.settings.locale,
        now=visit.services.clock.now(),
    )


async def _show_number(request: AnyRequest, session: AsyncSession, form: Form, status: int = 200) -> Page:
    connection, member_id = await driver_connection(session), member_id_of(actor_of(request))
    opens, days = await next_phone_change(connection, member_id, now=now_of(request), zone=current_zone())
    phone = (await read_record(connection, member_id)).phone
    return page(
        request,
        "mall/my_phone.html",
        status=status,
        tab="me",
        form=form,
        phone=mask_phone(phone),
        opens=opens,
        days=days,
    )


def _show_codes(request: AnyRequest, form: Form, old: str, status: int = 200) -> Page:
    new = parse_phone(str(form.raw["phone"]))
    return page(
        request,
        "mall/my_phone_codes.html",
        status=status,
        tab="me",
        form=form,
        old=mask_phone(old),
        new=format_phone(new) if new else form.raw["phone"],
    )


ROUTES = [show_phone, send_codes, confirm_phone]
