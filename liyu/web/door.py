"""The one middleware inside the routes: who comes, in which language, and whether they come from our own pages."""

from typing import Any, cast

from litestar.types import ASGIApp, Receive, Scope, Send

from liyu.web.csrf import EXEMPT, verify_origin
from liyu.web.formats import use_zone
from liyu.web.i18n import LOCALE_COOKIE, choose_locale, use_locale
from liyu.web.sessions import load_actor
from liyu.web.visit import API, PUBLIC, Visit


def attend_door(app: ASGIApp) -> ASGIApp:
    """Wrap a route: load the actor, choose the language, refuse foreign forms. Machines' paths go straight through."""

    async def door(scope: Scope, receive: Receive, send: Send) -> None:
        visit = cast("Visit | None", scope.get("visit"))
        if visit is not None:
            if visit.audience not in {API, PUBLIC}:
                if visit.cookies:
                    await load_actor(visit)
                speak_to(visit)
            if visit.is_unsafe and not cast("Any", scope)["route_handler"].opt.get(EXEMPT):
                await verify_origin(visit, scope, receive)
        await app(scope, receive, send)

    return door


def speak_to(visit: Visit) -> None:
    """Choose the language and the time zone of the answer."""
    visit.locale = choose_locale(
        visit.cookies.get(LOCALE_COOKIE) if visit.cookies else None,
        visit.actor.locale if visit.actor else None,
        visit.header(b"accept-language"),
        visit.services.settings.locale,
    )
    use_locale(visit.locale)
    use_zone(visit.services.settings.timezone)
