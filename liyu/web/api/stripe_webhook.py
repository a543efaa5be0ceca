"""Stripe's webhook: verified, kept once, answered at once; what it asks for is done by a job."""

from typing import Any

from litestar import Request, post

from liyu.core.database import driver_connection, unit_of_work
from liyu.redemption.payments.errors import PaymentUnavailableError
from liyu.redemption.payments.events import store_event
from liyu.web.api.problems import json_answer
from liyu.web.pages import Page
from liyu.web.services import services_of


@post("/stripe", include_in_schema=False, status_code=200)
async def receive_stripe_event(request: Request[Any, Any, Any]) -> Page:
    """Keep an event of Stripe's. Raises BadSignatureError; without the provider's keys nothing is taken."""
    services = services_of(request.app)
    if services.payments is None:
        raise PaymentUnavailableError
    event = services.payments.read_event(await request.body(), request.headers.get("stripe-signature", ""))
    async with unit_of_work(services.sessions) as session:
        is_new = await store_event(await driver_connection(session), event, services.clock.now())
    return json_answer({"received": True, "new": is_new})
