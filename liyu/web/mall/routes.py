"""The pages of the mall: those that everybody may see, and those that need a member."""

from litestar.types import ControllerRouterHandler

from liyu.web.mall import (
    addresses,
    badges,
    browse,
    card,
    consents,
    earn,
    home,
    item,
    live,
    login,
    my_phone,
    my_profile,
    orders,
    points,
    privacy,
    profile,
    redeem,
    tier,
    wallet,
)

OPEN: list[ControllerRouterHandler] = [*login.ROUTES, home.show_home, *browse.ROUTES, *item.ROUTES, *live.ROUTES]
MEMBERS: list[ControllerRouterHandler] = [
    *redeem.ROUTES,
    *orders.ROUTES,
    *wallet.ROUTES,
    *points.ROUTES,
    *earn.ROUTES,
    *profile.ROUTES,
    *tier.ROUTES,
    *badges.ROUTES,
    *card.ROUTES,
    *my_profile.ROUTES,
    *addresses.ROUTES,
    *consents.ROUTES,
    *my_phone.ROUTES,
    *privacy.ROUTES,
]
