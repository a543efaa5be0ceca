"""Partner staff sign in and out."""

from typing import Any

from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.access.models import PARTNER
from liyu.web import staff_login
from liyu.web.pages import Page


@get("/login")
async def show_login(
    request: Request[Any, Any, Any],
    session: NamedDependency[AsyncSession],
    next: FromQuery[str] = "",  # noqa: A002 - the word of the address
) -> Page:
    """Ask for e-mail and password."""
    return await staff_login.show_password_form(request, session, PARTNER, next)


@post("/login")
async def check_password(request: Request[Any, Any, Any], session: NamedDependency[AsyncSession]) -> Page:
    """First step: the password."""
    return await staff_login.check_password(request, session, PARTNER)


@post("/login/code")
async def check_step(request: Request[Any, Any, Any], session: NamedDependency[AsyncSession]) -> Page:
    """Second step: the code of the app."""
    return await staff_login.check_step(request, session, PARTNER)


@post("/sign-out")
async def leave(request: Request[Any, Any, Any], session: NamedDependency[AsyncSession]) -> Page:
    """Sign out."""
    return await staff_login.leave(request, session, PARTNER)


ROUTES = [show_login, check_password, check_step, leave]
