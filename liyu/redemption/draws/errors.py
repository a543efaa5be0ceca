"""What can go wrong with a draw, in words for people and codes for programs."""

from liyu.core.errors import DomainError
from liyu.core.i18n import N_


class DrawNotReadyError(DomainError):
    """The draw cannot be announced as it is; `reasons` names everything that is in the way."""

    code = "draw_not_ready"
    message = N_("The draw cannot be announced yet.")


class DrawStateError(DomainError):
    """The draw has gone on, or has not come so far."""

    code = "draw_state"
    message = N_("The draw is in another state by now; look at it again.")


class NothingToClaimError(DomainError):
    """Nothing is kept for this member, or its time is over."""

    code = "nothing_to_claim"
    message = N_("There is nothing to claim here, or its time is over.")


class AddressNeededError(DomainError):
    """The prize goes by post, and nobody knows where to."""

    code = "address_needed"
    message = N_("The prize goes by post: add an address first.")
