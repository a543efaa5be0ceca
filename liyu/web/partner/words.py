"""The words of the portal for states, refusals and reasons. Marked here, translated when they are shown."""

from liyu.core.i18n import N_, Message
from liyu.partners.settlement.queries import TransitionView

UNDO_REASONS: dict[str, str] = {
    "wrong_voucher": N_("Wrong voucher scanned"),
    "not_served": N_("The member was not served"),
    "twice": N_("Verified twice by mistake"),
    "training": N_("Practice or test"),
    "other": N_("Another reason"),
}

STATEMENT_TONES: dict[str, str] = {
    "draft": "grey",
    "sent": "gold",
    "confirmed": "",
    "approved": "blue",
    "paid": "grey",
    "closed": "grey",
}

OFFER_TONES: dict[str, str] = {
    "draft": "grey",
    "submitted": "blue",
    "approved": "blue",
    "returned": "red",
    "live": "",
    "paused": "gold",
    "ended": "grey",
}

_STEPS: dict[str, str] = {
    "draft": N_("Prepared from the ledger"),
    "sent": N_("Sent to you"),
    "confirmed": N_("Confirmed by you"),
    "approved": N_("Approved by a second person"),
    "paid": N_("Paid out"),
    "closed": N_("Closed; the balance is carried over"),
}
_NEXT_STEPS: dict[str, str] = {
    "sent": N_("Waiting for your confirmation"),
    "confirmed": N_("Waiting for approval by a second person"),
    "approved": N_("Waiting for the payout"),
}


def describe_step(step: TransitionView) -> str:
    """What a change of a statement's state was, seen from the partner."""
    if step.from_state == "draft" and step.to_state == "draft":
        return N_("Recalculated")
    if step.from_state == "sent" and step.to_state == "draft":
        return N_("Taken back for corrections")
    return _STEPS[step.to_state]


def describe_next_step(state: str, to_pay_minor: int) -> str | None:
    """What a statement waits for; None when it is done."""
    if state == "approved" and to_pay_minor <= 0:
        return N_("Waiting to be closed: there is nothing to pay")
    return _NEXT_STEPS.get(state)


def write_reason(choice: str, note: str) -> str:
    """The reason of an undo as it is stored: one of ours, and what was added to it."""
    return f"{choice}: {note}" if note else choice


def read_reason(stored: str | None) -> Message | str:
    """The reason of an undo as it is shown; tills write theirs freely."""
    choice, _, note = (stored or "").partition(": ")
    if choice not in UNDO_REASONS:
        return stored or ""
    if choice == "other" and note:
        return note
    return (
        Message("%(reason)s · %(note)s", {"reason": Message(UNDO_REASONS[choice]), "note": note})
        if note
        else Message(UNDO_REASONS[choice])
    )
