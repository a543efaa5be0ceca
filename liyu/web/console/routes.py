"""The pages of the console, all under `/console`: those before signing in, and those of the staff."""

from litestar.types import ControllerRouterHandler

from liyu.web.console import login

OPEN: list[ControllerRouterHandler] = [*login.ROUTES]
STAFF: list[ControllerRouterHandler] = []
