"""The pages of the console, all under `/console`: those before signing in, and those of the staff."""

from litestar.types import ControllerRouterHandler

from liyu.web.console import (
    audit_log,
    books,
    consents,
    downloads,
    item_form,
    items,
    login,
    member_account,
    member_tier,
    members,
    partners,
    points_expiry,
    points_health,
    profile_fields,
    redemptions,
    rule_form,
    rule_preview,
    rules,
    settlements,
    statement,
    tiers,
    today,
)

OPEN: list[ControllerRouterHandler] = [*login.ROUTES]
STAFF: list[ControllerRouterHandler] = [
    *today.ROUTES,
    *item_form.ROUTES,
    *items.ROUTES,
    *redemptions.ROUTES,
    *members.ROUTES,
    *tiers.ROUTES,
    *member_tier.ROUTES,
    *member_account.ROUTES,
    *profile_fields.ROUTES,
    *consents.ROUTES,
    *rules.ROUTES,
    *rule_form.ROUTES,
    *rule_preview.ROUTES,
    *points_health.ROUTES,
    *points_expiry.ROUTES,
    *partners.ROUTES,
    *settlements.ROUTES,
    *statement.ROUTES,
    *downloads.ROUTES,
    *books.ROUTES,
    *audit_log.ROUTES,
]
