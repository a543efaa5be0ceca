"""The calls of the API under `/api/v1`, each with its scope (`calls.route`), and signed webhooks, which need no key."""

from litestar.types import ControllerRouterHandler

from liyu.web.api import (
    bills,
    campaigns,
    combine,
    draws,
    events,
    gift_codes,
    gifts,
    items,
    members,
    memberships,
    redemptions,
    vouchers,
    webhooks,
)
from liyu.web.api.openapi import get_openapi
from liyu.web.api.stripe_webhook import receive_stripe_event

OPEN: list[ControllerRouterHandler] = [get_openapi]
CALLS: list[ControllerRouterHandler] = [
    *members.CALLS,
    *memberships.CALLS,
    *events.CALLS,
    *items.CALLS,
    *draws.CALLS,
    *redemptions.CALLS,
    *vouchers.CALLS,
    *gifts.CALLS,
    *combine.CALLS,
    *bills.CALLS,
    *campaigns.CALLS,
    *gift_codes.CALLS,
    *webhooks.CALLS,
]
WEBHOOKS: list[ControllerRouterHandler] = [receive_stripe_event]
