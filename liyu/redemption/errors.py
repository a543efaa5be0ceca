"""What can go wrong with a redemption, in words for people and codes for programs."""

from liyu.core.errors import DomainError, NotFoundError, Reason
from liyu.core.i18n import N_, Message
from liyu.members.errors import UnknownMemberError

__all__ = ["NotCancellableError", "RefusedError", "UnknownItemError", "UnknownMemberError", "make_reason"]


class RefusedError(DomainError):
    """The redemption was refused; `reasons` names every failed condition and the first one gives the code."""

    code = "refused"
    message = N_("This cannot be redeemed right now.")

    @property
    def text(self) -> Message:
        """The first reason, in its own words."""
        return self.reasons[0].message if self.reasons else Message(self.message)

    @property
    def stable_code(self) -> str:
        """The code of the first reason."""
        return self.reasons[0].code if self.reasons else self.code


class UnknownItemError(NotFoundError):
    """No published item has this number."""

    code = "unknown_item"
    message = N_("No item has this number.")


class NotCancellableError(DomainError):
    """The redemption has gone too far to be cancelled."""

    code = "not_cancellable"
    message = N_("This redemption can no longer be cancelled.")


class CancelTimeOverError(NotCancellableError):
    """The item's time in which members may cancel is over."""

    code = "cancel_time_over"
    message = N_("The time in which this could be cancelled is over.")


WORDS: dict[str, str] = {
    "member_frozen": N_("The account is frozen. Customer service can tell more."),
    "member_not_active": N_("The membership has to be activated first."),
    "member_closed": N_("The membership is closed."),
    "not_on_sale": N_("This is not on offer."),
    "not_yet_on_sale": N_("Redeeming opens at %(opens)s."),
    "sale_ended": N_("Redeeming ended at %(ended)s."),
    "sold_out": N_("Everything has been taken."),
    "not_enough_left": N_("Only %(left)s left."),
    "tier_too_low": N_("Needs %(needs)s; you are %(has)s, %(missing)s growth value to go."),
    "limit_reached": N_("Each member may redeem %(limit)s; you have %(used)s."),
    "daily_limit_reached": N_("Each member may redeem %(limit)s a day; you have %(used)s today."),
    "order_limit_reached": N_("At most %(limit)s in one order."),
    "person_limit_reached": N_("Each person may redeem %(limit)s, over all their memberships; you have %(used)s."),
    "tag_missing": N_("Only for members with: %(tags)s."),
    "wrong_city": N_("Only for members in: %(cities)s."),
    "offer_over": N_("What was kept for you has gone to the next in line: its time was over."),
    "offer_units": N_("%(units)s units are kept for you: redeem them together."),
    "not_enough_points": N_("Needs %(needed)s points; you can use %(usable)s, %(missing)s short."),
    "not_sent_there": N_("This is not sent to %(province)s."),
    "no_address": N_("There is no address to send it to yet: add one first."),
    "payment_unavailable": N_("Paying the cash part is not possible here at the moment."),
}
"""The words of every refusal. The stable code that programs see is the key, but for those in `CODES`."""

CODES: dict[str, str] = {
    "not_yet_on_sale": "not_on_sale",
    "sale_ended": "not_on_sale",
    "not_enough_left": "sold_out",
    "daily_limit_reached": "limit_reached",
    "order_limit_reached": "limit_reached",
    "person_limit_reached": "limit_reached",
    "tag_missing": "not_eligible",
    "wrong_city": "not_eligible",
}


_NAMES = {words: name for name, words in WORDS.items()}


def name_reason(reason: Reason) -> str:
    """The name from which `make_reason` made a reason; codes are shared by several."""
    return _NAMES.get(reason.message.text, reason.code)


def make_reason(name: str, **details: object) -> Reason:
    """A reason with its stable code, its words and the figures behind it."""
    return Reason(CODES.get(name, name), Message(WORDS[name], details), details)


class NameTakenError(DomainError):
    """Another campaign has this name."""

    code = "name_taken"
    message = N_("Another one has this name already. The name is what gives to nobody twice: choose another one.")


class ItemDoesNotFitError(DomainError):
    """The item cannot be given for nothing."""

    code = "item_does_not_fit"
    message = N_("This item cannot be given away: it is no live item, or a draw entry or donation.")
