"""Which handlers the application has. Each audience's router carries its guard; what is open says so on the handler."""

from litestar.types import ControllerRouterHandler

from liyu.core.settings import Settings
from liyu.web.api.health import healthz, metrics, readyz
from liyu.web.assets import serve_asset
from liyu.web.language import switch_language


def collect_routes(settings: Settings) -> list[ControllerRouterHandler]:
    """All handlers and routers of the site; the development pages only where nobody else can reach them."""
    return [healthz, readyz, metrics, serve_asset, switch_language]
