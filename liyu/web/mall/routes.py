"""The pages of the mall: those that everybody may see, and those that need a member."""

from litestar.types import ControllerRouterHandler

from liyu.web.mall import browse, home, item, live, login, orders, points, profile, redeem, wallet

OPEN: list[ControllerRouterHandler] = [*login.ROUTES, home.show_home, *browse.ROUTES, *item.ROUTES, *live.ROUTES]
MEMBERS: list[ControllerRouterHandler] = [
    *redeem.ROUTES,
    *orders.ROUTES,
    *wallet.ROUTES,
    *points.ROUTES,
    *profile.ROUTES,
]
