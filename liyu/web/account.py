"""One's own security page, the same for all audiences: signed-in devices, and two-step sign-in for staff."""

from typing import Any

import segno
from cryptography.fernet import InvalidToken
from litestar import Request, Router, get, post
from litestar.di import NamedDependency
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.access.models import MEMBER, AccessSession, Staff
from liyu.core.access.sessions import list_sessions, revoke_sessions
from liyu.core.access.staff import disable_totp, enable_totp, make_totp_secret, totp_address, use_totp_code
from liyu.core.errors import NotFoundError
from liyu.core.i18n import N_
from liyu.core.sealing import seal, unseal
from liyu.web.actor import Actor, actor_of
from liyu.web.audit import record_act
from liyu.web.forms import Form, TextField
from liyu.web.i18n import text_of
from liyu.web.pages import Page, leave_notice, page, redirect
from liyu.web.visit import visit_of

AnyRequest = Request[Any, Any, Any]

PATH = "/account/security"
_ENROLMENT = "totp-enrolment"
_PREFIX_LENGTH = 16
_LAYOUTS = {"member": "layouts/mall.html", "partner": "layouts/partner.html", "operator": "layouts/console.html"}
_SYSTEMS = ("iPhone", "iPad", "Android", "Windows", "Mac OS", "Linux")
_PROGRAMS = {"MicroMessenger": "WeChat", "Edg/": "Edge", "Firefox": "Firefox", "Chrome": "Chrome", "Safari": "Safari"}


class EnrolForm(Form):
    sealed_secret = TextField()
    code = TextField(N_("Code"), maximum=12)


class CodeForm(Form):
    code = TextField(N_("Code"), maximum=12)


class DeviceForm(Form):
    device = TextField(required=False)


@get(PATH)
async def show_security(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Devices and, for staff, two-step sign-in."""
    return await _security_page(request, session)


@post(f"{PATH}/sessions/end")
async def end_sessions(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Sign one device out, or all but this one."""
    form = await DeviceForm.read(request)
    actor = actor_of(request)
    if form.device and len(form.device) != _PREFIX_LENGTH:
        raise NotFoundError
    ended = await revoke_sessions(
        session,
        now=visit_of(request).services.clock.now(),
        member_id=actor.member_id,
        staff_id=actor.staff_id,
        except_hash=actor.session_hash,
        only_prefix=form.device or None,
    )
    if form.device and not ended:
        raise NotFoundError
    await record_act(request, session, "session.end", actor.reference, after={"ended": ended})
    leave_notice(request, N_("Signed out there."))
    return redirect(request, _own_path(actor))


@post(f"{PATH}/two-step")
async def turn_on_two_steps(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Turn two-step sign-in on, once the app shows the right code."""
    actor = actor_of(request)
    form = await EnrolForm.read(request)
    services = visit_of(request).services
    if form.is_valid:
        try:
            secret = unseal(services.settings.secret_key, _ENROLMENT, form.sealed_secret.encode())
        except InvalidToken:
            raise NotFoundError from None
        assert actor.staff_id is not None
        now = services.clock.now()
        if await enable_totp(
            session, actor.staff_id, secret, form.code, secret_key=services.settings.secret_key, now=now
        ):
            await record_act(request, session, "totp.enable", actor.reference)
            leave_notice(request, N_("Two-step sign-in is on."))
            return redirect(request, _own_path(actor))
        form.refuse(N_("This code is not right or no longer valid."), "code")
    return await _security_page(request, session, form, status=422)


@post(f"{PATH}/two-step/off")
async def turn_off_two_steps(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Turn two-step sign-in off, with one last code."""
    actor = actor_of(request)
    form = await CodeForm.read(request)
    if form.is_valid:
        services = visit_of(request).services
        staff = await session.get_one(Staff, actor.staff_id)
        now = services.clock.now()
        if await use_totp_code(session, staff, form.code, secret_key=services.settings.secret_key, now=now):
            await disable_totp(session, staff.id)
            await record_act(request, session, "totp.disable", actor.reference)
            leave_notice(request, N_("Two-step sign-in is off."))
            return redirect(request, _own_path(actor))
        form.refuse(N_("This code is not right or no longer valid."), "code")
    return await _security_page(request, session, form, status=422)


MEMBER_ROUTES = [show_security, end_sessions]
STAFF_ROUTES = [*MEMBER_ROUTES, turn_on_two_steps, turn_off_two_steps]


def account_router(audience: str) -> Router:
    """The security pages, to be put under the router of an audience, which guards them."""
    return Router("/", route_handlers=MEMBER_ROUTES if audience == MEMBER else STAFF_ROUTES)


async def _security_page(
    request: AnyRequest, session: AsyncSession, form: Form | None = None, status: int = 200
) -> Page:
    actor = actor_of(request)
    now = visit_of(request).services.clock.now()
    rows = await list_sessions(session, now=now, member_id=actor.member_id, staff_id=actor.staff_id)
    context: dict[str, Any] = {
        "layout": _LAYOUTS[actor.audience],
        "tab": "me",
        "path": _own_path(actor),
        "devices": [_device(row, actor) for row in rows],
        "errors": form.errors if form else {},
        "two_steps": None,
    }
    if actor.staff_id is not None:
        context["two_steps"] = await _two_steps(request, session, actor, form)
    return page(request, "account/security.html", status=status, **context)


async def _two_steps(request: AnyRequest, session: AsyncSession, actor: Actor, form: Form | None) -> dict[str, Any]:
    if await session.scalar(select(Staff.totp_secret).where(Staff.id == actor.staff_id)):
        return {"on": True}
    services = visit_of(request).services
    key = services.settings.secret_key
    sealed = form.raw["sealed_secret"] if isinstance(form, EnrolForm) else ""
    secret = unseal(key, _ENROLMENT, sealed.encode()) if sealed else make_totp_secret()
    issuer = text_of(services.program.current(services.sessions), "name")
    address = totp_address(secret, email=actor.email or actor.name, issuer=issuer)
    return {
        "on": False,
        "secret": " ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
        "sealed_secret": seal(key, _ENROLMENT, secret).decode(),
        "qr": segno.make(address, error="m").svg_inline(scale=4, border=2, light="#fff", omitsize=True),
    }


def _device(row: AccessSession, actor: Actor) -> dict[str, Any]:
    return {
        "id": row.token_hash.hex()[:_PREFIX_LENGTH],
        "name": describe_device(row.user_agent),
        "address": row.address,
        "seen": row.last_seen_at,
        "is_this": row.token_hash == actor.session_hash,
    }


def describe_device(user_agent: str) -> str:
    """`Chrome · Android`, from what the browser says of itself."""
    program = next((name for sign, name in _PROGRAMS.items() if sign in user_agent), "")
    system = next((name for name in _SYSTEMS if name in user_agent), "")
    return " · ".join(part for part in (program, system) if part) or user_agent[:40]


def _own_path(actor: Actor) -> str:
    prefix = {"member": "", "partner": "/partner", "operator": "/console"}[actor.audience]
    return f"{prefix}{PATH}"
