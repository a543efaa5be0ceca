"""The pages of the vendor portal, all under `/partner`: those before signing in, and those of the staff."""

from litestar.types import ControllerRouterHandler

from liyu.core.access.models import PARTNER
from liyu.web.partner import (
    after_sales,
    business,
    codes,
    files,
    offers,
    offline,
    offline_devices,
    offline_install,
    refusals,
    shipping,
    statements,
    stores,
    till,
    till_bill,
    today,
    verifications,
)
from liyu.web.staff_login import make_login_handlers

OPEN: list[ControllerRouterHandler] = [*make_login_handlers(PARTNER), *offline_install.OPEN]
STAFF: list[ControllerRouterHandler] = [
    *today.ROUTES,
    *till.ROUTES,
    *till_bill.ROUTES,
    *verifications.ROUTES,
    *refusals.ROUTES,
    *offline.ROUTES,
    *offline_devices.ROUTES,
    *statements.ROUTES,
    *files.ROUTES,
    *offers.ROUTES,
    *business.ROUTES,
    *stores.ROUTES,
    *codes.ROUTES,
    *shipping.ROUTES,
    *after_sales.ROUTES,
]
