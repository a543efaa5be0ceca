"""Which handlers the application has: a router with one guard (the API: one hook) per audience, and what is open says so.

A route without a guard carries the option `public`; a test walks all routes and fails on any other.
"""

from collections.abc import Sequence

from litestar import Router
from litestar.types import ControllerRouterHandler

from liyu.core.access.models import MEMBER, OPERATOR, PARTNER
from liyu.web import dev
from liyu.web.account import account_router
from liyu.web.actor import require_member, require_operator, require_partner
from liyu.web.api import routes as api
from liyu.web.api.auth import require_api_key
from liyu.web.api.bodies import ApiRequest
from liyu.web.api.health import healthz, metrics, readyz
from liyu.web.assets import serve_asset, serve_cover
from liyu.web.console import routes as console
from liyu.web.csrf import EXEMPT
from liyu.web.language import switch_language
from liyu.web.mall import routes as mall
from liyu.web.partner import routes as partner
from liyu.web.pictures import serve_picture

PUBLIC_OPTION = "public"
SIGNED_OPTION = "signed_webhook"


def collect_routes(*, is_development: bool) -> list[ControllerRouterHandler]:
    """All handlers and routers of the site; the development pages only where nobody else can reach them."""
    return [
        healthz,
        readyz,
        metrics,
        serve_asset,
        serve_cover,
        serve_picture,
        switch_language,
        _open("/", mall.OPEN),
        Router(
            "/",
            route_handlers=[*mall.MEMBERS, account_router(MEMBER)],
            guards=[require_member],
            include_in_schema=False,
        ),
        _open("/partner", partner.OPEN),
        Router(
            "/partner",
            route_handlers=[*partner.STAFF, account_router(PARTNER)],
            guards=[require_partner],
            include_in_schema=False,
        ),
        _open("/console", console.OPEN),
        Router(
            "/console",
            route_handlers=[*console.STAFF, account_router(OPERATOR)],
            guards=[require_operator],
            include_in_schema=False,
        ),
        _open("/", api.OPEN),
        Router(
            "/api/v1",
            route_handlers=api.CALLS,
            before_request=require_api_key,
            opt={EXEMPT: True},
            request_class=ApiRequest,
        ),
        Router("/api/webhooks", route_handlers=api.WEBHOOKS, opt={EXEMPT: True, SIGNED_OPTION: True}),
        *([_open("/", dev.ROUTES)] if is_development else []),
    ]


def _open(path: str, handlers: Sequence[ControllerRouterHandler]) -> Router:
    return Router(path, route_handlers=handlers, opt={PUBLIC_OPTION: True}, include_in_schema=False)
