"""The pages of the console, all under `/console`: those before signing in, and those of the staff."""

from litestar.types import ControllerRouterHandler

from liyu.web.console import (
    audit_log,
    books,
    downloads,
    item_form,
    items,
    login,
    members,
    partners,
    redemptions,
    settlements,
    statement,
    today,
)

OPEN: list[ControllerRouterHandler] = [*login.ROUTES]
STAFF: list[ControllerRouterHandler] = [
    *today.ROUTES,
    *item_form.ROUTES,
    *items.ROUTES,
    *redemptions.ROUTES,
    *members.ROUTES,
    *partners.ROUTES,
    *settlements.ROUTES,
    *statement.ROUTES,
    *downloads.ROUTES,
    *books.ROUTES,
    *audit_log.ROUTES,
]
