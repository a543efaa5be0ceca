"""Staff sign in with e-mail, password and, if they turned it on, a code of their app; in portal and console alike."""

from typing import Any

from itsdangerous import BadSignature, URLSafeTimedSerializer
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromQuery
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.access.models import OPERATOR, PARTNER, Staff
from liyu.core.access.staff import authenticate_staff, use_totp_code
from liyu.core.i18n import N_
from liyu.web.audit import record_act
from liyu.web.demo import find_demo_logins
from liyu.web.forms import EmailField, Form, TextField
from liyu.web.limits import count_hit, forget_hits
from liyu.web.pages import Page, leave_notice, local_path, page, redirect
from liyu.web.sessions import sign_in, sign_out
from liyu.web.visit import visit_of

AnyRequest = Request[Any, Any, Any]

HOMES = {PARTNER: "/partner", OPERATOR: "/console"}
_FOLDERS = {PARTNER: "partner", OPERATOR: "console"}
_TICKET_SECONDS = 300


class PasswordForm(Form):
    email = EmailField(N_("E-mail"))
    password = TextField(N_("Password"), strip=False, maximum=256)
    next = TextField(required=False)


class StepForm(Form):
    ticket = TextField()
    code = TextField(N_("Code"), maximum=12)
    next = TextField(required=False)


def make_login_handlers(audience: str) -> list[HTTPRouteHandler]:
    """The pages on which staff of an audience sign in and out."""

    @get("/login")
    async def show_login(
        request: AnyRequest,
        session: NamedDependency[AsyncSession],
        next: FromQuery[str] = "",  # noqa: A002 - the word of the address
    ) -> Page:
        """Ask for e-mail and password."""
        return await _show_password_form(request, session, audience, next)

    @post("/login")
    async def check_password(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
        """First step: the password."""
        return await _check_password(request, session, audience)

    @post("/login/code")
    async def check_step(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
        """Second step: the code of the app."""
        return await _check_step(request, session, audience)

    @post("/sign-out")
    async def leave(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
        """Sign out."""
        return await _leave(request, session, audience)

    return [show_login, check_password, check_step, leave]


async def _show_password_form(request: AnyRequest, session: AsyncSession, audience: str, next_path: str) -> Page:
    """Ask for e-mail and password."""
    if visit_of(request).actor:
        return redirect(request, local_path(next_path, HOMES[audience]))
    return await _password_page(request, session, audience, PasswordForm.blank(next=next_path))


async def _check_password(request: AnyRequest, session: AsyncSession, audience: str) -> Page:
    """Sign in with a password, or ask for the second step."""
    form = await PasswordForm.read(request)
    if not form.is_valid:
        return await _password_page(request, session, audience, form, status=422)
    visit = visit_of(request)
    await count_hit(visit.services, "login_address", visit.address)
    await count_hit(visit.services, "login", form.email)
    staff = await authenticate_staff(session, audience, form.email, form.password)
    if staff is None:
        form.refuse(N_("E-mail and password do not go together."))
        return await _password_page(request, session, audience, form, status=422)
    if staff.totp_secret is not None:
        ticket = _tickets(request, audience).dumps(staff.id)
        return _step_page(request, audience, StepForm.blank(ticket=ticket, next=form.next))
    return await _let_in(request, session, audience, staff, form.next)


async def _check_step(request: AnyRequest, session: AsyncSession, audience: str) -> Page:
    """Sign in with the code of the app, after the password."""
    form = await StepForm.read(request)
    if not form.is_valid:
        return _step_page(request, audience, form, status=422)
    visit = visit_of(request)
    await count_hit(visit.services, "login_address", visit.address)
    staff = await _find_by_ticket(request, session, audience, form.ticket)
    if staff is None:
        leave_notice(request, N_("That took too long. Please sign in again."), "error")
        return redirect(request, f"{HOMES[audience]}/login")
    await count_hit(visit.services, "login", staff.email)
    secret_key = visit.services.settings.secret_key
    if not await use_totp_code(session, staff, form.code, secret_key=secret_key, now=visit.services.clock.now()):
        form.refuse(N_("This code is not right or no longer valid."), "code")
        return _step_page(request, audience, form, status=422)
    return await _let_in(request, session, audience, staff, form.next)


async def _leave(request: AnyRequest, session: AsyncSession, audience: str) -> Page:
    """Sign out."""
    await sign_out(session, visit_of(request))
    return redirect(request, f"{HOMES[audience]}/login")


async def _let_in(request: AnyRequest, session: AsyncSession, audience: str, staff: Staff, next_path: str) -> Page:
    visit = visit_of(request)
    await sign_in(session, visit, audience, staff_id=staff.id)
    reference = f"staff:{staff.id}"
    await record_act(request, session, "session.open", reference, actor=reference)
    await forget_hits(visit.services, "login", staff.email)
    return redirect(request, local_path(next_path, HOMES[audience]))


async def _password_page(
    request: AnyRequest, session: AsyncSession, audience: str, form: PasswordForm, status: int = 200
) -> Page:
    form.raw["password"] = ""
    demo_logins = await find_demo_logins(request, session, audience)
    return page(request, f"{_FOLDERS[audience]}/login.html", status=status, form=form, demo_logins=demo_logins)


def _step_page(request: AnyRequest, audience: str, form: StepForm, status: int = 200) -> Page:
    return page(request, "account/login_step.html", status=status, form=form, action=f"{HOMES[audience]}/login/code")


async def _find_by_ticket(request: AnyRequest, session: AsyncSession, audience: str, ticket: str) -> Staff | None:
    try:
        staff_id = _tickets(request, audience).loads(ticket, max_age=_TICKET_SECONDS)
    except BadSignature:
        return None
    staff = await session.get(Staff, staff_id)
    return staff if staff and staff.active and staff.audience == audience else None


def _tickets(request: AnyRequest, audience: str) -> URLSafeTimedSerializer:
    """Proof that the password was right a moment ago."""
    return URLSafeTimedSerializer(visit_of(request).services.settings.secret_key, salt=f"login:{audience}")
