"""The pages of the vendor portal, all under `/partner`: those before signing in, and those of the staff."""

from litestar.types import ControllerRouterHandler

from liyu.web.partner import login

OPEN: list[ControllerRouterHandler] = [*login.ROUTES]
STAFF: list[ControllerRouterHandler] = []
