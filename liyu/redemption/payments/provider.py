"""The payment provider, Stripe: the only module of the package that knows it.

Every call goes over the network and may take seconds: never within a transaction. What changes something at Stripe carries an
idempotency key, so that asking again after a lost answer does it once.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
import stripe
from msgspec import Struct
from stripe.params import PaymentIntentConfirmParams
from stripe.params.checkout import SessionCreateParams

from liyu.core.settings import Settings
from liyu.redemption.payments.errors import BadSignatureError, ProviderRefusedError, ProviderUnreachableError

TIMEOUT_SECONDS = 10
RETRIES = 2
TOLERANCE_SECONDS = 300
"""A webhook that was signed longer ago is refused: somebody may have kept and re-sent it."""

REDIRECT_WAYS: tuple[Literal["alipay", "wechat_pay"], ...] = ("alipay", "wechat_pay")
"""Ways to pay that confirm the order's PaymentIntent and lead to a page of the wallet."""
CHECKOUT_WAYS: tuple[Literal["card"]] = ("card",)
"""Ways to pay that lead to the page that Stripe hosts."""
WAYS = (*REDIRECT_WAYS, *CHECKOUT_WAYS)

PAID, FAILED, REFUNDED = "payment_intent.succeeded", "payment_intent.payment_failed", "charge.refunded"
_NUMBER = "redemption"

Thing = dict[str, Any]
"""An object of Stripe's, as plain values."""


class Paid(Struct, frozen=True):
    """Money that arrived for a PaymentIntent."""

    intent_id: str
    number: str | None
    amount_minor: int
    currency: str


class Closed(Struct, frozen=True):
    """What closing found: the money that had arrived before, and whether no more can come."""

    paid: list[Paid]
    is_closed: bool


class Wish(Struct, frozen=True):
    """What is to be paid."""

    number: str
    amount_minor: int
    currency: str
    title: str


class Event(Struct, frozen=True):
    """A webhook, with what we need of it."""

    id: str
    kind: str
    at: datetime
    number: str | None
    intent_id: str | None
    amount_minor: int
    refunded_minor: int
    currency: str


class Provider:
    """Stripe with the keys of this installation."""

    def __init__(self, api_key: str, webhook_secret: str, api_base: str | None = None) -> None:
        # One client for each call: its connections are those of one thread, and calls are rare.
        self._make = lambda: stripe.StripeClient(
            api_key,
            base_addresses={"api": api_base} if api_base else {},
            max_network_retries=RETRIES,
            http_client=stripe.RequestsClient(timeout=TIMEOUT_SECONDS),
        )
        self._webhook_secret = webhook_secret

    async def make_intent(self, wish: Wish) -> str:
        """The id of the order's PaymentIntent; the same one for the same order, however often it is asked."""
        intent = await self._ask(
            lambda client: client.v1.payment_intents.create(
                {
                    "amount": wish.amount_minor,
                    "currency": wish.currency.lower(),
                    "metadata": {_NUMBER: wish.number},
                },
                {"idempotency_key": wish.number},
            )
        )
        return str(intent["id"])

    async def confirm(self, intent_id: str, way: Literal["alipay", "wechat_pay"], return_url: str) -> str:
        """Choose a wallet for the order's PaymentIntent; the address of the page where it is paid."""
        wanted: PaymentIntentConfirmParams = {"payment_method_data": {"type": way}, "return_url": return_url}
        if way == "wechat_pay":
            wanted["payment_method_options"] = {"wechat_pay": {"client": "web"}}
        intent = await self._ask(lambda client: client.v1.payment_intents.confirm(intent_id, wanted))
        action = (intent["next_action"] or {}) if intent["status"] == "requires_action" else {}
        for name in ("alipay_handle_redirect", "redirect_to_url"):
            if action.get(name):
                return str(action[name]["url"])
        if action.get("wechat_pay_display_qr_code"):
            return str(action["wechat_pay_display_qr_code"]["hosted_instructions_url"])
        # Paid already, or by now in some other state: our own page tells.
        return return_url

    async def open_checkout(self, wish: Wish, return_url: str, cancel_url: str) -> tuple[str, str]:
        """A page hosted by Stripe on which the order is paid: its id and its address."""
        values: SessionCreateParams = {
            "mode": "payment",
            "allowed_payment_method_types": list(CHECKOUT_WAYS),
            "client_reference_id": wish.number,
            "line_items": [
                {
                    "quantity": 1,
                    "price_data": {
                        "currency": wish.currency.lower(),
                        "unit_amount": wish.amount_minor,
                        "product_data": {"name": wish.title},
                    },
                }
            ],
            "payment_intent_data": {"metadata": {_NUMBER: wish.number}},
            "success_url": return_url,
            "cancel_url": cancel_url,
            "locale": "auto",
        }
        session = await self._ask(
            lambda client: client.v1.checkout.sessions.create(values, {"idempotency_key": f"{wish.number}:checkout"})
        )
        return str(session["id"]), str(session["url"] or return_url)

    async def close(self, intent_id: str | None, checkout_id: str | None) -> Closed:
        """Let no more money come for an order; what has arrived already is told."""
        found = []
        if intent_id:
            found.append(await self._close_intent(intent_id))
        if checkout_id:
            found.append(await self._close_checkout(checkout_id))
        return Closed([paid for one in found for paid in one.paid], all(one.is_closed for one in found))

    async def look(self, intent_id: str | None, checkout_id: str | None) -> list[Paid]:
        """The money that has arrived for an order so far."""
        intents = [intent_id] if intent_id else []
        if checkout_id:
            session = await self._ask(lambda client: client.v1.checkout.sessions.retrieve(checkout_id))
            intents += [session["payment_intent"]] if session["payment_intent"] else []
        found = [await self._read_intent(one) for one in intents]
        return [_paid(one) for one in found if one["status"] == "succeeded"]

    async def refund(self, intent_id: str, amount_minor: int, key: str) -> str:
        """Give money back; the id of the refund, the same one for the same key."""
        refund = await self._ask(
            lambda client: client.v1.refunds.create(
                {"payment_intent": intent_id, "amount": amount_minor}, {"idempotency_key": key}
            )
        )
        return str(refund["id"])

    def read_event(self, body: bytes, signature: str) -> Event:
        """A webhook, once its signature was verified. Raises BadSignatureError."""
        try:
            stripe.WebhookSignature.verify_header(body, signature, self._webhook_secret, TOLERANCE_SECONDS)
            return _event_of(msgspec.json.decode(body))
        except (stripe.SignatureVerificationError, ValueError, KeyError, TypeError, AttributeError) as fault:
            raise BadSignatureError from fault

    async def _close_intent(self, intent_id: str) -> Closed:
        try:
            intent = await self._ask(lambda client: client.v1.payment_intents.cancel(intent_id))
        except ProviderRefusedError:
            intent = await self._read_intent(intent_id)
        return _closed(intent)

    async def _close_checkout(self, checkout_id: str) -> Closed:
        try:
            session = await self._ask(lambda client: client.v1.checkout.sessions.expire(checkout_id))
        except ProviderRefusedError:
            session = await self._ask(lambda client: client.v1.checkout.sessions.retrieve(checkout_id))
        if session["status"] != "complete":
            return Closed([], session["status"] == "expired")
        return _closed(await self._read_intent(session["payment_intent"]))

    async def _read_intent(self, intent_id: str) -> Thing:
        return await self._ask(lambda client: client.v1.payment_intents.retrieve(intent_id))

    async def _ask(self, call: Callable[[stripe.StripeClient], stripe.StripeObject]) -> Thing:
        try:
            return await asyncio.to_thread(lambda: call(self._make()).to_dict())  # type: ignore[no-untyped-call]  # stripe types no return here
        except (stripe.APIConnectionError, stripe.RateLimitError) as fault:
            raise ProviderUnreachableError from fault
        except stripe.StripeError as fault:
            # Stripe's own faults (5xx) are over some time; everything else will be refused again.
            if (fault.http_status or 500) >= 500:
                raise ProviderUnreachableError from fault
            raise ProviderRefusedError(fault=str(fault.user_message or fault)) from fault


def make_provider(settings: Settings) -> Provider | None:
    """Stripe, where its keys are set; without them points + cash is not available."""
    if not settings.stripe_api_key or not settings.stripe_webhook_secret:
        return None
    return Provider(settings.stripe_api_key, settings.stripe_webhook_secret, settings.stripe_api_base)


def _closed(intent: Thing) -> Closed:
    is_paid = intent["status"] == "succeeded"
    return Closed([_paid(intent)] if is_paid else [], is_paid or intent["status"] == "canceled")


def _paid(intent: Thing) -> Paid:
    amount = intent.get("amount_received") or intent["amount"]
    return Paid(intent["id"], (intent.get("metadata") or {}).get(_NUMBER), amount, intent["currency"].upper())


def _event_of(event: Thing) -> Event:
    thing, kind = event["data"]["object"], str(event["type"])
    is_charge, is_intent = kind.startswith("charge."), kind.startswith("payment_intent.")
    return Event(
        id=event["id"],
        kind=kind,
        at=datetime.fromtimestamp(event["created"], UTC),
        number=(thing.get("metadata") or {}).get(_NUMBER),
        intent_id=thing.get("payment_intent") if is_charge else thing["id"] if is_intent else None,
        amount_minor=(thing.get("amount_received") if kind == PAID else None) or thing.get("amount") or 0,
        refunded_minor=thing.get("amount_refunded") or 0,
        currency=str(thing.get("currency") or "").upper(),
    )
