"""The pages of the mall: those that everybody may see, and those that need a member."""

from litestar.types import ControllerRouterHandler

from liyu.web.mall import (
    addresses,
    badges,
    browse,
    card,
    compare,
    consents,
    earn,
    favourites,
    home,
    installable,
    item,
    live,
    login,
    my_phone,
    my_profile,
    notices,
    orders,
    points,
    privacy,
    profile,
    redeem,
    share,
    tier,
    wallet,
)

OPEN: list[ControllerRouterHandler] = [
    *login.ROUTES,
    home.show_home,
    *browse.ROUTES,
    *item.ROUTES,
    *compare.ROUTES,
    *share.ROUTES,
    *live.ROUTES,
    *installable.ROUTES,
]
MEMBERS: list[ControllerRouterHandler] = [
    *redeem.ROUTES,
    *orders.ROUTES,
    *wallet.ROUTES,
    *points.ROUTES,
    *earn.ROUTES,
    *profile.ROUTES,
    *notices.ROUTES,
    *favourites.ROUTES,
    *tier.ROUTES,
    *badges.ROUTES,
    *card.ROUTES,
    *my_profile.ROUTES,
    *addresses.ROUTES,
    *consents.ROUTES,
    *my_phone.ROUTES,
    *privacy.ROUTES,
]
