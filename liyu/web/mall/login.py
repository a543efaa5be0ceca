"""Members sign in with a code that is sent to their phone. Whether a phone is known is told to nobody."""

from typing import Any
from urllib.parse import urlencode

from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from liyu.core import outbox
from liyu.core.access.codes import LIFETIME, issue_login_code, use_login_code
from liyu.core.access.models import MEMBER
from liyu.core.database import driver_connection
from liyu.core.i18n import N_
from liyu.members.models import Member
from liyu.members.points.expiry import PRE_REGISTERED
from liyu.members.profile import activate_member
from liyu.web.demo import find_demo_logins
from liyu.web.formats import format_phone
from liyu.web.forms import Form, PhoneField, TextField
from liyu.web.limits import count_hit, forget_hits
from liyu.web.pages import Page, leave_notice, local_path, page, redirect, render_text
from liyu.web.services import Services
from liyu.web.sessions import sign_in, sign_out
from liyu.web.visit import visit_of


class PhoneForm(Form):
    phone = PhoneField(N_("Mobile number"))
    next = TextField(required=False)


class CodeForm(Form):
    phone = PhoneField(N_("Mobile number"))
    code = TextField(N_("Code"), maximum=12)
    next = TextField(required=False)


@get("/login")
async def show_login(
    request: Request[Any, Any, Any],
    session: NamedDependency[AsyncSession],
    next: FromQuery[str] = "",  # noqa: A002 - the word of the address
) -> Page:
    """Ask for the phone number."""
    if visit_of(request).actor:
        return redirect(request, local_path(next, "/"))
    return await _show_phone_form(request, session, PhoneForm.blank(next=next))


@post("/login/code")
async def send_code(
    request: Request[Any, Any, Any],
    session: NamedDependency[AsyncSession],
    services: NamedDependency[Services],
) -> Page:
    """Send a code if the phone is a member's, and ask for it in any case."""
    form = await PhoneForm.read(request)
    if not form.is_valid:
        return await _show_phone_form(request, session, form, status=422)
    await count_hit(services, "login_code_address", visit_of(request).address)
    await count_hit(services, "login_code", form.phone)
    now = services.clock.now()
    code = await issue_login_code(session, form.phone, secret_key=services.settings.secret_key, now=now)
    if await _find_member(session, form.phone):
        await _post_code(request, session, form.phone, code)
    return _show_code_form(request, CodeForm.blank(phone=form.phone, next=form.next))


@post("/login")
async def enter_code(
    request: Request[Any, Any, Any],
    session: NamedDependency[AsyncSession],
    services: NamedDependency[Services],
) -> Page:
    """Sign the member in, if the code is right."""
    form = await CodeForm.read(request)
    if form.is_valid:
        await count_hit(services, "login_address", visit_of(request).address)
        await count_hit(services, "login", form.phone)
        secret_key = services.settings.secret_key
        fits = await use_login_code(session, form.phone, form.code, secret_key=secret_key, now=services.clock.now())
        member = await _find_member(session, form.phone) if fits else None
        if member is not None:
            await _activate(request, session, member)
            await sign_in(session, visit_of(request), MEMBER, member_id=member.id)
            await forget_hits(services, "login", form.phone)
            return redirect(request, local_path(form.next, "/"))
        form.refuse(N_("This code is not right or no longer valid."), "code")
    return _show_code_form(request, form, status=422)


@post("/sign-out")
async def leave(request: Request[Any, Any, Any], session: NamedDependency[AsyncSession]) -> Page:
    """Sign out."""
    await sign_out(session, visit_of(request))
    return redirect(request, "/")


async def _show_phone_form(
    request: Request[Any, Any, Any], session: AsyncSession, form: PhoneForm, status: int = 200
) -> Page:
    demo_logins = await find_demo_logins(request, session, MEMBER)
    return page(request, "mall/login.html", status=status, form=form, demo_logins=demo_logins)


def _show_code_form(request: Request[Any, Any, Any], form: CodeForm, status: int = 200) -> Page:
    again = urlencode({"next": form.raw["next"]}) if form.raw["next"] else ""
    return page(
        request,
        "mall/login_code.html",
        status=status,
        form=form,
        phone=form.raw["phone"] if "phone" in form.errors else format_phone(form.raw["phone"]),
        other_phone_href=f"/login?{again}" if again else "/login",
    )


async def _find_member(session: AsyncSession, phone: str) -> Member | None:
    """Whose phone this is; that of somebody who was merged leads to the one who lives on."""
    holder = aliased(Member)
    member: Member | None = await session.scalar(
        select(Member)
        .join(holder, Member.id == func.coalesce(holder.merged_into, holder.id))
        .where(holder.phone == phone, Member.state != "closed")
    )
    return member


async def _activate(request: Request[Any, Any, Any], session: AsyncSession, member: Member) -> None:
    """The first sign-in of somebody who is pre-registered begins the membership."""
    services = visit_of(request).services
    if member.state == PRE_REGISTERED and await activate_member(
        await driver_connection(session),
        member.id,
        reason="first_sign_in",
        actor=f"member:{member.id}",
        now=services.clock.now(),
        zone=services.settings.timezone,
    ):
        leave_notice(
            request, N_("Welcome! Your membership begins today; what you have collected can be used from now on.")
        )


async def _post_code(request: Request[Any, Any, Any], session: AsyncSession, phone: str, code: str) -> None:
    visit = visit_of(request)
    minutes = int(LIFETIME.total_seconds()) // 60
    words = render_text(request, "mail/login_code.txt", {"code": code, "minutes": minutes})
    await outbox.post(
        session,
        channel=outbox.SMS,
        recipient=phone,
        body=words,
        locale=visit.locale or visit.services.settings.locale,
        now=visit.services.clock.now(),
    )


ROUTES = [show_login, send_code, enter_code, leave]
