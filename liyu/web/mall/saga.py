"""The history of an order in words: its states, the money that came for it and the money that went back, the newest first."""

from typing import Any

from liyu.core.i18n import N_, Message
from liyu.redemption.orders import OrderStep
from liyu.redemption.payments.queries import MoneyBack, MoneyReceived, PaymentView
from liyu.redemption.states import GIVEN_BACK
from liyu.web.formats import format_money
from liyu.web.i18n import translate
from liyu.web.mall.words import ORDER_STEPS

_STEPS: dict[tuple[str, str], str] = {
    ("completed", "used_up"): N_("All used; completed"),
    ("confirmed", "paid"): N_("Paid; the order is yours"),
    ("released", "not_paid_in_time"): N_("Not paid in time; the points are back in their lots"),
    ("released", "changed_mind"): N_("Given up before paying; the points are back in their lots"),
}
_BACK: dict[str, tuple[str, str]] = {
    "wanted": (N_("%(amount)s is on its way back to you"), "waiting"),
    "made": (N_("%(amount)s went back to you"), ""),
    "failed": (N_("%(amount)s could not be sent back yet; customer service takes care of it"), "red"),
}


def tell_saga(steps: list[OrderStep], payment: PaymentView | None) -> list[dict[str, Any]]:
    """The entries of an order's timeline."""
    entries = [_step_of(step) for step in steps]
    if payment is not None:
        entries += [_back_of(one, payment.currency) for one in payment.back]
        entries += [_received_of(one, payment.currency) for one in payment.received]
        entries += [_entry(Message(N_("An attempt to pay failed")), at, "red") for at in payment.failed_at]
    # Of what happened at the same instant, the money came before the state that it led to.
    return sorted(entries, key=lambda entry: entry["when"], reverse=True)


def _step_of(step: OrderStep) -> dict[str, Any]:
    text = _STEPS.get((step.to_state, step.reason), ORDER_STEPS[step.to_state])
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
