from typing import Any

from litestar import Request, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery

from liyu.core.settings import LOCALES
from liyu.web.i18n import LOCALE_COOKIE
from liyu.web.pages import Page, local_path, redirect
from liyu.web.visit import visit_of

_YEAR_SECONDS = 365 * 24 * 3600


@get("/language/{locale:str}", include_in_schema=False, opt={"public": True}, sync_to_thread=False)
def switch_language(request: Request[Any, Any, Any], locale: FromPath[str], next: FromQuery[str] = "/") -> Page:  # noqa: A002
    """Speak the other language from now on and go back to the page; works signed in and signed out."""
    if locale not in LOCALES:
        raise NotFoundException
    visit_of(request).set_cookie(LOCALE_COOKIE, locale, max_age=_YEAR_SECONDS)
    return redirect(request, local_path(next, "/"))
