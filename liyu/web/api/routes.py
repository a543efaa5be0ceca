"""The calls of the API under `/api/v1`, each with its `require_scope(…)`, and signed webhooks, which need no key."""

from litestar.types import ControllerRouterHandler

CALLS: list[ControllerRouterHandler] = []
WEBHOOKS: list[ControllerRouterHandler] = []
