"""Badges: those that are the member's, and what the others need."""

from litestar import get
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.members.tags.queries import badges_for
from liyu.web.actor import actor_of
from liyu.web.mall.member import AnyRequest, member_id_of
from liyu.web.pages import Page, page


@get("/badges")
async def show_badges(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """All badges, the member's own first."""
    badges = await badges_for(await driver_connection(session), member_id_of(actor_of(request)))
    return page(request, "mall/badges.html", tab="me", badges=badges)


ROUTES = [show_badges]
