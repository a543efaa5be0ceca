"""The history of an order in words: its states, the money that came for it and the money that went back, the newest first."""

from typing import Any

from liyu.core.i18n import N_, Message
from liyu.redemption.aftersale.queries import Request
from liyu.redemption.fulfilment import Fulfilment
from liyu.redemption.orders import Order, OrderStep
from liyu.redemption.payments.queries import MoneyBack, MoneyReceived, PaymentView
from liyu.redemption.shipping.queries import ParcelLine
from liyu.redemption.states import GIVEN_BACK
from liyu.redemption.topup.queries import Attempt
from liyu.web.formats import format_money
from liyu.web.i18n import translate
from liyu.web.mall.words import ORDER_STEPS
from liyu.web.order_words import REQUEST_KINDS, REQUEST_STATES

_STEPS: dict[tuple[str, str], str] = {
    ("completed", "used_up"): N_("All used; completed"),
    ("confirmed", "paid"): N_("Paid; the order is yours"),
    ("released", "not_paid_in_time"): N_("Not paid in time; the points are back in their lots"),
    ("released", "changed_mind"): N_("Given up before paying; the points are back in their lots"),
    ("completed", "received"): N_("Received; completed"),
    ("completed", "taken_as_received"): N_("Taken as received; completed"),
    ("completed", "topped_up"): N_("Credited; completed"),
    ("cancelled", "not_picked_up"): N_("Not picked up in time; the points are back in their lots"),
    ("cancelled", "not_sent_in_time"): N_("It could not be sent in time; the points are back in their lots"),
    ("cancelled", "top_up_refused"): N_("It could not be credited; the points are back in their lots"),
    ("cancelled", "top_up_failed"): N_("It could not be credited; the points are back in their lots"),
}
_BY_KIND: dict[tuple[str, str, str], str] = {
    ("code", "completed", "redeemed"): N_("Redeemed; the points are taken and your code is assigned"),
    ("code", "completed", "paid"): N_("Your code is assigned"),
    ("partner_right", "confirmed", "redeemed"): N_("Redeemed; the points are taken and your voucher is issued"),
    ("coupon", "confirmed", "redeemed"): N_("Redeemed; the points are taken and your voucher is issued"),
    ("pick_up", "confirmed", "redeemed"): N_("Redeemed; the points are taken and your pick-up code is issued"),
    ("draw", "completed", "redeemed"): N_("Entered; the points are taken"),
    ("donation", "completed", "redeemed"): N_("The points are taken and passed on"),
    ("pick_up", "completed", "used_up"): N_("Picked up; completed"),
}
"""What says more about an order of one kind."""
_FREE: dict[tuple[str, str], str] = {
    ("confirmed", "redeemed"): N_("Yours, for no points"),
    ("completed", "redeemed"): N_("Yours, for no points"),
    ("cancelled", "changed_mind"): N_("Cancelled"),
}
"""What is said of an order that cost no points."""
_ATTEMPTS: dict[str, str] = {
    "pending": N_("Your top-up is being carried out"),
    "failed": N_("Not credited yet; it is tried again"),
    "unknown": N_("Not confirmed yet; it is asked again"),
}
_BACK: dict[str, tuple[str, str]] = {
    "wanted": (N_("%(amount)s is on its way back to you"), "waiting"),
    "made": (N_("%(amount)s went back to you"), ""),
    "failed": (N_("%(amount)s could not be sent back yet; customer service takes care of it"), "red"),
}


def tell_saga(
    steps: list[OrderStep], payment: PaymentView | None, order: Order, after: Fulfilment
) -> list[dict[str, Any]]:
    """The entries of an order's timeline."""
    # That the order is on its way, its parcels tell.
    entries = [_step_of(step, order) for step in steps if step.reason != "sent"]
    entries += [entry for parcel in after.parcels for entry in _parcel_of(parcel)]
    entries += [entry for request in after.requests for entry in _request_of(request)]
    entries += [_attempt_of(attempt) for attempt in after.attempts if attempt.result in _ATTEMPTS]
    if payment is not None:
        entries += [_back_of(one, payment.currency) for one in payment.back]
        entries += [_received_of(one, payment.currency) for one in payment.received]
        entries += [_entry(Message(N_("An attempt to pay failed")), at, "red") for at in payment.failed_at]
    # Of what happened at the same instant, the money came before the state that it led to.
    return sorted(entries, key=lambda entry: entry["when"], reverse=True)


def _parcel_of(parcel: ParcelLine) -> list[dict[str, Any]]:
    words = N_("Replacement sent with %(carrier)s") if parcel.is_replacement else N_("Sent with %(carrier)s")
    names = {"zh": parcel.carried_by.name_zh, "en": parcel.carried_by.name_en}
    sent = _entry(Message(words, {"carrier": names}), parcel.sent_at)
    sent["note"] = parcel.tracking_number
    if parcel.received_at is None:
        return [sent]
    return [sent, _entry(Message(N_("Parcel received")), parcel.received_at)]


def _request_of(request: Request) -> list[dict[str, Any]]:
    opened = _entry(Message(N_("Asked: %(wish)s"), {"wish": Message(REQUEST_KINDS[request.kind])}), request.opened_at)
    if request.closed_at is None:
        return [opened]
    closed = _entry(Message(REQUEST_STATES[request.state][0]), request.closed_at)
    if request.points:
        closed["note"] = translate(Message(N_("%(points)s points"), {"points": request.points}))
    return [opened, closed]


def _attempt_of(attempt: Attempt) -> dict[str, Any]:
    return _entry(Message(_ATTEMPTS[attempt.result]), attempt.at, "waiting")


def _step_of(step: OrderStep, order: Order) -> dict[str, Any]:
    plain = _STEPS.get((step.to_state, step.reason), ORDER_STEPS[step.to_state])
    text = _BY_KIND.get((order.kind, step.to_state, step.reason), plain)
    if not order.points:
        text = _FREE.get((step.to_state, step.reason), text)
    return _entry(Message(text), step.at, "waiting" if step.to_state in GIVEN_BACK else "")


def _received_of(one: MoneyReceived, currency: str) -> dict[str, Any]:
    text = N_("%(amount)s received") if one.captures else N_("%(amount)s received that the order did not wait for")
    return _entry(Message(text, {"amount": format_money(one.amount_minor, currency)}), one.received_at)


def _back_of(one: MoneyBack, currency: str) -> dict[str, Any]:
    text, tone = _BACK[one.state]
    entry = _entry(
        Message(text, {"amount": format_money(one.amount_minor, currency)}), one.done_at or one.wanted_at, tone
    )
    if one.points:
        entry["note"] = translate(Message(N_("%(points)s points with it"), {"points": one.points}))
    return entry


def _entry(text: Message, when: Any, state: str = "") -> dict[str, Any]:
    return {"text": translate(text), "when": when, "state": state}
