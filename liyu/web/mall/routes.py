"""The pages of the mall: those that everybody may see, and those that need a member."""

from litestar.types import ControllerRouterHandler

from liyu.web.mall import login

OPEN: list[ControllerRouterHandler] = [*login.ROUTES]
MEMBERS: list[ControllerRouterHandler] = []
